# SPDX-License-Identifier: Apache-2.0
"""kill -9 on any process of the daemon, a full disk under the logs, and what the master's end means."""

import collections
import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import LwcFpm, Pool, Workspace
from harness.fastcgi import ConnectionClosed, ProtocolError
from harness.processes import children_of, descendants_of, open_descriptors, process_tree, wait_until, waits_in

from .footprint import assert_unchanged, private, settled, unchanging
from .meeting import MEET, at_once
from .rounds import ROUNDS, everyday_state
from .served import PATIENCE, Served

SNAPSHOT_SCRIPT = f"""
    $resumed = function_exists('lwc_snapshot') && lwc_snapshot();
    {MEET}
    echo $resumed ? 'resumed' : 'cold';
    """


def alive(pid):
    stat = process_tree().get(pid)
    return stat is not None and stat[1] != "Z"


def shape(served):
    """How many processes of which title there are; it is the same again once a killed one was replaced."""
    titles = collections.Counter()
    for pid in descendants_of(served.daemon.pid):
        with contextlib.suppress(OSError):
            titles[Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]] += 1
    del titles[b""]  # ended meanwhile
    return titles


def shape_at_rest(served):
    """The shape when children of past requests have ended."""
    return unchanging(served, lambda: shape(served))


def ask(served, script):
    """An answer's text, or "closed" or "error" for a client whose worker died under it."""
    try:
        answer = served.get(script)
        return answer.text if answer.status < 500 else "error"
    except (ConnectionClosed, ProtocolError, ConnectionError):
        return "closed"


def running(served):
    """A daemon with a snapshot in use in both workers, so that every kind of process exists."""
    site = served.script(SNAPSHOT_SCRIPT, "front.php")
    served.start(children=2, lwc={"warmup": [site]})
    plain = served.script("echo 'plain';")
    for _ in range(20):
        assert served.get(site).text == "resumed"
        assert served.get(plain).text == "plain"
    for _ in range(5):
        assert ask_both(served, site) == ["resumed"] * 2
    return site, plain


def ask_both(served, site):
    """Both workers, each of which has one of two requests."""
    return [answer.text for answer in at_once(served, site, 2)]


def comes_back(served, site, plain, before):
    """Whether snapshots and processes are there again. A worker makes its part of a snapshot when it is asked for it,
    so both workers are asked, at once and more than once."""
    def asked():
        texts = ask_both(served, site)
        return ask(served, plain) == "plain" and texts == ["resumed"] * 2 and shape(served) == before

    return wait_until(asked, PATIENCE, 0.1)


def test_any_process_but_the_master(lwc):
    """Each in turn: the service goes on at once, and soon everything is there again, the snapshot too."""
    site, plain = running(lwc)
    before = shape_at_rest(lwc)
    victims = descendants_of(lwc.daemon.pid)
    assert len(victims) >= 3
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # went with another one
        answers = [ask(lwc, script) for _ in range(10) for script in (plain, site)]
        # Nobody was being served when the process died, so nobody may notice; but a connection that it had accepted
        # and not yet looked at can go down with it.
        assert answers.count("closed") + answers.count("error") <= 1, (pid, answers)
        assert set(answers) <= {"plain", "resumed", "cold", "closed", "error"}
        assert comes_back(lwc, site, plain, before), (before, shape(lwc), lwc.daemon.logs())
    assert lwc.daemon.running()


def test_worker_killed_under_a_request(lwc):
    """Only its own client is concerned, and gets an error page or a close."""
    lwc.start(children=2)
    script = lwc.script("""
        file_put_contents(ini_get('sys_temp_dir') . '/working', getmypid());
        while (true) usleep(1000);
        """)
    plain = lwc.script("echo 'plain';")
    for _ in range(3):
        lwc.file("working").unlink(missing_ok=True)
        with lwc.connect() as connection:
            connection.send_request(lwc.params(script))
            pid = int(lwc.wait_for_file("working"))
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ConnectionClosed):
                assert connection.read_response().status == 500
        assert [lwc.get(plain).text for _ in range(10)] == ["plain"] * 10
    assert "SIGKILL" in lwc.wait_for_log(str(pid))


@pytest.mark.parametrize("killed", ["worker", "daemon"])
def test_what_a_request_has_started_ends_with_its_worker(lwc, killed):
    lwc.start(1)
    script = lwc.script(f"""
        $child = pcntl_fork();
        while ($child === 0) {{
            sleep(60);
        }}
        file_put_contents('{lwc.file("child")}', $child);
        sleep(600);
        """)
    with lwc.connect() as connection:
        connection.send_request(lwc.params(script), b"")
        child = int(lwc.wait_for_file("child"))
        if killed == "worker":
            os.kill(process_tree()[child][0], signal.SIGKILL)
        else:
            lwc.daemon.stop()
        assert wait_until(lambda: not alive(child), PATIENCE)


def test_all_workers_at_once(lwc):
    site, plain = running(lwc)
    before = shape_at_rest(lwc)
    for pid in descendants_of(lwc.daemon.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: ask(lwc, plain) == "plain", PATIENCE)
    assert wait_until(lambda: ask(lwc, site) == "resumed", PATIENCE)
    assert comes_back(lwc, site, plain, before), (before, shape(lwc), lwc.daemon.logs())


@contextlib.contextmanager
def slow_sender(pid, seconds, when):
    """The process is descheduled for so long right before ("enter") or after ("exit") each message it sends: what a
    busy machine does at times."""
    tracer = subprocess.Popen(["strace", "-qq", "-p", str(pid), "-e", "trace=sendmsg", "-o", "/dev/null",
                               "-e", f"inject=sendmsg:delay_{when}={int(seconds * 1e6)}"])
    try:
        assert wait_until(lambda: f"TracerPid:\t{tracer.pid}\n" in Path(f"/proc/{pid}/status").read_text(), PATIENCE)
        yield
    finally:
        tracer.terminate()
        tracer.wait()


def test_snapshot_replaced_while_its_holder_hands_over(lwc):
    """The master may think a message lost that its sender had sent before it ended. What it then sends in its stead
    comes late, and must not be mistaken for the next message."""
    site = lwc.script(SNAPSHOT_SCRIPT, "front.php")
    plain = lwc.script("echo 'plain';")
    lwc.start(children=1, lwc={"warmup": [site]}, global_settings={"log_level": "debug"})
    assert lwc.get(plain).text == "plain"
    base = int(re.search(r"child (\d+) started\n", lwc.wait_for_log(" started\n"))[1])
    assert lwc.get(site).text == "resumed"
    template = int(re.search(r"is ready, pid (\d+)", lwc.wait_for_log("is ready, pid "))[1])
    holder = int(re.search(r"child (\d+) started from snapshot", lwc.wait_for_log(" started from snapshot"))[1])
    os.kill(base, signal.SIGSTOP)
    os.kill(template, signal.SIGKILL)
    assert wait_until(lambda: "is ready, pid " in lwc.wait_for_log("preparing another").split("preparing another")[1],
                      PATIENCE)
    with lwc.connect() as connection:
        connection.send_request(lwc.params(plain))  # the retired holder hands it to the base, and ends
        assert wait_until(lambda: not alive(holder), PATIENCE)
        lwc.wait_for_log(f"child {holder} exited")
        with slow_sender(base, 0.5, "exit"):
            os.kill(base, signal.SIGCONT)
            assert connection.read_response().text == "plain"
            for _ in range(3):
                assert lwc.get(site).text == "resumed"
                assert lwc.get(plain).text == "plain"


def test_template_killed_before_it_has_told_of_a_new_holder(lwc):
    """The new one must not serve then: another takes its place, and two would take connections for one slot."""
    site = lwc.script(SNAPSHOT_SCRIPT, "front.php")
    plain = lwc.script("echo 'plain';")
    lwc.start(children=1, lwc={"warmup": [site]}, global_settings={"log_level": "debug"})
    assert [lwc.get(script).text for script in (plain, site)] == ["plain", "resumed"]
    template = int(re.search(r"is ready, pid (\d+)", lwc.wait_for_log("is ready, pid "))[1])
    holder = int(re.search(r"child (\d+) started from snapshot", lwc.wait_for_log(" started from snapshot"))[1])
    known = set(children_of(lwc.daemon.pid))
    with slow_sender(template, 60, "enter"):
        os.kill(holder, signal.SIGKILL)
        assert wait_until(lambda: set(children_of(lwc.daemon.pid)) - known, PATIENCE)
        new = (set(children_of(lwc.daemon.pid)) - known).pop()
        wait_until(lambda: waits_in(new, "accept4"), 0.3)
        os.kill(template, signal.SIGKILL)
    lwc.wait_for_log("preparing another")
    for _ in range(5):
        assert lwc.get(plain).text == "plain"
        assert lwc.get(site).text in ("resumed", "cold")
    assert wait_until(lambda: lwc.get(site).text == "resumed", PATIENCE)
    assert wait_until(lambda: not alive(new), PATIENCE)


def sockets_of(pid):
    """The inodes of the sockets it has open."""
    return {link for link in open_descriptors(pid).values() if link.startswith("socket:")}


def listening_inode(path):
    """The inode of a listening Unix socket."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return next(f"socket:[{words[6]}]" for words in lines if words[-1] == path and words[5] == "01")


def children_at_rest(served, count):
    """The master's children, once there are so many and each has done what it does at its start."""
    assert wait_until(lambda: len(children_of(served.daemon.pid)) == count, PATIENCE)
    return unchanging(served, lambda: children_of(served.daemon.pid))


def test_base_template_started_anew_has_only_what_it_needs(lwc):
    """Neither another pool's socket nor a way to any worker is open in it, and so in none of its children: a request
    could take what is not meant for it, and a message to a dead worker would wait for ever instead of failing."""
    socket = str(lwc.space.path / "other.sock")
    lwc.prepare(children=1, pools=(Pool("other", 1, listen=socket),))
    lwc.start()
    # A base template and a worker of each pool.
    first = children_at_rest(lwc, 4)
    listening = {listening_inode(path) for path in (lwc.daemon.socket, socket)}
    assert all(len(listening & sockets_of(pid)) == 1 for pid in first)
    sizes = sorted(len(sockets_of(pid)) for pid in first)
    for pid in first:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not set(first) & set(children_of(lwc.daemon.pid)), PATIENCE)
    for _ in range(3):
        assert lwc.get("echo 'plain';").text == "plain"
    second = children_at_rest(lwc, len(first))
    assert not set(first) & set(second)
    assert all(len(listening & sockets_of(pid)) == 1 for pid in second)
    # The last connection is closed after its answer has arrived here.
    assert wait_until(lambda: sorted(len(sockets_of(pid)) for pid in second) == sizes, PATIENCE)


@pytest.mark.parametrize("base_killed_before", [False, True])
def test_master(lwc, base_killed_before):
    """Nothing outlives it, and it can be started again on the same socket."""
    site, plain = running(lwc)
    before = shape_at_rest(lwc)
    if base_killed_before:
        os.kill(children_of(lwc.daemon.pid)[0], signal.SIGKILL)
        assert comes_back(lwc, site, plain, before)
    family = descendants_of(lwc.daemon.pid)
    lwc.daemon.process.kill()
    assert lwc.daemon.wait() == -signal.SIGKILL
    assert wait_until(lambda: not any(map(alive, family)), PATIENCE), [pid for pid in family if alive(pid)]
    lwc.space.disown(lwc.daemon)
    lwc.daemon.log_path.unlink()
    lwc.daemon.output_path.unlink()
    lwc.daemon.start()
    assert lwc.get(plain).text == "plain"


def test_many_times(lwc):
    """Workers killed again and again under load: every answer is whole and right, the daemon stays the same size."""
    rounds = ROUNDS if ROUNDS >= 1000 else ROUNDS // 4
    site, plain = running(lwc)
    before = shape_at_rest(lwc)
    descriptors = len(os.listdir(f"/proc/{lwc.daemon.pid}/fd"))
    for number in range(rounds):
        victims = descendants_of(lwc.daemon.pid)
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(victims[number % len(victims)], signal.SIGKILL)
        assert {ask(lwc, plain) for _ in range(2)} <= {"plain", "closed", "error"}
    assert wait_until(lambda: ask(lwc, site) == "resumed", PATIENCE), lwc.daemon.logs()
    assert comes_back(lwc, site, plain, before), (before, shape(lwc), lwc.daemon.logs())
    assert wait_until(lambda: len(os.listdir(f"/proc/{lwc.daemon.pid}/fd")) == descriptors, PATIENCE)


@contextlib.contextmanager
def small_disk(path, size):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def test_full_disk_under_the_logs():
    with Workspace() as space, small_disk(space.path / "logs", "64k"):
        served = Served(space, private(LwcFpm))
        served.prepare(settings={"access.log": str(space.path / "logs/access.log"), "catch_workers_output": "yes"})
        served.daemon.log_path = space.path / "logs/error.log"
        served.daemon.write_config()
        served.start()
        script = served.script("posix_kill(getmypid(), SIGSEGV); sleep(10);")
        good = served.script("echo 'good';")
        everyday_state(served, good, workers=2)
        (space.path / "logs/filler").write_bytes(b"")
        with contextlib.suppress(OSError), open(space.path / "logs/filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        before = settled(served)
        for _ in range(ROUNDS if ROUNDS >= 1000 else 50):
            ask(served, script)
            assert served.get(good).text == "good"
        everyday_state(served, good, workers=2)
        assert_unchanged(served, before)
        size = served.daemon.log_path.stat().st_size
        (space.path / "logs/filler").unlink()
        ask(served, script)  # there is room again: the log goes on
        assert wait_until(lambda: served.daemon.log_path.stat().st_size > size, PATIENCE)
        assert served.daemon.graceful_stop() == 0
