# SPDX-License-Identifier: Apache-2.0
"""What the error log has of requests, line by line beside php-fpm's. What differs is spelt out here."""

import contextlib
import re

import pytest

from harness import LwcFpm, PhpFpm, Workspace
from harness.fastcgi import ConnectionClosed
from harness.processes import wait_until

from .conftest import ENGINE, OURS
from .served import PATIENCE, Served, is_listening

pytestmark = [OURS, pytest.mark.skipif(ENGINE == "none", reason="nothing is undone there")]
CATCH = {"catch_workers_output": "yes"}
LIMITED = {"security.limit_extensions": ".inc"}
LEVEL = "log_level"

# name: (settings of the pool, code or path, FastCGI parameters and log_level)
SAME = {
    "nothing of note": (CATCH, "echo 1;", {}),
    "exit status": (CATCH, "exit(3);", {}),
    "memory_limit": (CATCH, "ini_set('memory_limit', '4M'); str_repeat('x', 1 << 23);", {}),
    "fatal error": (CATCH, "nowhere();", {}),
    "fatal error that is not caught": ({}, "nowhere();", {}),
    "max_execution_time": (CATCH, "set_time_limit(1); for (;;);", {}),
    "error_log() and standard error": (CATCH, "error_log('one'); fwrite(fopen('php://stderr', 'w'), 'two');", {}),
    "long message": (CATCH, "error_log(str_repeat('long ', 1000));", {}),
    "messages above log_level": (CATCH, "error_log('one');", {LEVEL: "warning"}),
    "no such script": (CATCH, "/none.php", {}),
    "not readable": (CATCH, "/root/x.php", {}),
    "a directory": (CATCH, "/tmp", {}),
    "extension that is not allowed": (CATCH | LIMITED, "echo 1;", {}),
    "extension that is not allowed, not caught": (LIMITED, "echo 1;", {}),
    "extension that is not allowed, above log_level": (CATCH | LIMITED, "echo 1;", {LEVEL: "error"}),
    "settings from the web server": (CATCH, "echo ini_get('memory_limit');", {
        "PHP_ADMIN_VALUE": "memory_limit=77M\nbad\n=x", "PHP_VALUE": "precision=3\nno.such=1\n[section]\na[]=1"}),
    "pm.max_requests": ({"pm.max_requests": 2}, "echo 1;", {}),
    "a worker that is told to finish": ({}, "posix_kill(posix_getppid() === MASTER ? getmypid() : posix_getppid(), 3);", {}),
}

REQUEST = """script 'DIR/www/s0.php' (request: "GET /s0.php")"""
STARTED = "NOTICE: [pool www] child N started"
# name: (settings, code, php-fpm's lines for each request, ours): a child of ours is less than a process, and its end has
# its script in the log.
DIFFERENT = {
    "crash": ({}, "posix_kill(getmypid(), 11); sleep(5);",
              ["WARNING: [pool www] child N exited on signal 11 (SIGSEGV) after S seconds from start", STARTED],
              [f"WARNING: [pool www] child N exited on signal 11 (SIGSEGV) after S seconds from start, {REQUEST}: sent by process N"]),
    "abort": ({}, "posix_kill(getmypid(), 6); sleep(5);",
              ["WARNING: [pool www] child N exited on signal 6 (SIGABRT) after S seconds from start", STARTED],
              [f"WARNING: [pool www] child N exited on signal 6 (SIGABRT) after S seconds from start, {REQUEST}: sent by process N"]),
    "request_terminate_timeout": ({"request_terminate_timeout": "1s"}, "sleep(8);",
              [f"WARNING: [pool www] child N, {REQUEST} execution timed out (S sec), terminating",
               "WARNING: [pool www] child N exited on signal 15 (SIGTERM) after S seconds from start", STARTED],
              [f"WARNING: [pool www] child N, {REQUEST} execution timed out (S sec), terminating"]),
}
LIFE = re.compile("fpm is running|ready to handle|systemd monitor|Finishing|bye-bye")


def lines_of(served):
    """The log without what differs between any two runs, without start and end, and without a backtrace of C code."""
    text = re.sub(r"^\[[^]]*\] ", "", served.daemon.log(), flags=re.MULTILINE).replace(str(served.space.path), "DIR")
    text = re.sub(r"\d+\.\d{6}", "S", re.sub(r"(child|process) \d+", r"\1 N", text))
    lines = [line for line in text.splitlines() if not LIFE.search(line) and not line.startswith("  #")]
    if served.is_ours:
        return lines
    # At each look, php-fpm tells again of a process that has not come to its end yet.
    return [line for before, line in zip(["", *lines], lines) if line != before or "execution timed out" not in line]


@contextlib.contextmanager
def started(kind, settings, level=None):
    with Workspace() as space:
        served = Served(space, kind)
        served.prepare(1, settings=settings, global_settings={LEVEL: level} if level else {})
        served.daemon.ready = lambda: is_listening(served.address)
        served.daemon.start()
        yield served


def log_of(kind, settings, what, more):
    """The log of two requests, and their answers: status and standard error."""
    with started(kind, settings, more.get(LEVEL)) as served:
        code = what.replace("MASTER", str(served.daemon.pid))
        script = code if code.startswith("/") else served.script(code)
        params = {name: text for name, text in more.items() if name != LEVEL}
        answers = []
        for _ in range(2):
            answer = served.get(script, **params)
            answers.append((answer.status, answer.stderr.replace(str(served.space.path).encode(), b"DIR")))
        served.get(served.script("echo 'the last word';"))
        served.daemon.graceful_stop()
        return lines_of(served), answers


@pytest.mark.parametrize("name", SAME)
def test_same_lines(name):
    if ENGINE == "kernel" and "told to finish" in name:
        pytest.skip("on engine kernel what a request sends its own process stays in the request")
    assert log_of(LwcFpm, *SAME[name]) == log_of(PhpFpm, *SAME[name])


@pytest.mark.parametrize("name", DIFFERENT)
@pytest.mark.parametrize("kind", [PhpFpm, LwcFpm], ids=lambda kind: kind.name)
def test_other_lines(kind, name):
    settings, code, theirs, ours = DIFFERENT[name]
    wanted = ours if kind is LwcFpm else theirs
    with started(kind, settings) as served:
        for number in range(1, 3):
            with contextlib.suppress(ConnectionClosed):  # by php-fpm
                served.get(served.script(code, "s0.php"))
            assert wait_until(lambda: len(lines_of(served)) >= number * len(wanted), PATIENCE), served.daemon.logs()
        assert lines_of(served) == wanted * 2


DATED = r"(?m)^\[\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\] NOTICE: "


def test_what_php_says_at_the_start(fresh):
    fresh.start(1, ini={"extension": "no-such-extension.so"})
    assert re.search(DATED + "PHP message: PHP Warning:  PHP Startup: Unable to load dynamic library", fresh.daemon.logs())


def test_what_php_says_of_a_pool_and_in_a_warm_up(lwc):
    script = lwc.script("error_log('said in the ' . (lwc_warming_up() ? 'warm-up' : 'request')); lwc_snapshot(); echo 'served';")
    lwc.start(1, settings={"php_admin_value[memory_limit]": "nonsense"}, lwc={"warmup": [script]})
    assert lwc.get(script).text == "served"
    for line in (r'PHP Warning:  Invalid "memory_limit" setting', r"said in the warm-up\n"):
        told = re.compile(DATED + r"\[pool www\] PHP message: " + line)
        assert wait_until(lambda: told.search(lwc.daemon.log()), PATIENCE), lwc.daemon.log()
    assert "said in the request" not in lwc.daemon.log()
