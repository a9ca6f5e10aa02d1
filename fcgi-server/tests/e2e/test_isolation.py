# SPDX-License-Identifier: Apache-2.0
"""What native code in one request finds of everything else: hostile.php looks, with FFI, for descriptors, memory, other contexts and processes.

The pool is made as open as it can be (process.dumpable), so that what is refused is refused by the engine.
"""

import contextlib
import errno
import json
import os
import signal
import threading
from pathlib import Path

import pytest

from harness import LwcFpm, Pool, Workspace
from harness.fastcgi import ConnectionClosed
from harness.processes import children_of, descendants_of, wait_until

from .served import LONGER_THAN_A_STALL, PATIENCE, Served

ENGINE = os.environ.get("LWC_ENGINE", "auto")
on_kernel = pytest.mark.skipif(ENGINE != "kernel", reason="only engine kernel keeps native code from it")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
not_on_none = pytest.mark.skipif(ENGINE == "none", reason="its requests are not kept from each other")
HOSTILE = Path(__file__).with_name("hostile.php")
OWN = "TOPSECRET-own"


@pytest.fixture(scope="module")
def open_pool():
    """Two workers beside another pool, with secrets in its configuration."""
    with Workspace() as space:
        served = Served(space, LwcFpm)
        other = Pool("other", 1, settings={"env[PASSWORD]": "TOPSECRET-environment", "access.log": str(served.data / "other.log"),
                                           "php_admin_value[mail.log]": "/tmp/TOPSECRET-setting"})
        served.prepare(2, pools=(other,), ini={"ffi.enable": "1", "memory_limit": "-1", "opcache.enable": "0", "apc.enabled": "0"},
                       settings={"process.dumpable": "yes", "access.log": str(served.data / "access.log")}).start()
        served.hostile = served.script(HOSTILE.read_text(), "hostile.php")
        yield served


def look(served, **more):
    answer = served.get(served.hostile, HTTP_COOKIE=OWN, timeout=10 * PATIENCE, **more)
    assert answer.status == 200, f"{answer}\n{served.daemon.logs()}"
    found = json.loads(answer.text)
    assert OWN in found["secrets"], "it does not find what is there"
    return found


def test_programs_do_not_have_the_connection(lwc):
    """One that goes on in the background could read what others send over a connection that is kept, and answer them."""
    lwc.start(children=1)
    script = lwc.script("echo shell_exec('ls -l /proc/self/fd');")
    connection = lwc.connect()
    for _ in range(3):
        connection.send_request(lwc.params(script), keep=True)
        open_there = connection.read_response().text
        assert "/proc/" in open_there and "socket:" not in open_there, open_there
        if ENGINE == "kernel":  # which keeps no connection that another process may have
            connection.close()
            connection = lwc.connect()
    connection.close()


def test_a_forked_process_does_not_answer(lwc):
    """What used to happen: it ended the answer of the request that forked it, and one that went on answered the next visitor."""
    lwc.start(children=1)
    forked = lwc.script("if (!($p = pcntl_fork())) { echo 'of the copy'; exit; } pcntl_waitpid($p, $status); echo 'own', $status;")
    left_behind = lwc.script("""
        if (!($p = pcntl_fork())) {
            if (pcntl_fork()) posix_kill(getmypid(), SIGKILL);
            while (!file_exists(ini_get('sys_temp_dir') . '/go')) { clearstatcache(); usleep(1000); }
            echo 'of the copy'; flush(); touch(ini_get('sys_temp_dir') . '/done'); exit;
        }
        pcntl_waitpid($p, $status); echo 'own';""")
    later = lwc.script("touch(ini_get('sys_temp_dir') . '/go'); while (!file_exists(ini_get('sys_temp_dir') . '/done')) { clearstatcache();"
                       " usleep(1000); } echo 'of later';")
    for keep in (False, True):
        with lwc.connect() as connection:
            connection.send_request(lwc.params(forked), keep=keep)
            assert connection.read_response().text == "own0"
    with lwc.connect() as connection:
        connection.send_request(lwc.params(left_behind), keep=True)
        assert connection.read_response().text == "own"
        if ENGINE == "kernel":  # which closes it: the process might be of native code
            connection = lwc.connect()
        connection.send_request(lwc.params(later), keep=True)
        assert connection.read_response().text == "of later"


def test_a_forked_process_does_not_end_its_request(lwc):
    """What used to happen on engine fork: its end was the end of the request, for the limit of its time, for the next one, for what it had started."""
    data = lwc.data
    lwc.start(children=1, settings={"request_terminate_timeout": f"{LONGER_THAN_A_STALL}s", "access.log": str(data / "access.log"),
                                    "access.format": "'%r%Q%q %{seconds}d'"})
    forks = "if (!($p = pcntl_fork())) { if (!pcntl_fork()) { usleep(300000); touch(ini_get('sys_temp_dir') . '/after'); } exit; } pcntl_waitpid($p, $s);"
    endless = lwc.script(forks + "while (true) usleep(10000);")
    if ENGINE != "none":
        answer = lwc.get(endless, timeout=10 * PATIENCE)
        assert answer.status == 504, answer
    lwc.file("after").unlink(missing_ok=True)
    assert lwc.get(lwc.script(forks + "usleep(600000); echo 'own';")).text == "own"
    assert lwc.file("after").exists()  # the child of the child has gone on
    lwc.get("echo 'last';")
    lines = (data / "access.log").read_text().splitlines()
    assert len(lines) == 2, lines  # of the two requests that came to their end, and of no process


def test_signal_to_the_process_group(lwc):
    """It reaches no other worker, so no other request. On engine kernel it does not even cost the one that sends it."""
    lwc.start(children=2)
    held = lwc.script("file_put_contents(ini_get('sys_temp_dir') . '/held', 'x');"
                      " while (!file_exists(ini_get('sys_temp_dir') . '/go')) usleep(1000); echo 'answered';")
    pid = lwc.script("echo getmypid();")
    answers = []
    meanwhile = threading.Thread(target=lambda: answers.append(lwc.get(held).text))
    meanwhile.start()
    lwc.wait_for_file("held")
    lwc.get(pid)  # by the other worker: now both are there
    before = {str(process) for process in lwc.processes()}
    with contextlib.suppress(ConnectionClosed):
        assert lwc.get(lwc.script("posix_kill(0, SIGKILL); echo 'survived';")).status == 500
    lwc.file("go").touch()
    meanwhile.join(PATIENCE)
    assert answers == ["answered"], lwc.daemon.logs()
    after = {lwc.get(pid).text for _ in range(20)}
    assert ENGINE != "kernel" or after <= before


OF_ITS_OWN = "games"  # a user that nobody else runs as: what is done to its processes is done to this daemon's
NICER = {"call": "pcntl_setpriority(5, posix_getuid(), PRIO_USER)",
         "program": "shell_exec('renice -n 5 -u ' . posix_getuid() . ' 2>&1')",
         "child": "($p = pcntl_fork()) ? pcntl_waitpid($p, $s) : (@pcntl_setpriority(5, posix_getuid(), PRIO_USER) | posix_kill(getmypid(), 9))"}


def priority_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[16])
    except OSError:
        return None  # has ended


def is_worker(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ").endswith(b"pool www")


def priorities(served):
    """The nice values of all that the master has started."""
    return {priority_of(pid) for pid in descendants_of(served.daemon.pid)} - {None}


def seen_by_two_workers(served):
    """What two requests at the same time see as their priority, so those of two workers."""
    for name in ("held", "go"):
        served.file(name).unlink(missing_ok=True)
    holding = served.script("$seen = pcntl_getpriority(); file_put_contents(ini_get('sys_temp_dir') . '/held', 'x');"
                            " while (!file_exists(ini_get('sys_temp_dir') . '/go')) usleep(1000); echo $seen;")
    seen = []
    meanwhile = threading.Thread(target=lambda: seen.append(served.get(holding).text))
    meanwhile.start()
    served.wait_for_file("held")
    seen.append(served.get("echo pcntl_getpriority();").text)
    served.file("go").touch()
    meanwhile.join(PATIENCE)
    return seen


@as_root
@not_on_none
@pytest.mark.parametrize("configured", [None, 3], ids=["inherited", "configured"])
@pytest.mark.parametrize("how", NICER)
def test_priority_of_all_processes_of_the_user(lwc, how, configured):
    """All of a pool's processes run as one user, so a request can change the priority of each; the templates, too, that new workers are made from."""
    snapshot = lwc.script("lwc_snapshot(); echo pcntl_getpriority();")
    settings = {"user": OF_ITS_OWN} | ({"process.priority": configured} if configured else {})
    lwc.start(children=2, settings=settings, lwc={"warmup": [snapshot]})
    before = configured or os.getpriority(os.PRIO_PROCESS, 0)
    assert priorities(lwc) == {before}
    changing = lwc.script(f"echo json_encode({NICER[how]});")

    answer = lwc.get(changing)
    assert answer.status == 200
    if how == "call" and ENGINE in ("rollback", "kernel"):
        assert answer.text.endswith("false") and priorities(lwc) == {before}  # refused
    assert seen_by_two_workers(lwc) == [str(before)] * 2, lwc.daemon.logs()
    assert lwc.get(snapshot).text == str(before)
    assert wait_until(lambda: priorities(lwc) == {before}, PATIENCE)

    assert lwc.get(changing).status == 200
    workers = [pid for pid in children_of(lwc.daemon.pid) if is_worker(pid)]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not set(workers) & set(descendants_of(lwc.daemon.pid)), PATIENCE)
    assert seen_by_two_workers(lwc) == [str(before)] * 2, lwc.daemon.logs()
    assert lwc.get(snapshot).text == str(before)
    assert wait_until(lambda: priorities(lwc) == {before}, PATIENCE)


@as_root
@not_on_none
def test_priority_that_cannot_be_put_back(lwc):
    """To lower a nice value takes root's rights. Without them the pool goes on with what it has, and the log says so once."""
    lwc.data.parent.chmod(0o777)
    lwc.prepare(children=2, settings={"listen.owner": OF_ITS_OWN, "listen.group": OF_ITS_OWN})
    lwc.daemon.process_options = {"user": OF_ITS_OWN, "group": OF_ITS_OWN, "extra_groups": []}
    lwc.start()
    before = os.getpriority(os.PRIO_PROCESS, 0)
    for _ in range(3):
        assert lwc.get(f"echo json_encode({NICER['program']});").status == 200
        assert seen_by_two_workers(lwc) == [str(before + 5)] * 2
    said = f"a request has changed the priority of the pool's processes. It cannot be put back to {before} without the right to: Permission denied"
    assert lwc.wait_for_log(said).count("has changed the priority") == 1


def test_other_pools_configuration_is_not_in_memory(open_pool):
    assert look(open_pool)["secrets"] == [OWN]


@on_kernel
def test_what_other_requests_had_is_not_in_memory(open_pool):
    holding = open_pool.script("file_put_contents(ini_get('sys_temp_dir') . '/held', 'x'); $body = file_get_contents('php://input');"
                               " while (!file_exists(ini_get('sys_temp_dir') . '/go')) usleep(10000); echo strlen($body);")
    keeping = open_pool.script("class Kept { static $all = []; } Kept::$all[] = file_get_contents('php://input'); echo 'kept';")
    for _ in range(4):
        assert open_pool.get(keeping, body=b"TOPSECRET-earlier", HTTP_COOKIE="TOPSECRET-cookie").text == "kept"
    meanwhile = threading.Thread(target=lambda: open_pool.get(holding, body=b"TOPSECRET-meanwhile", timeout=20 * PATIENCE))
    meanwhile.start()
    try:
        open_pool.wait_for_file("held")
        assert look(open_pool)["secrets"] == [OWN]
    finally:
        open_pool.file("go").touch()
        meanwhile.join()


@on_kernel
def test_descriptors_of_the_server_are_not_open(open_pool):
    descriptors = look(open_pool)["descriptors"]
    sockets = [one for one in descriptors if one["type"] is not None]
    stream, packets = 1, 5
    # Its own connection, and where all processes of the daemon send what they log. Nothing listens, no way leads to anybody else.
    assert [(one["type"], one["listens"]) for one in sockets] == [(packets, 0), (stream, 0)], descriptors
    assert not [one for one in descriptors if one["is"].endswith(".log")], descriptors


@on_kernel
def test_of_the_scoreboard_only_the_own_request_can_be_written(open_pool):
    shared = look(open_pool)["shared"]
    kept = [one for one in shared if one["mode"] == "r--s"]
    assert kept, shared
    for one in kept:
        assert not any(one[how] for how in ("written", "unprotected", "mapped again", "unmapped")), shared
    assert [one["pages"] < 10 for one in shared if one["mode"] == "rw-s"] == [True], shared


@on_kernel
def test_memory_that_extensions_share_is_shared(space):
    """The limit of all this, which the security model names: what opcache and APCu share is written to by every request."""
    ini = {"ffi.enable": "1", "memory_limit": "-1", "apc.enabled": "0", "opcache.memory_consumption": "64"}
    served = Served(space, LwcFpm).prepare(ini=ini, settings={"process.dumpable": "yes"}).start()
    served.hostile = served.script(HOSTILE.read_text(), "hostile.php")
    assert 64 << 8 in [one["pages"] for one in look(served)["shared"] if one["mode"] == "rw-s"]


@on_kernel
def test_contexts_cannot_be_used(open_pool):
    contexts = look(open_pool)["contexts"]
    assert contexts, "there is one that a request returns to"
    assert not any(any(one.values()) for one in contexts), contexts


@on_kernel
def test_other_processes_cannot_be_looked_into(open_pool):
    others = descendants_of(open_pool.daemon.pid)
    found = look(open_pool, OTHERS=",".join(map(str, others)))
    tried = {pid: one for pid, one in zip(others, found["processes"], strict=True) if pid != found["pid"]}
    assert len(tried) == len(others) - 1 > 3
    assert not any(any(one.values()) for one in tried.values()), tried


NATIVE_CALLS = """
    $c = FFI::cdef('void *mmap(void *, unsigned long, int, int, int, long); void *memcpy(void *, const char *, unsigned long);');
    $function = function ($code) use ($c) {
        $page = $c->mmap(null, 4096, 7, 0x22, -1, 0);
        $c->memcpy($page, $code, strlen($code));
        return FFI::cast('long (*)(long, long, long)', $page);
    };
    // The number and two arguments: into eax, ebx, ecx, int $0x80; into rax, rdi, rsi, syscall
    $int80 = $function("\\x53\\x89\\xf8\\x89\\xf3\\x89\\xd1\\x31\\xd2\\xcd\\x80\\x48\\x98\\x5b\\xc3");
    $syscall = $function("\\x48\\x89\\xf8\\x48\\x89\\xf7\\x48\\x89\\xd6\\x0f\\x05\\xc3");
    """


@on_kernel
def test_calls_by_32_bit_numbers_are_refused(open_pool):
    """What used to happen: the engine watched 64-bit numbers only, and by the others a request ended its worker or changed its priority for good."""
    kill, getpid, umask, setpriority, x32 = 37, 20, 60, 97, 1 << 30
    look_around = "echo json_encode([getmypid(), umask(), pcntl_getpriority()]);"
    fresh = {open_pool.get(look_around).text for _ in range(10)}
    answer = open_pool.get(NATIVE_CALLS + f"""
        echo json_encode([$syscall(39, 0, 0) === getmypid(), $int80({getpid}, 0, 0), $int80({umask}, 0177, 0), $int80({setpriority}, 0, 0),
                          $int80({kill}, getmypid(), 9), $syscall({x32} + 62, getmypid(), 9)]);""")
    assert json.loads(answer.text) == [True] + [-errno.ENOSYS] * 5, answer
    assert {open_pool.get(look_around).text for _ in range(10)} <= fresh


@on_kernel
def test_a_number_is_what_the_kernel_takes_of_it(open_pool):
    """What used to happen: the kernel looks at 32 bits of a call's number, the engine compared 64 and did not know SIGKILL to the worker itself."""
    pids = {open_pool.get("echo getmypid();").text for _ in range(10)}
    answer = open_pool.get(NATIVE_CALLS + "$syscall(0x500000000 + 62, getmypid(), 9); echo 'survived';")
    assert answer.status == 500 and "survived" not in answer.text, answer
    assert {open_pool.get("echo getmypid();").text for _ in range(10)} <= pids


@on_kernel
def test_a_process_left_behind_does_not_reach_later_requests_descriptors(space):
    """What is open at the snapshot is open once, for one request after the other, until one of them has left somebody who has it too."""
    served = Served(space, LwcFpm).prepare(children=1, ini={"ffi.enable": "1"}).start()
    flags = "$c = FFI::cdef('int fcntl(int, int, ...); int fork(void); int setsid(void); int usleep(unsigned); void _exit(int);" \
            " int waitpid(int, int *, int);'); $data = ini_get('sys_temp_dir');"
    assert served.get(flags + "if (!($p = $c->fork())) { $c->setsid(); if ($c->fork()) $c->_exit(0);"
                      " while (!file_exists(\"$data/go\")) $c->usleep(10000);"
                      " touch($c->fcntl(0, 4, 02000) ? \"$data/failed\" : \"$data/done\"); $c->_exit(0); }"
                      " $c->waitpid($p, null, 0); echo 'left';").text == "left"
    answer = served.get(flags + "$was = $c->fcntl(0, 3); touch(\"$data/go\"); while (!file_exists(\"$data/done\")) { clearstatcache(); usleep(10000); }"
                        " echo json_encode([$was & 02000, $c->fcntl(0, 3) & 02000]);")
    assert json.loads(answer.text) == [0, 0], answer


@on_kernel
def test_a_process_left_behind_gets_no_later_connection(space):
    """What used to happen: the way on which a child got its connections was open in it too, and so was a connection that was kept."""
    served = Served(space, LwcFpm).prepare(children=1, ini={"ffi.enable": "1"}).start()
    staying = served.script("""
        $c = FFI::cdef('int fork(void); int setsid(void); int waitpid(int, int *, int); void _exit(int); int usleep(unsigned);
                        long recv(int, void *, unsigned long, int); long syscall(long, ...);');
        $data = ini_get('sys_temp_dir');
        if (!($p = $c->fork())) {
            $c->setsid();
            if ($c->fork()) $c->_exit(0);
            $byte = FFI::new('char[1]');
            $files = FFI::new('struct { unsigned short what, how; unsigned flags; unsigned long start, end; }');
            [$files->what, $files->how, $files->end] = [2, 1, 1023];
            while (!file_exists("$data/go")) {
                clearstatcache();
                for ($fd = 0; $fd < 100; $fd++) {
                    if ($c->recv($fd, $byte, 1, 0x42) > 0) touch("$data/received");
                    if ($c->syscall(603, $fd, FFI::addr($files), 1, 24) >= 0) touch("$data/overlaid");
                }
                touch("$data/ready");
            }
            file_put_contents("$data/done", 'x');
            $c->_exit(0);
        }
        $c->waitpid($p, null, 0);
        while (!file_exists("$data/ready")) { clearstatcache(); usleep(1000); }
        echo getmypid();""")
    later = served.script("usleep(20000); echo getmypid();")
    with served.connect() as connection:
        connection.send_request(served.params(staying), keep=True)
        worker = connection.read_response().text
        with pytest.raises((ConnectionClosed, OSError)):  # it is not kept
            connection.send_request(served.params(later), keep=True)
            connection.read_response()
    assert {served.get(later, body=b"x" * 100).text for _ in range(10)} == {worker}
    served.file("go").touch()
    served.wait_for_file("done")
    assert not served.file("received").exists()
    assert not served.file("overlaid").exists()


@on_kernel
def test_calls_that_reach_beyond_the_request_are_refused(open_pool):
    """To the priority of whoever has the same user, to the master's children, and to itself in a way that no context contains."""
    answer = open_pool.get(NATIVE_CALLS + """
        $pidfd = $syscall(434, getmypid(), 0);
        echo json_encode([$syscall(141, 2, 0), $syscall(56, 0x8000 | SIGCHLD, 0), $syscall(435, 0, 0), $syscall(424, $pidfd, SIGKILL)]);""")
    assert json.loads(answer.text) == [-errno.EPERM, -errno.EPERM, -errno.ENOSYS, -errno.EPERM], answer


@on_kernel
def test_the_worker_goes_on(open_pool):
    good = open_pool.script("echo getmypid();")
    workers = {open_pool.get(good).text for _ in range(10)}
    for _ in range(3):
        look(open_pool)
    assert {open_pool.get(good).text for _ in range(10)} <= workers
