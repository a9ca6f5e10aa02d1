# SPDX-License-Identifier: Apache-2.0
"""Directives and options that no other file here is about: both daemons do with them the same."""

import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

from harness import unused_port
from harness.fastcgi import Connection, ConnectionClosed
from harness.processes import wait_until

from .held import WAIT, held
from .served import LONGER_THAN_A_STALL, PATIENCE, is_listening


@pytest.mark.parametrize("value, seen", [("yes", [False, "own"]), ("no", ["theirs", "own"])])
def test_clear_env(fresh, value, seen):
    fresh.prepare(1, settings={"clear_env": value, "env[OWN]": "own"})
    fresh.daemon.environment["INHERITED"] = "theirs"
    fresh.daemon.start()
    assert fresh.get("echo json_encode([getenv('INHERITED'), getenv('OWN')]);").text.replace('"', "'") == \
        str(seen).replace("False", "false").replace(" ", "")


def test_environment_of_the_daemon_by_name(fresh):
    fresh.prepare(1, settings={"env[COPY]": "$INHERITED", "env[NONE]": "$UNSET_VARIABLE"})
    fresh.daemon.environment["INHERITED"] = "theirs"
    fresh.daemon.start()
    assert fresh.get("echo json_encode([getenv('COPY'), getenv('NONE'), getenv('INHERITED')]);").text == '["theirs","",false]'


@pytest.mark.parametrize("clients, web_server, served", [("127.0.0.1", "", True), ("10.1.2.3,127.0.0.1", "", True),
                                                         ("10.1.2.3", "", False), ("", "10.1.2.3", True),
                                                         ("127.0.0.1", "10.1.2.3", True)])
def test_allowed_clients(fresh, clients, web_server, served):
    """FCGI_WEB_SERVER_ADDRS, which libfcgi knows, has no effect."""
    port = unused_port()
    settings = {"catch_workers_output": "yes"} | ({"listen.allowed_clients": clients} if clients else {})
    fresh.prepare(1, listen=f"127.0.0.1:{port}", settings=settings)
    if web_server:
        fresh.daemon.environment["FCGI_WEB_SERVER_ADDRS"] = web_server
    fresh.daemon.start()
    if served:
        assert fresh.get("echo 'served';").text == "served"
    else:
        with pytest.raises((ConnectionClosed, ConnectionError)):
            fresh.get("echo 'served';")
        fresh.wait_for_log("Connection disallowed: IP address '127.0.0.1' has been dropped.")


@pytest.mark.parametrize("track", ["yes", "no"])
def test_time_limit_of_what_follows_the_answer(fresh, track):
    limit = LONGER_THAN_A_STALL
    fresh.start(1, settings={"request_terminate_timeout": f"{limit}s", "request_terminate_timeout_track_finished": track})
    done, begun = fresh.file("done"), fresh.file("begun")
    rest = limit + 3 if track == "no" else 10 * limit
    answer = fresh.get(f"echo 'answered'; fastcgi_finish_request(); touch('{begun}'); file_put_contents('{done}', sleep({rest}));")
    assert answer.text == "answered"
    if track == "yes":
        log = fresh.wait_for_log("execution timed out")
        assert re.search(r"WARNING: \[pool www\] child \d+, script '.*' \(request: \"GET .*\"\) execution timed out \([\d.]+ sec\), terminating", log)
        assert begun.exists() and not done.exists()
    else:
        assert fresh.wait_for_file("done") == "0"  # seconds that were left to sleep
        assert "timed out" not in fresh.daemon.log()


@pytest.mark.parametrize("level, lines", [("notice", {"NOTICE", "WARNING"}), ("warning", {"WARNING"}), ("error", set())])
def test_log_level(fresh, level, lines):
    fresh.prepare(1, settings={"catch_workers_output": "yes", "listen.mode": "0666"}, global_settings={"log_level": level})
    fresh.daemon.ready = lambda: is_listening(fresh.address) and os.stat(fresh.address).st_mode & 0o777 == 0o666
    fresh.daemon.start()
    assert fresh.get("file_put_contents('php://stderr', \"said\\n\"); echo 'x';").text == "x"
    if "WARNING" in lines:
        fresh.wait_for_log("said into stderr")
    fresh.daemon.stop()
    assert set(re.findall(r"^\[[^]]+\] ([A-Z]+): ", fresh.daemon.log(), re.MULTILINE)) == lines


def test_pid_file_of_the_command_line(fresh):
    """-g, unless the configuration has one."""
    fresh.prepare(1)
    given = fresh.space.path / "given.pid"
    in_file = fresh.space.path / f"{fresh.daemon.name}.pid"
    text = fresh.daemon.config_path.read_text()
    fresh.daemon.arguments += ["-g", str(given)]
    fresh.daemon.start()
    assert (given.exists(), in_file.exists()) == (False, True)
    fresh.daemon.stop()
    fresh.daemon.config_path.write_text(re.sub(r"pid = .*\n", "", text))
    fresh.daemon.log_path.unlink()
    fresh.daemon.start()
    assert given.read_text() == str(fresh.daemon.pid)
    fresh.daemon.stop()
    assert not given.exists()


@pytest.mark.parametrize("arguments", [[], ["-O"]])
def test_log_on_standard_error(fresh, arguments):
    """-O: also where standard error is no terminal."""
    fresh.prepare(1)
    fresh.daemon.arguments += arguments
    fresh.daemon.start()
    fresh.daemon.stop()
    assert ("ready to handle connections" in fresh.daemon.output_path.read_text()) == bool(arguments)


def test_daemonize_in_the_configuration_is_overruled(fresh):
    """-F is stronger than daemonize = yes: the process that was started is the master."""
    fresh.start(1, global_settings={"daemonize": "yes"})
    assert int((fresh.space.path / f"{fresh.daemon.name}.pid").read_text()) == fresh.daemon.pid


TWICE = """
php_value[precision] = 7
php_value[precision] = 8
php_admin_value[serialize_precision] = 5
php_admin_value[serialize_precision] = 6
php_admin_value[memory_limit] = 66M
php_value[memory_limit] = 55M
php_flag[html_errors] = on
php_value[html_errors] = off
env[A] = upper
env[A] = lower
"""


def test_of_two_values_the_upper_one_counts(fresh):
    """But an admin value counts more than another, wherever it stands."""
    fresh.prepare(1)
    fresh.daemon.config_path.write_text(fresh.daemon.config_path.read_text() + TWICE)
    fresh.daemon.start()
    settings = "['precision', 'serialize_precision', 'memory_limit', 'html_errors']"
    assert fresh.get(f"echo implode(' ', array_map('ini_get', {settings})), ' ', getenv('A');").text == "7 5 66M 1 upper"


def test_constants_and_settings_in_values(fresh):
    """PHP's constants by name, and ${name} for what php.ini has."""
    fresh.prepare(1, ini={"precision": 11}, settings={
        "env[A]": "PHP_OS", "env[B]": "LOG_ERR", "env[C]": "${precision}", "env[D]": '"<${no_such_setting}>"', "env[E]": "NO_SUCH_CONSTANT",
        "php_value[error_reporting]": "E_ALL & ~E_NOTICE", "php_value[user_agent]": "OPENSSL_VERSION_TEXT"})
    fresh.daemon.start()
    shown = fresh.get("echo implode(',', array_map('getenv', range('A', 'E'))), ' ', error_reporting(), ' ', ini_get('user_agent');").text
    assert re.fullmatch(r"Linux,3,11,<>,NO_SUCH_CONSTANT 32759 OpenSSL 3\.[\d.]+ .*", shown), shown
    checked = subprocess.run([*fresh.daemon.command(), "-tt"], capture_output=True, text=True, env=fresh.daemon.environment)
    assert checked.returncode == 0 and "env[A] = Linux\n" in checked.stderr, checked.stderr


@pytest.mark.parametrize("buffering", ["yes", "no"])
def test_log_buffering(fresh, buffering):
    """Without, what a worker says is in the log before its line has ended."""
    fresh.start(1, settings={"catch_workers_output": "yes"}, global_settings={"log_buffering": buffering})
    go, begun = fresh.file("go"), fresh.file("begun")
    script = fresh.script(f"$err = fopen('php://stderr', 'w'); fwrite($err, 'first half'); touch('{begun}');"
                          f"while (!file_exists('{go}')) {{ usleep(2000); clearstatcache(); }} fwrite($err, \", second half\\n\");")
    with fresh.connect() as connection:
        connection.send_request(fresh.params(script))
        assert wait_until(begun.exists, PATIENCE)
        if buffering == "no":
            assert fresh.wait_for_log("first half").endswith('said into stderr: "first half')
        else:
            # Another pool's line would come through: the master has read what there was.
            fresh.daemon.signal(signal.SIGUSR1)
            fresh.wait_for_log("error log file re-opened")
            assert "first half" not in fresh.daemon.log()
        go.touch()
        connection.read_response()
    assert re.search(r'child \d+ said into stderr: "first half, second half"\n', fresh.wait_for_log("second half"))


def test_prefix_of_a_pool(fresh):
    """Its relative names begin there, $pool in it is the pool's name, and -p's directory is for the rest."""
    whole, own = fresh.space.path / "p", fresh.space.path / "own-www"
    for directory in (whole, own):
        directory.mkdir()
        directory.chmod(0o777)
    fresh.prepare(1, listen="in.sock", global_settings={"pid": "it.pid"}, settings={
        "prefix": f"{fresh.space.path}/own-$pool", "access.log": "$pool.log", "access.format": "%s", "slowlog": "slow.log",
        "request_slowlog_timeout": "1s", "pm.status_path": "/status", "pm.status_listen": "status.sock"})
    fresh.daemon.arguments += ["-p", str(whole)]
    fresh.daemon.start()
    script = fresh.script(f"{WAIT} echo 'slow';")

    def ask():
        with Connection(str(own / "in.sock"), timeout=2 * PATIENCE) as connection:
            connection.send_request(fresh.params(script))
            return connection.read_response().text

    with held(fresh, ask) as answer:
        fresh.wait_for_log("finished trace of")
    assert answer.result() == "slow"
    assert (own / "www.log").read_text() == "200\n" and "flock()" in (own / "slow.log").read_text()
    assert {path.name for path in own.iterdir()} == {"in.sock", "www.log", "slow.log"}
    # The status page's socket is one of another pool, which has no prefix.
    assert {path.name for path in whole.iterdir()} == {"it.pid", "status.sock"}


@pytest.mark.parametrize("mechanism", ["epoll", "poll", "select"])
def test_events_mechanism(fresh, mechanism):
    """Accepted; here the daemon waits in its own way."""
    fresh.start(1, global_settings={"events.mechanism": mechanism})
    assert fresh.get("echo 'served';").text == "served"


def test_emergency_restart_interval(fresh):
    """Crashes that are further apart do not count."""
    fresh.start(1, global_settings={"emergency_restart_threshold": 2, "emergency_restart_interval": "1s"})
    crashes = lambda: fresh.daemon.log().count("exited on signal 11 (SIGSEGV)")
    for number in range(1, 4):
        with contextlib.suppress(ConnectionClosed):  # by php-fpm
            fresh.get("posix_kill(getmypid(), 11); sleep(5);")
        assert wait_until(lambda: crashes() == number, PATIENCE), fresh.daemon.log()
        time.sleep(LONGER_THAN_A_STALL + 3)  # it may be counted that late
    assert "initiating reload" not in fresh.daemon.log()


def test_extensions_of_scripts(fresh):
    fresh.start(1, settings={"security.limit_extensions": ".php .inc"})
    for name, served in (("a.php", True), ("a.inc", True), ("a.txt", False), ("php", False)):
        path = fresh.script("<?php echo 'run';", f"x/{name}")
        assert (fresh.get(path).text == "run") == served, name
