# SPDX-License-Identifier: Apache-2.0
"""What systemd tells and gives the daemon: notifications, the watchdog, sockets that it keeps (socket activation)."""

import os
import socket

import pytest

from harness import Pool, Workspace
from harness.fastcgi import Connection
from harness.processes import wait_until
from harness.service_manager import ManagedFpm, ServiceManager

from .load import Load, reload_and_wait
from .served import PATIENCE, Served


@pytest.fixture
def unit():
    """lwc-fpm as a unit of systemd, not started yet; `unit.manager` is systemd."""
    with Workspace() as space:
        manager = ServiceManager(space)
        unit = Served(space, ManagedFpm)
        unit.manager = manager
        yield unit
        manager.close()


def own_socket(unit, file="www.sock", **more):
    """A Unix socket of the manager's; its path."""
    return unit.manager.listen(str(unit.space.path / file), **more)


def ask(unit, script, address=None):
    """Connects and sends a request without waiting for the answer."""
    connection = Connection(address or unit.address, timeout=PATIENCE)
    connection.send_request(unit.params(script))
    return connection


def answer(connection):
    with connection:
        return connection.read_response().text


def test_ready_reload_and_stop_are_told(unit):
    unit.start()  # the log says it first
    assert wait_until(lambda: unit.manager.heard("READY"), PATIENCE)
    ready = unit.manager.heard("READY", "1")
    assert [one["MAINPID"] for one in ready] == [str(unit.daemon.pid)]
    assert ready[0]["STATUS"] == "Ready to handle connections"
    reload_and_wait(unit)
    assert wait_until(lambda: len(unit.manager.heard("READY")) == 2, PATIENCE)
    assert unit.daemon.graceful_stop() == 0
    assert wait_until(lambda: unit.manager.heard("STOPPING"), PATIENCE)
    order = [key for one in unit.manager.messages for key in one if key in ("READY", "RELOADING", "STOPPING")]
    assert order == ["READY", "RELOADING", "READY", "STOPPING"]
    assert "MONOTONIC_USEC" in unit.manager.heard("RELOADING")[0]


def test_ready_comes_after_the_warm_up(unit):
    script = unit.script("file_put_contents(ini_get('sys_temp_dir') . '/warm', '1'); lwc_snapshot(); echo 'x';", "a.php")
    unit.prepare(lwc={"warmup": [script]})
    unit.daemon.launch()
    assert wait_until(lambda: unit.manager.heard("READY") or unit.file("warm").exists(), PATIENCE)
    assert unit.file("warm").exists(), "told to be ready before the warm-up had begun"


def test_daemon_without_manager_tells_nobody(unit):
    unit.prepare()
    del unit.daemon.environment["NOTIFY_SOCKET"]
    unit.daemon.start()
    assert unit.get("echo 'on';").text == "on"
    assert unit.manager.messages == []


def test_status_has_the_figures_that_php_fpm_shows(unit):
    unit.start(children=2, global_settings={"systemd_interval": 1})
    script = unit.script("echo 'on';")
    for _ in range(3):
        unit.get(script)
    assert wait_until(lambda: any(one["STATUS"].startswith("Processes active: 0, idle: 2, Requests: 3, slow: 0, Traffic: ")
                                  for one in unit.manager.heard("STATUS")), PATIENCE), unit.manager.messages
    assert unit.manager.heard("WATCHDOG") == []


def test_watchdog_is_fed_also_over_a_reload(unit):
    unit.manager.watchdog_usec = 2_500_000
    unit.start()
    assert wait_until(lambda: len(unit.manager.heard("WATCHDOG", "1")) >= 2, PATIENCE)
    reload_and_wait(unit)
    before = len(unit.manager.heard("WATCHDOG"))
    assert wait_until(lambda: len(unit.manager.heard("WATCHDOG")) >= before + 2, PATIENCE)


def test_client_that_came_first_is_served(unit):
    path = own_socket(unit)
    unit.prepare(listen=path)
    early = ask(unit, unit.script("echo 'served';"))
    unit.daemon.start()
    assert answer(early) == "served"


def test_socket_stays_at_stop_and_who_waits_is_served_by_the_next_one(unit):
    path = own_socket(unit)
    unit.start(children=1, listen=path)
    script = unit.script("echo 'served';")
    inode = os.stat(path).st_ino
    assert unit.daemon.graceful_stop() == 0
    waiting = ask(unit, script)
    unit.daemon.start()
    assert answer(waiting) == "served"
    unit.daemon.stop()
    assert os.stat(path).st_ino == inode
    assert unit.manager.sockets[0][1].getblocking(), "the manager's socket was changed"


@pytest.mark.parametrize("how", ["graceful_stop", "stop"])
def test_restart_under_load_refuses_nobody(unit, how):
    unit.start(children=2, listen=own_socket(unit))
    script = unit.script("usleep(1000); echo 'answer';")
    with Load(unit, script, {"answer"}) as load:
        for _ in range(3):
            getattr(unit.daemon, how)()
            unit.daemon.start()
            load.goes_on()
    assert load.refused == 0
    # stop is SIGTERM, which ends running requests on purpose: at most one a worker and time.
    assert len(load.lost) <= (0 if how == "graceful_stop" else 2 * 3)


def test_reload_keeps_the_socket(unit):
    path = own_socket(unit)
    unit.start(children=2, listen=path)
    script = unit.script("usleep(1000); echo 'answer';")
    with Load(unit, script, {"answer"}) as load:
        for _ in range(3):
            reload_and_wait(unit)
            load.goes_on()
    assert (load.lost, load.refused) == ([], 0)
    unit.daemon.stop()
    assert os.path.exists(path)


def test_tcp_socket(unit):
    host, port = unit.manager.listen(("127.0.0.1", 0))
    unit.start(listen=f"{host}:{port}")
    assert unit.get("echo 'served';").text == "served"


def test_bare_port_is_the_socket_of_any_address(unit):
    _, port = unit.manager.listen(("0.0.0.0", 0))
    unit.start(listen=str(port))
    connection = ask(unit, unit.script("echo 'served';"), ("127.0.0.1", port))
    assert answer(connection) == "served"


def test_path_through_a_symbolic_link_is_the_same_socket(unit):
    own_socket(unit)
    unit.space.path.joinpath("link").symlink_to(unit.space.path)
    unit.start(listen=str(unit.space.path / "link" / "www.sock"))
    assert unit.get("echo 'served';").text == "served"
    assert "nobody serves" not in unit.daemon.log()


def test_sockets_find_their_pools_by_address_and_by_name(unit):
    """In an order that differs from the pools'; the named one's address is not in the configuration."""
    by_name = own_socket(unit, "elsewhere.sock", name="blog")
    by_address = own_socket(unit, "www.sock")
    unit.start(listen=by_address, settings={"env[POOL]": "www"},
               pools=(Pool("blog", 1, settings={"env[POOL]": "blog"}),))
    script = unit.script("echo getenv('POOL');")
    for _ in range(2):
        assert answer(ask(unit, script, by_address)) == "www"
        assert answer(ask(unit, script, by_name)) == "blog"
        reload_and_wait(unit)


def test_socket_that_no_pool_has_is_named_and_kept_for_a_later_one(unit):
    path = own_socket(unit, "later.sock")
    unit.start()
    unit.wait_for_log(f"nobody serves '{path}', a socket that systemd passed as 'lwc-fpm.socket'")
    waiting = ask(unit, unit.script("echo 'served';"), path)
    reload_and_wait(unit)
    unit.daemon.pools += (Pool("later", 1, listen=path),)
    unit.daemon.write_config()
    reload_and_wait(unit)
    assert answer(waiting) == "served"
    assert unit.daemon.log().count("nobody serves") == 2


def test_what_is_no_listening_socket_is_refused(unit):
    own_socket(unit, "datagram.sock", name="wrong", kind=socket.SOCK_DGRAM)
    unit.prepare()
    unit.daemon.launch()
    assert unit.daemon.wait() == 78
    assert "descriptor 3 ('wrong') of the service manager is no listening stream socket" in unit.daemon.logs()


def test_sockets_meant_for_another_process_are_left_alone(unit):
    """LISTEN_PID says whom they are for."""
    own_socket(unit, "other.sock")
    unit.prepare()
    unit.daemon.environment["LISTEN_PID"] = "1"
    command = unit.daemon.command
    unit.daemon.command = lambda: command()[4:]  # without the step that sets LISTEN_PID
    unit.daemon.start()
    assert unit.get("echo 'on';").text == "on"
    assert "nobody serves" not in unit.daemon.log()


def test_php_sees_none_of_it(unit):
    unit.start(listen=own_socket(unit), settings={"clear_env": "no"})
    script = unit.script("""
        foreach (['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', 'LWC_FPM_ACTIVATED', 'FPM_SOCKETS'] as $name) {
            echo getenv($name) === false ? '' : $name;
        }
        """)
    assert unit.get(script).text == ""
    reload_and_wait(unit)
    assert unit.get(script).text == ""
