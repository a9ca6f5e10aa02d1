# SPDX-License-Identifier: Apache-2.0
"""The packaged units under a real systemd: start, status, reload, watchdog, restart, stop, socket activation.

The tests are steps of one life and run in their order.
"""

import re
import signal

import pytest

from harness import Workspace
from harness.booted import BootedDebian, control_groups
from harness.fastcgi import Connection, script_params
from harness.processes import wait_until

from .steps import install, steps  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(control_groups() is None, reason="systemd needs control groups (version 2) that can be written to")
PATIENCE = 60
SOCKET = "/run/lwc-fpm/www.sock"


@pytest.fixture(scope="module")
def debian(deb):
    with Workspace() as space, BootedDebian(space) as system:
        system.run("apt-get update && apt-get install -y systemd-sysv dbus php8.2-opcache procps")
        install(system, deb)
        system.run("sed -i 's/^include/systemd_interval = 1\\n&/' /etc/lwc-fpm/lwc-fpm.conf")
        system.boot()
        yield system


def shown(debian, name, unit="lwc-fpm.service"):
    return debian.run(f"systemctl show --value -p {name} {unit}").strip()


def ask(debian, code):
    """Connects and sends a request without waiting for the answer."""
    debian.write("/srv/page.php", f"<?php {code}")
    connection = Connection(str(debian.path(SOCKET)), timeout=PATIENCE)
    connection.send_request(script_params("/srv/page.php", document_root="/srv"))
    return connection


def get(debian, code="echo 'served';"):
    with ask(debian, code) as connection:
        return connection.read_response().text


def test_enabled_by_the_package_it_runs_after_boot(steps, debian):
    assert wait_until(lambda: shown(debian, "ActiveState") == "active", PATIENCE), debian.run("systemctl status lwc-fpm 2>&1", check=False)
    assert get(debian) == "served"
    assert shown(debian, "MainPID") == debian.read("/run/lwc-fpm/lwc-fpm.pid")


def test_its_figures_are_shown(steps, debian):
    assert wait_until(lambda: re.match(r"Processes active: 0, idle: 2, Requests: 1, slow: 0, Traffic: ", shown(debian, "StatusText")), PATIENCE), \
        shown(debian, "StatusText")


def test_reload_keeps_the_process(steps, debian):
    pid = shown(debian, "MainPID")
    debian.run("sed -i 's/^pm.max_children.*/&\\nenv[RELEASE] = 2/' /etc/lwc-fpm/pool.d/www.conf && systemctl reload lwc-fpm")
    assert wait_until(lambda: get(debian, "echo getenv('RELEASE');") == "2", PATIENCE)
    assert wait_until(lambda: shown(debian, "ActiveState") == "active", PATIENCE), shown(debian, "ActiveState")
    assert shown(debian, "MainPID") == pid


def test_reload_with_a_mistake_fails_and_is_harmless(steps, debian):
    debian.write("/etc/lwc-fpm/pool.d/bad.conf", "[bad]\nnonsense = 1\n")
    assert not debian.succeeds("systemctl reload lwc-fpm")
    assert wait_until(lambda: "unknown entry 'nonsense'" in debian.run("systemctl status lwc-fpm"), PATIENCE)
    debian.run("rm /etc/lwc-fpm/pool.d/bad.conf")
    assert get(debian) == "served"
    assert shown(debian, "ActiveState") == "active"


def test_reload_loses_no_request(steps, debian):
    with ask(debian, "touch('/tmp/reloading'); while (!file_exists('/tmp/go')) { usleep(2000); clearstatcache(); } echo 'old';") as old:
        assert wait_until(lambda: debian.path("/tmp/reloading").exists(), PATIENCE)
        debian.run("systemctl reload lwc-fpm")
        assert wait_until(lambda: debian.read("/var/log/lwc-fpm.log").count("ready to handle connections") == 3, PATIENCE)
        assert get(debian) == "served"
        debian.write("/tmp/go", "")
        assert old.read_response().text == "old"


def test_start_with_a_mistake_tells_why(steps, debian):
    debian.write("/etc/lwc-fpm/pool.d/bad.conf", "[bad]\nnonsense = 1\n")
    assert not debian.succeeds("systemctl restart lwc-fpm")
    assert wait_until(lambda: shown(debian, "ActiveState") == "failed", PATIENCE), shown(debian, "ActiveState")
    told = lambda: debian.run("systemctl status lwc-fpm", check=False)
    assert wait_until(lambda: "[/etc/lwc-fpm/pool.d/bad.conf:2] unknown entry 'nonsense'" in told(), PATIENCE), told()
    # Not tried again and again.
    assert shown(debian, "NRestarts") == "0"
    debian.run("rm /etc/lwc-fpm/pool.d/bad.conf && systemctl reset-failed lwc-fpm && systemctl start lwc-fpm")
    assert get(debian) == "served"


def test_watchdog_restarts_a_daemon_that_hangs(steps, debian):
    debian.write("/etc/systemd/system/lwc-fpm.service.d/watchdog.conf", "[Service]\nWatchdogSec=12\nWatchdogSignal=SIGKILL\n")
    debian.run("systemctl daemon-reload && systemctl restart lwc-fpm")
    pid = shown(debian, "MainPID")
    assert wait_until(lambda: "systemd monitor interval set to 6000ms" in debian.read("/var/log/lwc-fpm.log"), PATIENCE)
    # Fed for longer than it is patient, before a reload and after it.
    debian.run("sleep 15 && systemctl reload lwc-fpm && sleep 15")
    assert shown(debian, "MainPID") == pid
    debian.run(f"kill -STOP {pid}")
    assert wait_until(lambda: shown(debian, "NRestarts") == "1" and shown(debian, "ActiveState") == "active", PATIENCE), \
        debian.run("systemctl status lwc-fpm", check=False)
    assert shown(debian, "MainPID") != pid
    assert get(debian) == "served"


def test_killed_master_is_started_again(steps, debian):
    pid = shown(debian, "MainPID")
    debian.run(f"kill -{int(signal.SIGKILL)} {pid}")
    assert wait_until(lambda: shown(debian, "NRestarts") == "2" and shown(debian, "ActiveState") == "active", PATIENCE)
    assert get(debian) == "served"
    # None of the old one's processes is left.
    main = shown(debian, "MainPID")
    group = f"/sys/fs/cgroup{shown(debian, 'ControlGroup')}/cgroup.procs"
    parents = dict(line.split() for line in debian.run(f"ps -o pid=,ppid= -p $(paste -sd, {group})").splitlines())
    assert len(parents) > 1 and all(one == main or parent in parents for one, parent in parents.items()), parents


def test_stop_finishes_what_has_begun(steps, debian):
    with ask(debian, "touch('/tmp/begun'); usleep(1000000); echo 'to the end';") as connection:
        assert wait_until(lambda: debian.path("/tmp/begun").exists(), PATIENCE)
        debian.run("systemctl stop lwc-fpm")
        assert connection.read_response().text == "to the end"
    assert (shown(debian, "ActiveState"), shown(debian, "Result")) == ("inactive", "success")
    assert not debian.path(SOCKET).exists()


def test_started_by_whoever_connects(steps, debian):
    debian.run("systemctl enable --now lwc-fpm.socket")
    assert shown(debian, "ActiveState") == "inactive"
    assert get(debian) == "served"
    assert wait_until(lambda: shown(debian, "ActiveState") == "active", PATIENCE), shown(debian, "ActiveState")
    assert f'using inherited socket fd=3, "{SOCKET}"' in debian.read("/var/log/lwc-fpm.log")


def test_who_connects_during_a_restart_waits(steps, debian):
    code = "touch('/srv/waits/begun'); while (!file_exists('/srv/let-go')) { usleep(2000); clearstatcache(); } echo 'first';"
    debian.run("mkdir -m 777 /srv/waits")
    with ask(debian, code) as first:
        assert wait_until(lambda: debian.path("/srv/waits/begun").exists(), PATIENCE)
        debian.run("systemctl restart --no-block lwc-fpm")
        assert wait_until(lambda: shown(debian, "ActiveState") != "active", PATIENCE)
        with ask(debian, code) as second:
            debian.write("/srv/let-go", "")
            assert first.read_response().text == "first"
            assert second.read_response().text == "first"
    assert debian.path(SOCKET).exists()


def test_nothing_failed(steps, debian):
    assert debian.run("systemctl --failed --no-legend --plain").strip() == ""
