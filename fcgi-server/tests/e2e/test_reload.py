# SPDX-License-Identifier: Apache-2.0
"""Graceful stop and reload lose no request. On php-fpm and lwc-fpm."""

import contextlib
import os
import re
import signal
from pathlib import Path

import pytest

from harness import LwcFpm
from harness.daemons import USER
from harness.fastcgi import Connection, ConnectionClosed, script_params
from harness.processes import children_of, descendants_of, process_tree, wait_until, waits_in

from .conftest import ENGINE
from .load import Load, reload_and_wait
from .served import PATIENCE


def start(served, **more):
    """php-fpm waits for running requests only where it is told to; here that is the default."""
    return served.start(children=2, global_settings=None if served.is_ours else {"process_control_timeout": "20s"},
                        **more)


def test_reload_under_load(fresh):
    start(fresh)
    script = fresh.script("usleep(random_int(0, 3000)); echo 'answer';")
    pid = fresh.daemon.pid
    with Load(fresh, script, {"answer"}) as load:
        for _ in range(5):
            reload_and_wait(fresh)
            load.goes_on()
    assert (load.lost, load.refused) == ([], 0)
    assert fresh.daemon.running() and fresh.daemon.pid == pid


def test_reload_of_snapshots_under_load(lwc):
    script = lwc.script("$resumed = lwc_snapshot(); usleep(random_int(0, 3000)); echo $resumed ? 'warm' : 'cold';",
                        "front.php")
    start(lwc, lwc={"warmup": [script]})
    with Load(lwc, script, {"warm", "cold"}) as load:
        for _ in range(5):
            reload_and_wait(lwc)
            load.goes_on()
    assert (load.lost, load.refused) == ([], 0)
    assert lwc.get(script).text == "warm"


@pytest.mark.parametrize("told", [signal.SIGQUIT, signal.SIGUSR1], ids=["to stop", "of new log files"])
def test_signal_between_a_connection_and_its_first_byte(lwc, told):
    """nginx connects first and writes then; a reload in between made it answer 502."""
    lwc.start(children=1)
    script = lwc.script("echo 'answer';")
    worker = worker_that_waits(lwc)
    with Connection(lwc.daemon.socket) as connection:
        assert wait_until(lambda: waits_in(worker, "poll"), PATIENCE)
        os.kill(worker, told)
        assert wait_until(lambda: not pending(worker, told), PATIENCE)
        connection.send_request(script_params(script))
        assert connection.read_response().text == "answer"


def test_reload_leaves_no_worker_that_was_just_being_made(lwc):
    """One that its template forked when the reload had begun was in nobody's list, and served the old release for
    good."""
    lwc.start(children=2, settings={"env[WHICH]": "old"}, global_settings={"log_level": "debug"})
    script = lwc.script("echo getenv('WHICH');")
    assert wait_until(lambda: lwc.daemon.log().count(" started") == 2, PATIENCE)
    workers = [int(pid) for pid in re.findall(r"child (\d+) started", lwc.daemon.log())]
    template = min(set(children_of(lwc.daemon.pid)) - set(workers))
    os.kill(template, signal.SIGSTOP)
    os.kill(workers[0], signal.SIGKILL)  # the template is asked for another one
    lwc.wait_for_log(f"child {workers[0]} exited on signal 9")
    lwc.daemon.pools[0].settings["env[WHICH]"] = "new"
    lwc.daemon.write_config()
    reload_and_wait(lwc)
    with contextlib.suppress(ProcessLookupError):
        os.kill(template, signal.SIGCONT)
    assert wait_until(lambda: workers[1] not in children_of(lwc.daemon.pid), PATIENCE)
    answers = [lwc.get(script).text for _ in range(100)]
    assert set(answers) == {"new"}


def test_reload_takes_the_new_configuration(fresh):
    fresh.start(children=2, settings={"env[WHICH]": "old"})
    script = fresh.script("echo getenv('WHICH');")
    assert fresh.get(script).text == "old"
    fresh.daemon.pools[0].settings["env[WHICH]"] = "new"
    fresh.daemon.write_config()
    reload_and_wait(fresh)
    assert wait_until(lambda: fresh.get(script).text == "new", PATIENCE)


@pytest.mark.parametrize("how", ["SIG_IGN", "fn() => null"], ids=["ignores it", "handles it"])
def test_request_that_keeps_the_signal_from_its_worker(lwc, how):
    """Its worker did not hear of the reload, and served the old configuration for good."""
    lwc.start(children=1, settings={"env[WHICH]": "old"})
    which = lwc.script("echo getenv('WHICH');")
    keeps = lwc.script(f"""
        pcntl_async_signals(true);
        pcntl_signal(SIGQUIT, {how});
        file_put_contents(ini_get('sys_temp_dir') . '/begun', '1');
        while (!file_exists(ini_get('sys_temp_dir') . '/finish')) usleep(1000);
        echo 'finished';""", "keeps.php")
    with lwc.connect() as connection:
        connection.send_request(lwc.params(keeps))
        lwc.wait_for_file("begun")
        old = set(children_of(lwc.daemon.pid))
        lwc.daemon.pools[0].settings["env[WHICH]"] = "new"
        lwc.daemon.write_config()
        reload_and_wait(lwc)
        lwc.file("finish").write_text("1")
        assert connection.read_response().text == "finished"
    assert wait_until(lambda: not old & set(children_of(lwc.daemon.pid)), PATIENCE)
    assert {lwc.get(which).text for _ in range(20)} == {"new"}


def test_who_connects_after_ready_meets_the_new_configuration(fresh):
    """No worker of before takes a connection any more, however soon it comes."""
    fresh.start(children=4, settings={"env[WHICH]": "0"})
    script = fresh.script("echo getenv('WHICH');")
    for number in range(1, 11):
        fresh.daemon.pools[0].settings["env[WHICH]"] = str(number)
        fresh.daemon.write_config()
        reload_and_wait(fresh)
        assert [fresh.get(script).text for _ in range(4)] == [str(number)] * 4


def test_what_old_workers_say_is_in_the_log(lwc):
    """catch_workers_output, and a crash, of a request that began before a reload, or two."""
    start(lwc, settings={"catch_workers_output": "yes"})
    script = lwc.script("""
        file_put_contents(ini_get('sys_temp_dir') . '/begun', '1');
        while (!file_exists(ini_get('sys_temp_dir') . '/finish')) usleep(1000);
        file_put_contents('php://stderr', "said after the reload\n");
        posix_kill(getmypid(), SIGSEGV);
        sleep(5);
        """.replace("SIGSEGV", "11"))
    with lwc.connect() as connection:
        connection.send_request(lwc.params(script))
        lwc.wait_for_file("begun")
        reload_and_wait(lwc)
        reload_and_wait(lwc)
        lwc.file("finish").write_text("1")
        assert connection.read_response().status == 500
    log = lwc.wait_for_log("exited on signal 11 (SIGSEGV)")
    assert re.search(r'WARNING: \[pool www\] child \d+ said into stderr: "said after the reload"', log)


def test_reload_waits_for_running_requests(fresh):
    start(fresh)
    script = fresh.script("""
        file_put_contents(ini_get('sys_temp_dir') . '/begun', '1');
        while (!file_exists(ini_get('sys_temp_dir') . '/finish')) usleep(1000);
        echo 'finished';
        """)
    with fresh.connect() as connection:
        connection.send_request(fresh.params(script))
        fresh.wait_for_file("begun")
        fresh.daemon.reload()
        fresh.wait_for_log("Reloading in progress")
        fresh.file("finish").write_text("1")
        assert connection.read_response().text == "finished"
    assert wait_until(lambda: fresh.daemon.log().count("ready to handle connections") == 2, PATIENCE)
    assert fresh.get("echo 'on';").text == "on"


def test_reload_with_a_broken_configuration_keeps_the_old_one_running(lwc):
    """php-fpm ends when it cannot read its new configuration; here the service goes on."""
    lwc.start(children=2)
    good = lwc.daemon.config_path.read_text()
    lwc.daemon.config_path.write_text(good + "\nnonsense = 1\n")
    lwc.daemon.reload()
    log = lwc.wait_for_log("still running with the old one")
    assert "unknown entry 'nonsense'" in log and "test is successful" not in log
    assert [lwc.get("echo 'on';").text for _ in range(5)] == ["on"] * 5
    lwc.daemon.config_path.write_text(good)
    reload_and_wait(lwc)
    assert lwc.get("echo 'on';").text == "on"


def test_reload_with_a_php_that_cannot_start_keeps_the_old_one_running(lwc):
    """Also what php.ini asks for is tried before the old daemon is given up."""
    lwc.start(children=2)
    lwc.daemon.set_ini({"opcache.enable": 1, "opcache.preload": "/no/such/file.php", "opcache.preload_user": USER})
    lwc.daemon.reload()
    assert "/no/such/file.php" in lwc.wait_for_log("still running with the old one")
    assert lwc.get("echo 'on';").text == "on"
    lwc.daemon.set_ini({})
    reload_and_wait(lwc)
    assert lwc.get("echo 'on';").text == "on"


def test_graceful_stop_finishes_running_requests(fresh):
    start(fresh)
    script = fresh.script("""
        file_put_contents(ini_get('sys_temp_dir') . '/begun' . $_GET['n'], '1');
        while (!file_exists(ini_get('sys_temp_dir') . '/finish')) usleep(1000);
        echo 'finished';
        """)
    with fresh.connect() as first, fresh.connect() as second:
        for number, connection in enumerate((first, second)):
            connection.send_request(fresh.params(script, query=f"n={number}"))
            fresh.wait_for_file(f"begun{number}")
        fresh.daemon.signal(signal.SIGQUIT)
        fresh.wait_for_log("Finishing")
        fresh.file("finish").write_text("1")
        assert first.read_response().text == "finished"
        assert second.read_response().text == "finished"
    assert fresh.daemon.stop() == 0
    assert not os.path.exists(fresh.daemon.socket)


def test_graceful_stop_under_load(lwc):
    """A client either cannot connect any more or gets its whole answer, also one that was waiting in line."""
    start(lwc)
    script = lwc.script("usleep(2000); echo 'answer';")
    with Load(lwc, script, {"answer"}, clients=8) as load:
        status = lwc.daemon.graceful_stop()
    assert status == 0
    assert load.lost == []


def test_termination_ends_at_once(fresh):
    fresh.start(children=1)
    script = fresh.script("file_put_contents(ini_get('sys_temp_dir') . '/begun', '1'); while (true) usleep(1000);")
    with fresh.connect() as connection:
        connection.send_request(fresh.params(script))
        fresh.wait_for_file("begun")
        assert fresh.daemon.stop(signal.SIGTERM) == 0
        if ENGINE == "kernel" and isinstance(fresh.daemon, LwcFpm):  # where the signal ends the request, and its worker answers for it
            assert connection.read_response().status == 500
            return
        with pytest.raises((ConnectionClosed, ConnectionError)):
            connection.read_response()


def worker_that_waits(lwc):
    """The pid of the one worker, once it waits for a connection."""
    waiting = []
    assert wait_until(lambda: waiting.extend(pid for pid in children_of(lwc.daemon.pid) if waits_in(pid, "accept4"))
                      or waiting, PATIENCE)
    return waiting[0]


def pending(pid, told):
    """Whether a signal has been sent to a process and not been taken yet."""
    waiting = re.search(r"^ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]
    return int(waiting, 16) >> (told - 1) & 1


def all_gone(pids):
    def alive():
        tree = process_tree()
        return [pid for pid in pids if pid in tree and tree[pid][1] != "Z"]
    return wait_until(lambda: not alive(), PATIENCE)


WARM_UP_FOREVER = """
    if (lwc_warming_up()) {
        file_put_contents(ini_get('sys_temp_dir') . '/warming', getmypid());
        while (true) usleep(1000);
    }
    echo lwc_snapshot() ? 'warm' : 'cold';
    """


@pytest.mark.parametrize("end", [signal.SIGQUIT, signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
@pytest.mark.parametrize("before_ready", [False, True], ids=["while serving", "before ready"])
def test_end_while_a_warm_up_runs(lwc, end, before_ready):
    """Nobody waits for a warm-up that is not needed any more, and none outlives its daemon."""
    script = lwc.script(WARM_UP_FOREVER)
    if before_ready:
        lwc.prepare(lwc={"warmup": [script]})
        lwc.daemon.ready = lambda: lwc.file("warming").exists()
        lwc.start()
    else:
        lwc.start()
        assert lwc.get(script).text == "cold"
    pid = int(lwc.wait_for_file("warming"))
    family = descendants_of(lwc.daemon.pid)
    assert pid in family
    lwc.daemon.signal(end)
    assert lwc.daemon.wait() == (-end if end == signal.SIGKILL else 0), lwc.daemon.logs()
    assert all_gone(family)
    if end == signal.SIGKILL:
        lwc.space.disown(lwc.daemon)


def test_end_at_any_moment_of_preparing(lwc):
    """Snapshots that are being made, fail, or have just become stale, when the end comes."""
    for number in range(12):
        part = lwc.script(f"usleep({1000 * number}); return {number};", "part.inc.php")
        good = lwc.script("require 'part.inc.php'; lwc_snapshot(); echo 'good';", "good.php")
        bad = lwc.script(f"usleep({3000 * number}); nowhere(); lwc_snapshot();", "bad.php")
        lwc.daemon = None
        lwc.prepare(ini={"opcache.revalidate_freq": "0"}, lwc={"warmup": [good]}).start()
        os.unlink(part)
        with lwc.connect() as first, lwc.connect() as second:
            first.send_request(lwc.params(bad))
            second.send_request(lwc.params(good))
            first.read_response()
        family = descendants_of(lwc.daemon.pid)
        lwc.daemon.signal(signal.SIGTERM if number % 2 else signal.SIGQUIT)
        assert lwc.daemon.wait() == 0, lwc.daemon.logs()
        assert all_gone(family)
