# SPDX-License-Identifier: Apache-2.0
"""Command line, rights and surroundings of a daemon as an administrator sets them: both daemons do the same."""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from harness.daemons import PHP_INI, USER
from harness.fastcgi import Connection
from harness.processes import become_subreaper, children_of, wait_until

from .probing import HERE
from .served import PATIENCE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
UID = pwd.getpwnam(USER).pw_uid
DEVICES = ("null", "zero", "full", "random", "urandom")


def run(served, *arguments):
    """The program to its end: (status, standard output, standard error)."""
    done = subprocess.run([served.kind.binary(served.daemon), *arguments], capture_output=True, text=True, timeout=60,
                          env=served.daemon.environment, cwd=served.space.path)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def syslog(fresh):
    """A /dev with a log socket of our own, where only the daemon sees it; what has arrived, as a list of bytes."""
    dev = fresh.space.path / "dev"
    dev.mkdir()
    for name in DEVICES:
        about = os.stat(f"/dev/{name}")
        os.mknod(dev / name, about.st_mode, about.st_rdev)
        (dev / name).chmod(0o666)
    for name in ("fd", "stdin", "stdout", "stderr"):
        os.symlink(os.readlink(f"/dev/{name}") if os.path.islink(f"/dev/{name}") else f"/proc/self/{name}", dev / name)
    (dev / "shm").mkdir(mode=0o777)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(str(dev / "log"))
        (dev / "log").chmod(0o666)
        reader.setblocking(False)
        messages = []

        def arrived():
            try:
                while True:
                    messages.append(reader.recv(65536))
            except BlockingIOError:
                return messages

        def command(words):
            return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev && exec "$@"', str(dev), *words]

        yield arrived, command


@pytest.mark.parametrize("facility, number", [("", 3), ("local3", 19)])
def test_syslog(fresh, syslog, facility, number):
    arrived, command = syslog
    settings = {"error_log": "syslog"} | ({"syslog.facility": facility, "syslog.ident": "my-fpm"} if facility else {})
    fresh.prepare(1, global_settings=settings)
    words = command(fresh.daemon.command())
    fresh.daemon.command = lambda: words
    fresh.daemon.ready = lambda: any(b"ready to handle connections" in one for one in arrived())
    fresh.daemon.start()
    assert fresh.get("echo 1;").text == "1"
    fresh.daemon.stop()
    assert wait_until(lambda: any(b"bye-bye" in one for one in arrived()), PATIENCE)
    ident = "my-fpm" if facility else "php-fpm"
    lines = [re.fullmatch(rb"<(\d+)>\w{3} [ \d]\d [\d:]{8} ([\w-]+)\[(\d+)\]: (.*?)\n?", one).groups() for one in arrived()]
    assert {(int(priority), who.decode(), int(pid)) for priority, who, pid, _ in lines} == {
        (number * 8 + 5, ident, fresh.daemon.pid)}
    assert [text for *_, text in lines if b"systemd monitor interval" not in text] == [
        b"[NOTICE] fpm is running, pid %d" % fresh.daemon.pid, b"[NOTICE] ready to handle connections",
        b"[NOTICE] Terminating ...", b"[NOTICE] exiting, bye-bye!"]


def test_chroot(fresh):
    """One without /proc, which engines kernel and rollback need: auto takes fork there, and says so."""
    inside = fresh.space.path / "inside"
    (inside / "srv").mkdir(parents=True)
    (inside / "srv/page.php").write_text("<?php echo getcwd(), ' ', json_encode(scandir('/')), ' ', __FILE__;")
    fresh.start(1, settings={"chroot": str(inside), "chdir": "/srv"}, lwc={"engine": "auto"})
    answer = fresh.get("/srv/page.php")
    assert answer.text == '/srv [".","..","srv"] /srv/page.php'
    if fresh.is_ours:
        log = fresh.wait_for_log("NOTICE: [pool www] snapshot engine: fork, ")
        reasons = {"kernel": "/proc/self/fd cannot be read", "rollback": "/proc/self/pagemap cannot be opened"}
        for engine, reason in reasons.items():
            works, why = HERE[engine]  # where it does not in any case, it is for another reason
            assert re.search(rf"snapshot engine: fork, .*\b{engine}: [^;]*{re.escape(reason if works else why)}", log), log


def test_acl_of_the_socket(fresh):
    fresh.start(1, settings={"listen.acl_users": "nobody,daemon", "listen.acl_groups": "games", "listen.mode": "0660"})
    shown = subprocess.run(["getfacl", "--absolute-names", "--omit-header", fresh.address], capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) == {"user::rw-", "user:daemon:rw-", "user:nobody:rw-", "group::rw-", "group:games:rw-",
                                         "mask::rw-", "other::---"}
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({fresh.address!r})"
    become = lambda user: subprocess.run(["setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups",
                                          "/usr/bin/python3", "-c", connect], capture_output=True, timeout=60).returncode == 0
    assert become("nobody") and not become("sync")


@pytest.mark.parametrize("value", ["yes", "no"])
def test_dumpable(fresh, value):
    """A process that is not belongs to root in /proc: its user can neither trace it nor read its memory."""
    fresh.start(1, settings={"process.dumpable": value})
    owner = int(fresh.get("echo fileowner('/proc/self/environ');").text)
    assert owner == (UID if value == "yes" else 0)


def test_not_as_root(fresh):
    fresh.prepare(1)
    for path in (fresh.space.path, *fresh.space.path.iterdir()):
        shutil.chown(path, USER, USER)
    fresh.daemon.process_options = {"user": USER, "group": USER, "extra_groups": []}
    fresh.daemon.start()
    assert fresh.get("echo posix_getuid();").text == str(UID)
    log = fresh.daemon.logs()
    for key in ("user", "group"):
        assert f"NOTICE: [pool www] '{key}' directive is ignored when FPM is not running as root" in log


@pytest.mark.parametrize("number, done", [(signal.SIGUSR1, "error log file re-opened"), (signal.SIGUSR2, "Reloading in progress")],
                         ids=["USR1", "USR2"])
def test_signal_while_it_starts(fresh, number, done):
    """It is obeyed when there is somebody to do so. (Preloading runs while PHP starts; as root it would in another process.)"""
    preload, sent = fresh.space.path / "preload.php", fresh.space.path / "sent"
    preload.write_text(f"<?php if (!file_exists('{sent}')) {{ touch('{sent}'); posix_kill(getmypid(), {int(number)}); }}")
    fresh.prepare(1, ini={"opcache.enable": 1, "opcache.preload": str(preload)})
    for path in (fresh.space.path, *fresh.space.path.iterdir()):
        shutil.chown(path, USER, USER)
    fresh.daemon.process_options = {"user": USER, "group": USER, "extra_groups": []}
    fresh.daemon.start()
    fresh.wait_for_log(done)
    assert sent.exists()
    if number == signal.SIGUSR2:
        assert wait_until(lambda: "ready to handle" in fresh.daemon.log().partition("reloading: execvp(")[2], PATIENCE)
    assert fresh.get("echo 'served';").text == "served"


def test_prefix(fresh):
    """Relative names of files and sockets begin there."""
    (fresh.space.path / "p").mkdir()
    fresh.prepare(1, listen="in.sock", settings={"access.log": "a.log", "access.format": "%s"},
                  global_settings={"error_log": "e.log", "pid": "it.pid"})
    fresh.daemon.arguments += ["-p", str(fresh.space.path / "p")]
    log = fresh.space.path / "p/e.log"
    fresh.daemon.ready = lambda: log.exists() and "ready to handle" in log.read_text()
    fresh.daemon.start()
    assert sorted(path.name for path in (fresh.space.path / "p").iterdir()) == ["a.log", "e.log", "in.sock", "it.pid"]
    assert (fresh.space.path / "p/it.pid").read_text() == str(fresh.daemon.pid)


def test_as_root_if_told_so(fresh):
    fresh.prepare(1, settings={"user": "root", "group": "root"})
    fresh.daemon.arguments += ["-R"]
    fresh.daemon.start()
    assert fresh.get("echo posix_getuid();").text == "0"


def test_settings_of_the_command_line(fresh):
    """-d is stronger than php.ini, and the pool's own settings are stronger than -d."""
    fresh.prepare(1, ini={"memory_limit": "71M"}, settings={"php_value[precision]": "9"})
    fresh.daemon.arguments += ["-d", "memory_limit=72M", "-d", "precision=8", "-d", "html_errors"]
    fresh.daemon.start()
    assert fresh.get("echo json_encode(array_map('ini_get', ['memory_limit', 'precision', 'html_errors']));").text \
        == '["72M","9","1"]'


@pytest.mark.parametrize("given", [True, False])
def test_debugging_information(fresh, given):
    """-e: code is compiled with what debuggers and profilers need; opcache shows it in its dump."""
    fresh.prepare(1, ini={"opcache.enable": "1", "opcache.opt_debug_level": "0x10000"},
                  settings={"catch_workers_output": "yes"})
    fresh.daemon.arguments += ["-e"] if given else []
    fresh.daemon.start()
    fresh.get("echo 'x';")
    log = fresh.wait_for_log("RETURN int(1)")
    assert ("EXT_STMT" in log) == given


def test_in_the_background(fresh):
    """-D comes back when the daemon is ready, with its status; the daemon has no terminal and is its session's leader."""
    become_subreaper()
    fresh.prepare(1)
    arguments = [word for word in fresh.daemon.command()[1:] if word != "-F"]
    before = set(children_of(os.getpid()))
    status, out, err = run(fresh, "-D", *arguments)
    assert (status, out, err) == (0, "", "")
    pid = int((fresh.space.path / f"{fresh.daemon.name}.pid").read_text())
    try:
        assert set(children_of(os.getpid())) - before == {pid}
        assert os.getsid(pid) == pid
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1)} == {"/dev/null"}
        fresh.wait_for_log("ready to handle connections")
        with Connection(fresh.address, timeout=PATIENCE) as connection:
            connection.send_request(fresh.params(fresh.script("echo 'there';")))
            assert connection.read_response().text == "there"
    finally:
        os.kill(pid, signal.SIGTERM)
        assert os.waitpid(pid, 0)[1] == 0
    assert not (fresh.space.path / f"{fresh.daemon.name}.pid").exists()


def test_in_the_background_with_a_mistake(fresh):
    fresh.prepare(1, settings={"user": "nobody-of-that-name"})
    status, _, err = run(fresh, "-D", *[word for word in fresh.daemon.command()[1:] if word != "-F"])
    assert status == 70
    assert "FPM initialization failed" in err
    assert "cannot get uid for user 'nobody-of-that-name'" in fresh.daemon.log()


def test_modules_and_information(fresh):
    """-m, -i and -v come from the same PHP."""
    fresh.prepare(1)
    status, modules, _ = run(fresh, "-c", PHP_INI, "-m")
    assert status == 0
    assert {"[PHP Modules]", "[Zend Modules]", "Core", "posix", "session", "Zend OPcache"} <= set(modules.splitlines())
    status, information, _ = run(fresh, "-c", PHP_INI, "-d", "precision=7", "-i")
    assert status == 0
    assert "phpinfo()\n" in information and "precision => 7 => 7" in information
    status, version, _ = run(fresh, "-v")
    assert status == 0 and re.search(r"PHP 8\.2\.\d+ \(fpm-fcgi\)", version) is not None


@pytest.mark.parametrize("words, loaded, precision", [
    ("", "/etc/php/8.2/fpm/php.ini", "14"), ("-n", "(none)", "14"), ("-c DIR", "DIR/php.ini", "11"),
    ("-c DIR/php.ini", "DIR/php.ini", "11"), ("-n -c DIR", "DIR/php.ini", "11"), ("-n -c DIR/none", "(none)", "14"),
    ("-c DIR -d precision=12", "DIR/php.ini", "12")])
def test_which_php_ini_is_read(fresh, words, loaded, precision):
    fresh.prepare(1)
    fresh.space.write("php.ini", "precision = 11\n")
    fill = lambda text: text.replace("DIR", str(fresh.space.path))
    status, information, _ = run(fresh, *fill(words).split(), "-i")
    assert status == 0
    assert f"Loaded Configuration File => {fill(loaded)}\n" in information
    assert f"precision => {precision} => {precision}\n" in information


def test_the_sockets_mode(fresh):
    fresh.start(1, settings={"listen.mode": "0604"})
    assert stat.S_IMODE(os.stat(fresh.address).st_mode) == 0o604
    assert grp.getgrgid(os.stat(fresh.address).st_gid).gr_name == USER


@pytest.mark.parametrize("interval, monitor", [(None, "systemd monitor interval set to 10000ms"), ("0", "systemd monitor disabled")])
def test_log_of_a_life(fresh, interval, monitor):
    """Every line, from start over rotation and reload to the end; tools read them."""
    fresh.start(1, global_settings={"systemd_interval": interval} if interval else {})
    fresh.wait_for_log(monitor)
    fresh.daemon.signal(signal.SIGUSR1)
    fresh.wait_for_log("error log file re-opened")
    fresh.daemon.reload()
    assert wait_until(lambda: fresh.daemon.log().count(monitor) == 2, PATIENCE), fresh.daemon.log()
    fresh.daemon.stop()
    begin = [f"fpm is running, pid {fresh.daemon.pid}", "ready to handle connections", monitor]
    command = ", ".join(f'"{word}"' for word in fresh.daemon.command())
    lines = re.findall(r"^\[\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\] NOTICE: (.*)$", fresh.daemon.log(), re.MULTILINE)
    assert len(lines) == fresh.daemon.log().count("\n")
    assert [re.sub(r"fd=\d+", "fd=N", line) for line in lines] == [
        *begin, "error log file re-opened", "Reloading in progress ...",
        f'reloading: execvp("{fresh.daemon.command()[0]}", {{{command}}})',
        f'using inherited socket fd=N, "{fresh.address}"', *begin, "Terminating ...", "exiting, bye-bye!"]
