# SPDX-License-Identifier: Apache-2.0
"""Requests that end badly: their client gets an answer or a close, the log tells, all others are served, and nothing
is left behind after many rounds."""

import dataclasses
import os
import re
import signal
import subprocess
import time

import pytest

from harness import LwcFpm, NotReady, Workspace
from harness.fastcgi import STDIN, ConnectionClosed, begin_record, params_records, record
from harness.processes import wait_until

from .footprint import assert_unchanged, private, settled
from .rounds import FIRST, LIMIT, ROUNDS, WORKERS_FOR_LIMITS, everyday_state, many
from .served import LONGER_THAN_A_STALL, PATIENCE, Served

# Engines whose child is not the process that holds the connection: something is left to answer in its place.
ENGINE = os.environ.get("LWC_ENGINE", "auto")
ANSWERS_FOR_DEAD = ENGINE in ("fork", "kernel")
C = "FFI::cdef('void *memset(void *, int, unsigned long); void exit(int); void _exit(int); void abort(void);" \
    " int close(int); int pthread_create(unsigned long *, void *, void *, void *); int fork(void); int pause(void);" \
    " void *dlsym(void *, const char *); int sigfillset(void *); int sigprocmask(int, void *, void *);')"
NULL = "FFI::cast('void *', FFI::new('unsigned long'))"


@dataclasses.dataclass
class Fault:
    """A way to end. `status`: of the answer; None for "no answer, or an error page"."""

    code: str
    status: int | None = None
    log: str = ""  # how the log must say that it ended, besides pid and script
    cause: str = ""  # and why
    in_c: bool = False  # the process dies of it: there is a log line, with a backtrace where `frame` is given
    frame: str = ""
    cpu_second: bool = False  # takes one a round, so there are fewer rounds


FAULTS = {
    "signal SIGSEGV": Fault("posix_kill(getmypid(), SIGSEGV); sleep(10);", in_c=True, log="SIGSEGV", cause="sent by process "),
    # So much is kept in FastCGI's buffer: nothing has been sent that an error page could not replace.
    "signal after some output": Fault("echo str_repeat('x', 5000); posix_kill(getmypid(), SIGSEGV); sleep(10);", in_c=True, log="SIGSEGV"),
    "null pointer in C code": Fault(f"{C}->memset({NULL}, 1, 8);", in_c=True, log="SIGSEGV", cause="code 1, address 0x0", frame="ffi_call"),
    "abort": Fault(f"{C}->abort();", in_c=True, log="SIGABRT", frame="ffi_call"),
    "SIGKILL": Fault("posix_kill(getmypid(), SIGKILL); sleep(10);", in_c=True, log="SIGKILL"),
    "stack overflow": Fault("function f() { array_map('f', [1]); } f();", in_c=True, log="SIGSEGV"),
    "exit in C code": Fault(f"{C}->exit(3);", in_c=True, log="with code 3"),
    "_exit in C code": Fault(f"{C}->_exit(4);", in_c=True, log="with code 4"),
    "memory limit": Fault("$a = []; while (true) $a[] = str_repeat('x', 1 << 20);", 500),
    "max_execution_time": Fault("set_time_limit(1); while (true);", 500, cpu_second=True),
    "endless recursion": Fault("function f($n) { return 1 + f($n + 1); } f(0);", 500),
    "fatal error in a destructor": Fault("class D { function __destruct() { nowhere(); } } $d = new D;", 500),
    "exception in a destructor": Fault("class D { function __destruct() { throw new Exception; } } $d = new D;", 500),
    "exit in a destructor": Fault("class D { function __destruct() { exit('out'); } } $d = new D;", 200),
    "exit in a shutdown function": Fault("register_shutdown_function(fn () => exit('out'));", 200),
    "exit in an output handler": Fault("ob_start(function ($t) { exit; }); echo 'x';", 200),
    "exit in a header callback": Fault("header_register_callback(function () { exit('out'); }); echo 'x';", 200),
    "exit in an error handler": Fault("set_error_handler(fn () => exit('out')); echo $undefined;", 200),
    "exit in an exception handler": Fault("set_exception_handler(fn () => exit('out')); throw new Exception;", 200),
    "exit in an autoloader": Fault("spl_autoload_register(fn ($c) => exit('out')); new Nowhere;", 200),
    "exit in a session handler": Fault(
        "session_set_save_handler(new class extends SessionHandler { function write($i, $d): bool { exit('out'); } });"
        "session_id('one'); session_start(); $_SESSION['x'] = 1;", 200),
    "exit in a generator": Fault("function g() { try { yield 1; } finally { exit('out'); } } foreach (g() as $x) break;",
                                 200),
    "exit in a fiber": Fault("(new Fiber(fn () => exit('out')))->start();", 200),
    "exit in a C callback": Fault("$a = [3, 1]; usort($a, fn () => exit('out'));", 200),
    "exception in an output handler": Fault("ob_start(function ($t) { throw new Exception('x'); }); echo 'x';", None),
    "fatal error in a shutdown function": Fault("register_shutdown_function('array_map', 'nowhere'); nowhere();", 500),
    "parse error": Fault("eval('x x x');", 500),
    "all descriptors closed": Fault(f"$c = {C}; for ($i = 0; $i < 200; $i++) $c->close($i);"),
    "thread left behind": Fault(f"$c = {C}; $t = FFI::new('unsigned long'); $c->pthread_create(FFI::addr($t), null,"
                                " $c->dlsym(null, 'pause'), null);", 200),
    "child left behind": Fault(f"$c = {C}; if ($c->fork() === 0) while (true) $c->pause();", 200),
}
TIMEOUTS = {
    "endless loop": "while (true);",
    "sleep": "sleep(1000);",
    "stopped by itself": "posix_kill(getmypid(), SIGSTOP);",
    "stopped by itself as by a terminal": "posix_kill(getmypid(), SIGTSTP);",
    "endless loop with all signals blocked": f"$c = {C}; $s = FFI::new('char[128]'); $c->sigfillset(FFI::addr($s));"
                                             " $c->sigprocmask(0, FFI::addr($s), null); while (true);",
    "endless loop in a destructor": "class D { function __destruct() { while (true); } } $d = new D;",
    "endless shutdown function": "register_shutdown_function(function () { while (true); });",
}


@pytest.fixture
def served():
    with Workspace() as space:
        yield Served(space, private(LwcFpm)).prepare(
            ini={"ffi.enable": "1", "memory_limit": "16M", "pcre.jit": "0", "max_execution_time": "20"})


def answer_to(served, script, **more):
    """The answer, or None where the connection was closed instead."""
    try:
        return served.get(script, **more)
    except ConnectionClosed:
        return None


def check_answer(answer, fault):
    if fault.status is not None:
        assert answer is not None and answer.status == fault.status
    elif fault.in_c:
        assert answer.status == 500 if answer or ANSWERS_FOR_DEAD else True
    if fault.status == 200 and "out" in fault.code:
        assert "out" in answer.text


@pytest.mark.parametrize("name", FAULTS)
def test_fault(served, name):
    fault = FAULTS[name]
    served.start(children=2)
    good = served.script("echo 'good';")
    bad = served.script("file_put_contents(ini_get('sys_temp_dir') . '/pid', getmypid());" + fault.code)
    for _ in range(5):
        check_answer(answer_to(served, bad), fault)
        assert served.get(good).text == "good"
    if fault.in_c:
        end = re.compile(rf"child {served.file('pid').read_text()} exited .*{fault.log}.* seconds from start, script '{bad}'.*{fault.cause}")
        assert wait_until(lambda: end.search(served.daemon.log()), PATIENCE), f"no {end.pattern!r} in\n{served.daemon.logs()}"
        log = served.daemon.log()
        assert not fault.frame or re.search(rf"#\d+ .*{fault.frame}", log), log
        assert not fault.frame or re.search(r"#\d+ \S*/lwc-fpm\+0x", log), log  # a name that addr2line understands
    before = settled(served)

    def one_round(number):
        check_answer(answer_to(served, bad), fault)
        if number % 20 == 0:
            assert served.get(good).text == "good"

    many(one_round, rounds=max(2, ROUNDS // 500) if fault.cpu_second else ROUNDS)
    everyday_state(served, good, workers=2)
    assert_unchanged(served, before)


@pytest.mark.skipif(ENGINE != "kernel", reason="elsewhere a request that dies takes its process with it")
def test_a_request_that_dies_costs_no_worker(served):
    """Fault, exit, deadline and SIGKILL from itself come back to the worker: the same process serves afterwards."""
    rounds = max(ROUNDS, 20)
    served.prepare(children=1, ini={"ffi.enable": "1", "max_execution_time": "0"},
                   settings={"request_terminate_timeout": f"{LONGER_THAN_A_STALL}s"}).start()
    good = served.script("echo getmypid();")
    worker = served.get(good).text
    assert answer_to(served, served.script("while (true);")).status == 504
    for name, times in (("null pointer in C code", rounds), ("_exit in C code", 20), ("SIGKILL", 20)):
        bad = served.script(FAULTS[name].code)
        for _ in range(times):
            assert answer_to(served, bad).status == 500
    assert served.get(good).text == worker


@pytest.mark.skipif(ENGINE != "kernel", reason="elsewhere a request that dies takes its process with it")
@pytest.mark.parametrize(("end", "status"), [("while (true);", 504), (FAULTS["null pointer in C code"].code, 500)])
def test_a_request_that_dies_beside_a_thread_gets_its_error_page(served, end, status):
    """The context cannot be rolled back while the thread is in it, so the worker is replaced; what used to happen is that the client got nothing."""
    served.prepare(children=1, ini={"ffi.enable": "1", "max_execution_time": "0"},
                   settings={"request_terminate_timeout": f"{LONGER_THAN_A_STALL}s"}).start()
    good = served.script("echo getmypid();")
    worker = served.get(good).text
    thread = FAULTS["thread left behind"].code
    assert answer_to(served, served.script(thread + end)).status == status
    assert served.get(good).text != worker
    served.wait_for_log("the context cannot be rolled back")


@pytest.mark.skipif(ENGINE != "kernel", reason="needs engine kernel")
def test_memory_limit_of_the_kernel(served):
    """What PHP's memory_limit does not see counts too: memory of C code. The same worker goes on, and nothing adds up over requests."""
    served.prepare(children=1, ini={"ffi.enable": "1"}, lwc={"memory_limit": "24M"}).start()
    good = served.script("$x = str_repeat('x', 6 << 20); echo getmypid();")
    bad = served.script("$c = FFI::cdef('void *malloc(unsigned long); void *memset(void *, int, unsigned long);');"
                        " $c->memset($c->malloc(64 << 20), 1, 64 << 20); echo 'too much';")
    worker = served.get(good).text
    for _ in range(8):
        assert served.get(good).text == worker
    assert answer_to(served, bad).status == 500
    assert "went over its memory limit, terminating" in served.wait_for_log(f"child {worker}, script '{bad}'")
    assert served.get(good).text == worker


@pytest.mark.skipif(ENGINE == "kernel", reason="has it")
def test_memory_limit_of_the_kernel_is_refused_elsewhere(served):
    served.prepare(lwc={"memory_limit": "24M", "engine": "fork"})
    with pytest.raises(NotReady):
        served.daemon.start()
    refusal = "lwc.memory_limit needs engine 'kernel'; this is 'fork'"
    assert refusal in served.daemon.log()
    checked = subprocess.run([*served.daemon.command(), "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode != 0 and refusal in checked.stderr, checked  # so a reload goes on with what there is


@pytest.mark.parametrize("name", TIMEOUTS)
def test_endless_request(served, name):
    workers = WORKERS_FOR_LIMITS
    served.prepare(children=workers, ini={"ffi.enable": "1", "max_execution_time": "0"},
                   settings={"request_terminate_timeout": f"{LIMIT}s"}).start()
    good, bad = served.script("echo 'good';"), served.script(FIRST + TIMEOUTS[name])
    answer_to(served, bad)
    everyday_state(served, good, workers)
    before = settled(served)

    clients = workers - 1

    def one_round(number):
        if number < clients:
            time.sleep(LIMIT * number / clients)  # or all would end at once, again and again
        with served.connect(timeout=PATIENCE) as connection:
            connection.send_request(served.params(bad))
            assert served.get(good).text == "good"  # meanwhile
            try:
                answer = connection.read_response()
                # What had been answered before the time was over is not taken back.
                assert answer.status == 504 or "shutdown" in name or "destructor" in name
            except ConnectionClosed:
                assert not ANSWERS_FOR_DEAD

    many(one_round, rounds=3 if ROUNDS < 1000 else ROUNDS, clients=clients)
    log = served.wait_for_log("execution timed out")
    assert bad in log
    everyday_state(served, good, workers)
    assert_unchanged(served, before)


@pytest.mark.skipif(ENGINE != "fork", reason="elsewhere the request goes with the process that does not come to run")
def test_endless_request_whose_server_does_not_come_to_end_it(served):
    """As on a machine that is much too busy: the master ends it, and it has still been one that ran too long."""
    served.prepare(children=1, settings={"request_terminate_timeout": f"{LONGER_THAN_A_STALL}s"}).start()
    # The request stops its server itself: however slow the machine is, it is stopped when the time is over.
    bad = served.script("posix_kill(posix_getppid(), 19); "
                        "file_put_contents(ini_get('sys_temp_dir') . '/server', posix_getppid()); while (true);")
    with served.connect(timeout=PATIENCE) as connection:
        connection.send_request(served.params(bad))
        server = int(served.wait_for_file("server"))
        served.wait_for_log("execution timed out, killing")
        time.sleep(3)  # the master looks once a second, and what it has killed is still there
        assert served.daemon.log().count("execution timed out, killing") == 1
        os.kill(server, signal.SIGCONT)
        assert connection.read_response().status == 504


UPLOAD = (b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n' + b"x" * 10_000 +
          b'\r\n--b\r\nContent-Disposition: form-data; name="g"; filename="b"\r\n\r\n' + b"y" * 10_000 + b"\r\n--b--\r\n")
FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize("snapshot", [False, True], ids=["base", "snapshot"])
@pytest.mark.parametrize("name", ["signal SIGSEGV", "SIGKILL", "_exit in C code", "memory limit"])
def test_upload_of_a_request_that_does_not_end(served, name, snapshot):
    """What the client uploaded goes with the request; php-fpm leaves it in upload_tmp_dir."""
    point = "$r = lwc_snapshot();" if snapshot else ""
    bad = served.script(f"{point} if (count($_FILES) == 2) {{ {FAULTS[name].code} }} echo 'good';", "bad.php")
    served.start(children=2, lwc={"warmup": [bad]} if snapshot else {})

    def one_round(_):
        answer_to(served, bad, body=UPLOAD, content_type=FORM)
        assert served.get(bad).text == "good"

    many(one_round)
    assert wait_until(lambda: not list(served.data.glob("php*")), PATIENCE), list(served.data.iterdir())


def test_upload_that_is_killed_on_the_way(served):
    served.prepare(children=2, settings={"request_terminate_timeout": f"{LONGER_THAN_A_STALL}s"}).start()
    script = served.script("echo 'good';")
    body = UPLOAD.replace(b"x", b"x" * 20)  # PHP makes the file when its buffer is full
    params = served.params(script, method="POST", body_length=len(body), content_type=FORM)
    with served.connect(timeout=PATIENCE) as connection:
        connection.send(begin_record() + params_records(params) + record(STDIN, body[:60_000]))
        assert wait_until(lambda: list(served.data.glob("php*")), PATIENCE)
        served.wait_for_log("execution timed out")
    assert served.get(script).text == "good"
    assert wait_until(lambda: not list(served.data.glob("php*")), PATIENCE), list(served.data.iterdir())
