# SPDX-License-Identifier: Apache-2.0
"""Which engine a machine gets and what it is told about that; what a worker that is given up means to clients; what
the debug log says of each request. Everything here runs on the kernel it finds, that of Debian 12 included."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import NotReady, lwc_binary
from harness.processes import descendants_of, end_with_parent, wait_until
from harness.seccomp import SYS_USERFAULTFD, refuse

from .busy import status, wait_for_status
from .probing import HERE, probe
from .served import PATIENCE

ENGINE = os.environ.get("LWC_ENGINE", "auto")
UNPRIVILEGED = {"user": "www-data", "group": "www-data", "extra_groups": []}
# Debian 12's kernel has them, this one may not: then rollback stands and falls with userfaultfd.
HAS_SOFT_DIRTY = probe(preexec_fn=lambda: refuse(SYS_USERFAULTFD))["rollback"][0]
KERNEL = ENGINE == "kernel" or (ENGINE == "auto" and HERE["kernel"][0])
needs_rollback = pytest.mark.skipif(not HERE["rollback"][0], reason=f"rollback: {HERE['rollback'][1]}")
on_rollback = pytest.mark.skipif(ENGINE not in ("auto", "rollback") or not HERE["rollback"][0],
                                 reason="what is said of engine rollback")


def without_userfaultfd(served, engine, **more):
    """As in a container whose seccomp profile denies it."""
    def confine():
        end_with_parent()
        refuse(SYS_USERFAULTFD)

    served.prepare(lwc={"engine": engine}, **more)
    served.daemon.process_options = {"preexec_fn": confine}
    return served


def test_probe_names_every_engine_and_what_auto_takes():
    assert list(HERE) == ["kernel", "rollback", "fork", "none"]
    first = next(name for name, (works, _) in HERE.items() if works)
    assert [name for name, (_, text) in HERE.items() if text.endswith("(what auto takes)")] == [first]


@needs_rollback
def test_rollback_needs_no_privilege():
    assert probe(**UNPRIVILEGED)["rollback"][0]


@needs_rollback
def test_auto_takes_the_first_that_works_and_says_how(lwc):
    lwc.start(lwc={"engine": "auto"}, global_settings={"log_level": "debug"})
    name = "kernel" if HERE["kernel"][0] else "rollback"
    how = HERE[name][1].removesuffix(" (what auto takes)")
    assert f"snapshot engine: {name}, {how}" in lwc.wait_for_log("snapshot engine")


@needs_rollback
def test_chroot_that_the_engine_cannot_work_in(lwc):
    """No engine but the one that was asked for is taken."""
    inside = lwc.space.path / "inside"
    inside.mkdir()
    lwc.prepare(1, settings={"chroot": str(inside), "chdir": "/"}, lwc={"engine": "rollback"})
    lwc.daemon.launch()
    assert lwc.daemon.wait() == 78
    assert "ERROR: [pool www] engine 'rollback' cannot work here" in lwc.daemon.log()
    assert "/proc/self/pagemap" in lwc.daemon.log()


@pytest.mark.skipif(HERE["kernel"][0], reason="this kernel has all that an engine may need")
def test_check_of_the_configuration_names_an_engine_that_cannot_work_here(lwc):
    lwc.prepare(1, lwc={"engine": "kernel"})
    checked = subprocess.run([*lwc.daemon.command(), "-t"], capture_output=True, text=True)
    assert checked.returncode == 78
    assert "ERROR: [pool www] engine 'kernel' cannot work here: kernel: this kernel has no light-weight contexts" in checked.stderr
    assert "is successful" not in checked.stderr


def test_check_of_the_configuration_names_a_warm_up_script_that_is_not_there(lwc):
    there = lwc.script("lwc_snapshot();")
    lwc.prepare(1, lwc={"warmup": [there, "/nowhere/index.php /"]})
    checked = subprocess.run([*lwc.daemon.command(), "-t"], capture_output=True, text=True)
    assert checked.returncode == 0
    assert [line.split("] ", 1)[1] for line in checked.stderr.splitlines() if "WARNING" in line] == \
        ["WARNING: [pool www] lwc.warmup: there is no script '/nowhere/index.php': no snapshot is made of it before the pool is ready"]


def copies_in_place(pid):
    """(address, file) of the memory that is mapped, privately, from a sealed copy of it."""
    lines = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return {(words[0].split("-")[0], words[4]) for words in lines if words[-2].startswith("/memfd:lwc-snapshot") and words[1] == "rw-p"}


@on_rollback
def test_what_all_processes_have_in_common_is_in_memory_once(lwc):
    lwc.start(children=2)
    common = copies_in_place(lwc.daemon.pid)
    assert common
    assert all(common <= copies_in_place(pid) for pid in descendants_of(lwc.daemon.pid))


@pytest.mark.skipif(not HAS_SOFT_DIRTY, reason="this kernel has no soft-dirty bits")
def test_without_userfaultfd_soft_dirty_bits_are_used(lwc):
    reason = "with soft-dirty bits. The better way, asynchronous userfaultfd write protection with PAGEMAP_SCAN, cannot be used: " \
             "userfaultfd is not permitted here"
    assert reason in probe(preexec_fn=lambda: refuse(SYS_USERFAULTFD))["rollback"][1]
    without_userfaultfd(lwc, "rollback", global_settings={"log_level": "debug"}).start()
    assert reason in lwc.wait_for_log("snapshot engine: rollback")
    script = lwc.script("class C { public static $n = 0; } echo ++C::$n, getcwd(); chdir('/');")
    assert len({lwc.get(script).text for _ in range(20)}) == 1


@pytest.mark.skipif(HAS_SOFT_DIRTY, reason="this kernel has another way to find written pages")
class TestNoWayToFindWrittenPages:
    """Neither userfaultfd nor soft-dirty bits."""

    def test_probe_says_why(self):
        works, text = probe(preexec_fn=lambda: refuse(SYS_USERFAULTFD))["rollback"]
        assert not works
        assert "userfaultfd is not permitted here" in text and "CONFIG_MEM_SOFT_DIRTY" in text

    @pytest.mark.skipif(HERE["kernel"][0], reason="there is a better one")
    def test_auto_takes_fork_and_says_why(self, lwc):
        without_userfaultfd(lwc, "auto").start()
        log = lwc.wait_for_log("snapshot engine: fork")
        assert "Not chosen: " in log and "; rollback: " in log and "userfaultfd is not permitted here" in log
        assert lwc.get("echo 'served';").text == "served"

    def test_rollback_on_demand_is_an_error_at_start(self, lwc):
        without_userfaultfd(lwc, "rollback")
        with pytest.raises(NotReady) as error:
            lwc.start()
        assert "engine 'rollback' cannot work here" in str(error.value)
        assert "userfaultfd is not permitted here" in str(error.value)
        lwc.space.disown(lwc.daemon)


@pytest.mark.skipif(ENGINE in ("fork", "none"), reason="they do not know")
def test_debug_log_and_status_tell_what_each_request_cost(lwc):
    lwc.start(children=1, settings={"pm.status_path": "/status"}, global_settings={"log_level": "debug"})
    script = lwc.script("$a = str_repeat('x', 400000); echo 'done';")
    for _ in range(3):
        assert lwc.get(script).text == "done"
    line = re.compile(rf"script '{script}', snapshot 0: (\d+) pages written, (\d+) restored, (\d+) remapped,"
                      r" (\d+) events, (\d+) calls, undone in (\d+) us")
    assert wait_until(lambda: len(line.findall(lwc.daemon.log())) == 3, PATIENCE), lwc.daemon.logs()
    told = [[int(figure) for figure in figures] for figures in line.findall(lwc.daemon.log())]
    for written, restored, remapped, _, calls, _ in told:
        assert written >= restored + remapped and restored > 0
        assert (calls > 2) == KERNEL
    page = status(lwc)
    *counts, microseconds = [sum(column) for column in zip(*told)]
    names = ("pages written", "pages restored", "pages remapped", "page faults", "engine calls")
    assert [page["lwc"][name] for name in names] == counts
    assert 0 < microseconds <= page["lwc"]["undo time"] <= microseconds + len(told)  # each is rounded down
    (process,) = page["processes"]
    for name in ("pages written", "pages restored", "page faults", "undo time"):
        assert process[name] == page["lwc"][name]


@pytest.mark.skipif(ENGINE in ("fork", "none"), reason="they do not know")
def test_figures_follow_what_a_request_writes(lwc):
    lwc.start(children=1, settings={"pm.status_path": "/status"})
    script = lwc.script("$a = str_repeat('x', 4096 * (int) $_GET['pages']); echo strlen($a);")
    names = ("pages written", "pages restored", "page faults", "undo time")

    def cost_of(pages):
        """Of that request, and of one for the status page."""
        before = status(lwc)["processes"][0]
        assert lwc.get(script, query=f"pages={pages}").text == str(4096 * pages)
        after = status(lwc)["processes"][0]
        return {name: after[name] - before[name] for name in names}

    for _ in range(4):  # what is written every time is known then
        few = cost_of(1)
    many = cost_of(100)
    for name in names[:3]:
        assert many[name] >= few[name] + 64, name
    assert few["undo time"] > 0 and many["undo time"] > 0


@pytest.mark.skipif(ENGINE in ("fork", "none"), reason="their worker is left alone by it, or keeps it")
def test_worker_that_is_given_up_is_replaced_without_a_gap(lwc):
    """That a worker has left its process group is not undone. The requests around it are all served, each in the worker's own;
    log and status count it and say why."""
    lwc.start(children=1, settings={"pm.status_path": "/status"})
    bad = lwc.script("echo posix_setpgid(0, posix_getpgid(posix_getppid())) ? 'left' : 'failed';")
    good = lwc.script("echo posix_getpgid(0) === getmypid() ? 'leads' : 'follows';")
    reason = "kernel: session or process group: changed by a request, and cannot be put back" if KERNEL else "rollback: system call 109"
    (process,) = status(lwc)["processes"]
    assert (process["taints"], process["last taint"], process["replacements"]) == (0, "-", 0)
    for count in range(1, 21):
        assert lwc.get(bad).text == "left"
        assert lwc.get(good).text == "leads"
        page = wait_for_status(lwc, lambda page: page["lwc"]["replacements"] >= count)  # the master counts it
        assert (page["lwc"]["taints"], page["lwc"]["replacements"]) == (count, count)
        (process,) = page["processes"]
        assert (process["taints"], process["last taint"], process["replacements"]) == (count, f"engine {reason}", count)
    told = f"""is replaced after script '{bad}' (request: "GET /s0.php"): engine {reason}\n"""
    assert wait_until(lambda: lwc.daemon.log().count(told) >= 20, PATIENCE), lwc.daemon.logs()
    assert lwc.daemon.log().count(told) == 20


@on_rollback
def test_large_request_does_not_cost_its_worker(lwc):
    """PHP's allocator maps more memory, and tells the kernel a name for it."""
    lwc.start(children=1, global_settings={"log_level": "debug"})
    script = lwc.script("$a = []; for ($i = 0; $i < 40; $i++) $a[] = str_repeat('x', 1 << 20); echo getmypid();")
    assert len({lwc.get(script).text for _ in range(10)}) == 1
    assert "is replaced" not in lwc.daemon.log()


def test_files_of_the_process_in_proc(lwc):
    """Plain file functions reach the process itself through /proc."""
    lwc.start(children=1, settings={"process.dumpable": "yes"})
    script = lwc.script("""
        $before = [trim(file_get_contents('/proc/self/oom_score_adj')), trim(file_get_contents('/proc/self/comm'))];
        $wrote = file_put_contents('/proc/self/oom_score_adj', '500') . file_put_contents('/proc/self/comm', 'attack');
        $f = fopen('/proc/self/mem', 'r+');
        echo json_encode([$before, $wrote, is_resource($f)]);
        """)
    answers = [lwc.get(script).text for _ in range(4)]
    assert answers[0].endswith('"36",true]')
    assert answers == [answers[0]] * 4


def test_killed_from_outside(lwc):
    """The log names the script that a killed worker was running."""
    lwc.start(children=1)
    script = lwc.script("""
        file_put_contents(ini_get('sys_temp_dir') . '/pid', getmypid());
        while (true) usleep(1000);
        """)
    with lwc.connect() as connection:
        connection.send_request(lwc.params(script))
        pid = int(lwc.wait_for_file("pid"))
        os.kill(pid, signal.SIGKILL)
        log = lwc.wait_for_log(f"script '{script}' (request: \"GET")
    assert re.search(rf"child {pid} exited on signal 9 \(SIGKILL\) after [\d.]+ seconds from start, script", log), log
    assert lwc.get("echo 'on';").text == "on"
