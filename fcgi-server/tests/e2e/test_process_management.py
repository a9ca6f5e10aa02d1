# SPDX-License-Identifier: Apache-2.0
"""pm static, dynamic and ondemand, limits, and the lines that tell of them, beside php-fpm."""

import contextlib
import json
import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from harness import Pool
from harness.fastcgi import ConnectionClosed, request
from harness.processes import wait_until

from .served import LONGER_THAN_A_STALL, PATIENCE
from .busy import Busy, status, wait_for_status

STATUS = {"pm.status_path": "/status"}
DYNAMIC = {"pm": "dynamic", "pm.max_children": 6, "pm.start_servers": 2, "pm.min_spare_servers": 1,
           "pm.max_spare_servers": 3}
LIVED = r"after \d+\.\d{6} seconds from start"


def status_socket(served):
    return str(served.space.path / "status.sock")


def own(served):
    """Settings for a status page that is there also when every worker is busy."""
    return STATUS | {"pm.status_listen": status_socket(served)}


def where(served):
    return {"address": status_socket(served)}


def test_static(fresh):
    fresh.start(3, settings=own(fresh))
    wait_for_status(fresh, lambda page: page["total processes"] == 3, **where(fresh))  # php-fpm is ready before they are


def test_dynamic_starts_and_grows_and_shrinks(fresh):
    fresh.start(settings=own(fresh) | DYNAMIC)
    page = wait_for_status(fresh, lambda page: page["total processes"] >= 2, **where(fresh))
    assert page["total processes"] == 2
    with Busy(fresh, 4):
        page = wait_for_status(fresh, lambda page: page["active processes"] == 4 and page["idle processes"] >= 1, **where(fresh))
        assert page["total processes"] >= 5
    page = wait_for_status(fresh, lambda page: page["idle processes"] == 3, **where(fresh))
    assert page["max children reached"] == 0


def test_max_children_is_told_once(fresh):
    fresh.start(settings=own(fresh) | DYNAMIC | {"pm.max_children": 3})
    with Busy(fresh, 3):
        page = wait_for_status(fresh, lambda page: page["max children reached"] == 1, **where(fresh))
        assert page["total processes"] == 3
        time.sleep(2.5)  # two rounds of the process manager
        assert status(fresh, **where(fresh))["max children reached"] == 1
    assert fresh.daemon.log().count("WARNING: [pool www] server reached pm.max_children setting (3), consider raising it") == 1


@pytest.mark.parametrize("rate, warned", [(2, False), (8, True)])
def test_max_spawn_rate(fresh, rate, warned):
    """Workers come in ones, twos, fours, eights: as many at a time as it says. Eight of them are worth a warning."""
    fresh.start(settings=own(fresh) | {"pm": "dynamic", "pm.max_children": 30, "pm.start_servers": 10, "pm.min_spare_servers": 10,
                                "pm.max_spare_servers": 12, "pm.max_spawn_rate": rate})
    wait_for_status(fresh, lambda page: page["idle processes"] == 10, **where(fresh))
    with Busy(fresh, 10):
        wait_for_status(fresh, lambda page: page["active processes"] == 10 and page["idle processes"] >= 10, **where(fresh))
    found = re.findall(r"WARNING: \[pool www\] seems busy \(you may need to increase pm\.start_servers, or "
                       r"pm\.min/max_spare_servers\), spawning 8 children, there are \d+ idle, and \d+ total children",
                       fresh.daemon.log())
    assert bool(found) == warned, fresh.daemon.log()


def test_ondemand(fresh):
    fresh.start(settings=own(fresh) | {"pm": "ondemand", "pm.max_children": 2, "pm.process_idle_timeout": f"{LONGER_THAN_A_STALL}s"})
    assert status(fresh, **where(fresh))["total processes"] == 0
    # One after the other: php-fpm may miss the second of two that come at once.
    with Busy(fresh, 1):
        wait_for_status(fresh, lambda page: page["active processes"] == 1, **where(fresh))
        second = Busy(fresh, 1)
        second.__enter__()
        wait_for_status(fresh, lambda page: page["active processes"] == 2, **where(fresh))
        waiting = fresh.connect()
        page = wait_for_status(fresh, lambda page: page["max children reached"] == 1, **where(fresh))
        assert page["total processes"] == 2
        waiting.close()
        second.__exit__()
    fresh.wait_for_log("[pool www] server reached max_children setting (2), consider raising it")
    wait_for_status(fresh, lambda page: page["total processes"] == 0, **where(fresh))
    assert fresh.get("echo 'again';").text == "again"


def test_max_requests(fresh):
    fresh.start(1, settings=STATUS | {"pm.max_requests": 3})
    for _ in range(7):
        fresh.get("echo 1;")
    log = fresh.wait_for_log("exited with code 0")
    assert wait_until(lambda: len(re.findall(rf"NOTICE: \[pool www\] child \d+ exited with code 0 {LIVED}\n", fresh.daemon.log())) == 2,
                      PATIENCE), log
    assert wait_until(lambda: len(re.findall(r"NOTICE: \[pool www\] child \d+ started\n", fresh.daemon.log())) == 2, PATIENCE)


def test_a_killed_worker(fresh):
    fresh.start(1, settings=own(fresh))
    page = wait_for_status(fresh, lambda page: page["idle processes"] == 1 and page["processes"][0]["pid"] > 1, **where(fresh))
    os.kill(page["processes"][0]["pid"], signal.SIGKILL)
    log = fresh.wait_for_log("exited on signal 9 (SIGKILL)")
    assert re.search(rf"WARNING: \[pool www\] child \d+ exited on signal 9 \(SIGKILL\) {LIVED}\n", log), log
    assert wait_until(lambda: re.search(r"NOTICE: \[pool www\] child \d+ started\n", fresh.daemon.log()), PATIENCE)
    assert fresh.get("echo 'alive';").text == "alive"


def test_process_max(fresh):
    fresh.start(3, settings=own(fresh), global_settings={"process.max": 2})
    fresh.wait_for_log("The maximum number of processes has been reached. Please review your configuration and consider "
                       "raising 'process.max'")
    assert fresh.get("echo 1;").text == "1"


def test_debug_lines(fresh):
    fresh.start(1, settings=DYNAMIC, global_settings={"log_level": "debug"})
    line = re.compile(r"DEBUG: pid \d+, \w+\(\), line \d+: \[pool www\] child \d+ started\n")
    assert wait_until(lambda: line.search(fresh.daemon.log()), PATIENCE), fresh.daemon.log()


def test_limits_and_priority(fresh):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if os.geteuid() != 0 or hard < 1000:
        pytest.skip("needs root")
    other = Pool("other", 1, settings={"rlimit_files": 777, "rlimit_core": 4096, "process.priority": 7})
    fresh.start(1, pools=(other,), global_settings={"rlimit_files": 900, "process.priority": 3})
    show = "echo preg_replace('/.*Max core file size +(\\S+).*Max open files +(\\S+).*/s', '$1 $2', " \
           "file_get_contents('/proc/self/limits')), ' ', explode(' ', file_get_contents('/proc/self/stat'))[18];"
    core, files, priority = fresh.get(show).text.split()
    assert (files, priority) == ("900", "3")
    answer = request(fresh.daemon.listen_of(other), fresh.script(show))
    assert answer.text.split() == ["4096", "777", "7"]


def test_a_limit_that_cannot_be_set_is_told(lwc):
    """php-fpm says it to a standard error that nobody reads."""
    lwc.start(1, settings={"rlimit_files": 2_000_000_000})
    log = lwc.wait_for_log("failed to set rlimit_files for this pool")
    assert "setrlimit(RLIMIT_NOFILE, 2000000000): Operation not permitted (1)" in log
    assert lwc.get("echo 1;").text == "1"


def test_emergency_restart(fresh):
    fresh.start(2, global_settings={"emergency_restart_threshold": 3, "emergency_restart_interval": "60s",
                                    "process_control_timeout": "5s"})
    pid = fresh.daemon.pid
    for _ in range(3):
        assert "initiating reload" not in fresh.daemon.log()
        with contextlib.suppress(ConnectionClosed):
            fresh.get("posix_kill(getmypid(), 11); sleep(5);")
    fresh.wait_for_log("WARNING: failed processes threshold (3 in 60 sec) is reached, initiating reload")
    assert wait_until(lambda: fresh.daemon.log().count("ready to handle connections") == 2, PATIENCE), fresh.daemon.log()
    assert fresh.daemon.pid == pid and fresh.get("echo 'alive';").text == "alive"


@pytest.mark.parametrize("which", [signal.SIGHUP, signal.SIGUSR2], ids=lambda which: which.name)
def test_signals_that_reload(fresh, which):
    fresh.start(1)
    fresh.daemon.signal(which)
    log = fresh.wait_for_log("NOTICE: reloading: execvp(")
    assert "NOTICE: Reloading in progress ...\n" in log
    assert wait_until(lambda: fresh.daemon.log().count("ready to handle connections") == 2, PATIENCE), fresh.daemon.log()
    assert fresh.get("echo 1;").text == "1"


def test_process_control_timeout(fresh):
    """A graceful stop is graceful for so long; the request that goes on is then ended."""
    fresh.start(1, settings=own(fresh), global_settings={"process_control_timeout": "1s"})
    script = fresh.script("file_put_contents('" + str(fresh.file("begun")) + "', 'x'); for (;;) { }")
    with fresh.connect() as connection:
        connection.send_request(fresh.params(script))
        fresh.wait_for_file("begun")
        fresh.daemon.signal(signal.SIGQUIT)
        assert wait_until(lambda: "exiting, bye-bye!" in fresh.daemon.log(), PATIENCE), fresh.daemon.log()
    assert "NOTICE: Finishing ..." in fresh.daemon.log()


def test_several_pools(fresh):
    """Users, ini settings, environment and directory of their own."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    directory = fresh.data
    other = Pool("other", 1, settings={"user": "nobody", "group": "nogroup", "php_value[memory_limit]": "33M",
                                       "php_admin_value[precision]": "5", "php_flag[display_errors]": "on",
                                       "env[COLOUR]": "blue", "chdir": str(directory)})
    fresh.start(1, pools=(other,), settings={"env[COLOUR]": "red"})
    show = "ini_set('precision', 9); echo json_encode([posix_getuid(), ini_get('memory_limit'), ini_get('precision'), " \
           "ini_get('display_errors'), getenv('COLOUR'), getcwd() == dirname(__FILE__)]);"
    script = fresh.script(show)
    first = fresh.get(script).text
    second = request(fresh.daemon.listen_of(other), script).text
    assert first != second
    assert json.loads(second)[1:5] == ["33M", "5", "1", "blue"] and json.loads(first)[4] == "red"
    assert json.loads(second)[0] == 65534


def titled(served):
    """{pid: what ps shows}, without the name of the program, of the master and all below it that has not ended meanwhile."""
    found = {}
    for pid in served.processes():
        with contextlib.suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip().partition(": ")[2]
    return {pid: title for pid, title in found.items() if title}


def titles(served):
    return list(titled(served).values())


def test_titles(fresh):
    """A process's command line says what it is, as php-fpm's; ours has templates besides."""
    fresh.start(2, settings={"env[KEPT]": "$HOME"})
    config = fresh.daemon.config_path
    assert wait_until(lambda: titles(fresh).count("pool www") == 2, PATIENCE), titles(fresh)
    shown = titles(fresh)
    assert shown[0] == f"master process ({config})"
    assert set(shown[1:]) <= {"pool www", "pool www, base template"}
    # The environment, which lay where the titles are, is still there.
    assert fresh.get("echo getenv('KEPT');").text == os.environ["HOME"]
    fresh.daemon.process.send_signal(signal.SIGUSR2)
    assert wait_until(lambda: fresh.daemon.log().count("ready to handle connections") == 2, PATIENCE)
    assert titles(fresh)[0] == f"master process ({config})"
    assert fresh.get("echo getenv('KEPT');").text == os.environ["HOME"]


def test_title_of_a_snapshot(lwc):
    script = lwc.script("if (function_exists('lwc_snapshot')) lwc_snapshot(); echo 'there';")
    lwc.start(1, lwc={"warmup": [script]})
    assert lwc.get(script).text == "there"
    wanted = ["pool www", "pool www", "pool www, base template", f"pool www, snapshot of {script}"]
    assert wait_until(lambda: sorted(titles(lwc)[1:]) == wanted, PATIENCE), titles(lwc)


def test_more_workers_than_can_be_asked_for_at_once(fresh):
    """As many as are configured, at the start and after all were killed at once."""
    fresh.start(320, settings=own(fresh))
    workers = lambda: [pid for pid, title in titled(fresh).items() if title == "pool www"]
    assert wait_until(lambda: len(workers()) == 320, 2 * PATIENCE), len(workers())
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: fresh.daemon.log().count("exited on signal 9 (SIGKILL)") == 320, 2 * PATIENCE)
    assert wait_until(lambda: len(workers()) == 320, 2 * PATIENCE), len(workers())
    assert fresh.get("echo 'served';").text == "served"
    assert "ERROR" not in fresh.daemon.log()
