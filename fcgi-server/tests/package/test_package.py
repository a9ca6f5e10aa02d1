# SPDX-License-Identifier: Apache-2.0
"""The Debian package in a Debian that has nothing else: installing, running, upgrading, removing, purging.

The tests are steps of one life and run in their order.
"""

import pytest

from harness.debian import Unit, newer_package
from harness.fastcgi import Connection, script_params
from harness.processes import wait_until

from .steps import install, steps  # noqa: F401  (a fixture)

SOCKET = "/run/lwc-fpm/www.sock"
FPM_SOCKET = "/run/php/php8.2-fpm.sock"
PAGE = "/srv/page.php"


@pytest.fixture(scope="module")
def fresh_files(debian):
    """What was there before, and what the packages that ours needs bring with them."""
    debian.run("apt-get install -y libphp8.2-embed php8.2-common php8.2-opcache procps tzdata systemd "
               "libspdlog1.10 libfcgi0ldbl libunwind8 libdw1")
    return debian.files()


@pytest.fixture(scope="module")
def unit(debian):
    unit = Unit(debian, "lwc-fpm")
    yield unit
    if unit.running():
        unit.stop()


def get(debian, socket=SOCKET, script=PAGE):
    with Connection(str(debian.path(socket))) as connection:
        connection.send_request(script_params(script, document_root="/srv"))
        return connection.read_response().text


def test_install(steps, debian, deb, fresh_files):
    install(debian, deb)
    assert debian.run("dpkg-query -W -f '${Status}' lwc-fpm") == "install ok installed"
    for file in ("/lib/systemd/system/lwc-fpm.service", "/lib/systemd/system/lwc-fpm.socket",
                 "/etc/logrotate.d/lwc-fpm", "/usr/share/man/man8/lwc-fpm.8.gz",
                 "/usr/share/man/man5/lwc-fpm.conf.5.gz", "/usr/share/doc/lwc-fpm/copyright"):
        assert debian.path(file).exists(), file
    conffiles = debian.run("dpkg-query -W -f '${Conffiles}' lwc-fpm")
    for file in ("/etc/lwc-fpm/lwc-fpm.conf", "/etc/lwc-fpm/pool.d/www.conf", "/etc/logrotate.d/lwc-fpm"):
        assert file in conffiles
    assert debian.path("/run/lwc-fpm").is_dir(), "systemd-tmpfiles has not made it"
    assert debian.run("systemctl is-enabled lwc-fpm.service lwc-fpm.socket", check=False).split() == ["enabled", "disabled"]


def test_units_are_well_formed(steps, debian):
    # What systemd says of units that other packages have left behind is not ours.
    said = debian.run("systemd-analyze verify --man=no /lib/systemd/system/lwc-fpm.service "
                      "/lib/systemd/system/lwc-fpm.socket 2>&1", check=False)
    assert [line for line in said.splitlines() if "lwc-fpm" in line] == []


def test_shipped_configuration_is_good(steps, debian):
    assert "test is successful" in debian.run("lwc-fpm -t 2>&1")


def test_service_starts_and_serves(steps, debian, unit):
    debian.write(PAGE, "<?php echo PHP_SAPI, ' ', posix_getpwuid(posix_geteuid())['name'], ' ', "
                       "extension_loaded('Zend OPcache') ? 'opcache' : 'no opcache';")
    unit.start()
    assert get(debian) == "fpm-fcgi www-data opcache"
    assert debian.read("/run/lwc-fpm/lwc-fpm.pid").strip() == unit.pid
    assert "ready to handle connections" in debian.read("/var/log/lwc-fpm.log")


def test_reload_with_a_mistake_is_told_and_harmless(steps, debian, unit):
    debian.write("/etc/lwc-fpm/pool.d/bad.conf", "[bad]\nnonsense = 1\n")
    assert unit.reload() is False
    assert get(debian).startswith("fpm-fcgi")
    debian.path("/etc/lwc-fpm/pool.d/bad.conf").unlink()
    assert unit.reload() is True
    assert get(debian).startswith("fpm-fcgi")


def test_beside_php_fpm(steps, debian, unit):
    """Neither is in the other's way; ours then has php-fpm's settings."""
    debian.run("apt-get install -y php8.2-fpm")
    fpm = Unit(debian, "php8.2-fpm").start()
    try:
        assert get(debian, FPM_SOCKET) == get(debian)
    finally:
        fpm.stop("SIGQUIT")
    debian.run("echo 'memory_limit = 77M' >> /etc/php/8.2/fpm/php.ini")
    debian.write("/srv/limit.php", "<?php echo ini_get('memory_limit');")
    assert unit.reload()
    assert get(debian, script="/srv/limit.php") == "77M"


def test_pools_of_php_fpm_as_they_are(steps, debian):
    """php-fpm's own configuration file, in its place, while it is not running."""
    assert "test is successful" in debian.run("lwc-fpm -t -y /etc/php/8.2/fpm/php-fpm.conf 2>&1")
    debian.run("lwc-fpm -D -y /etc/php/8.2/fpm/php-fpm.conf")
    try:
        assert get(debian, FPM_SOCKET).startswith("fpm-fcgi www-data")
    finally:
        debian.run("kill -QUIT $(cat /run/php/php8.2-fpm.pid)")
    assert wait_until(lambda: not debian.path("/run/php/php8.2-fpm.pid").exists(), 30)


def test_php_fpm_can_go(steps, debian, unit):
    """Debian leaves php-fpm's directories behind, without the extensions' files."""
    debian.run("apt-get remove -y php8.2-fpm")
    assert unit.reload()
    assert get(debian).endswith(" opcache")


def test_upgrade_keeps_what_the_administrator_wrote(steps, debian, deb, unit):
    pool = debian.path("/etc/lwc-fpm/pool.d/www.conf")
    pool.write_text(pool.read_text() + "; mine\n")
    newer = newer_package(deb, debian.space.path, "0.1.0-2")
    install(debian, newer)
    assert unit.running(), "the upgrade has stopped the service"
    assert pool.read_text().endswith("; mine\n")
    assert "defaults of 0.1.0-2" in debian.read("/etc/lwc-fpm/lwc-fpm.conf")
    assert unit.reload()
    assert get(debian).startswith("fpm-fcgi")
    assert "(deleted)" not in debian.run(f"readlink /proc/{unit.pid}/exe")


def test_remove_keeps_the_configuration_and_purge_leaves_nothing(steps, debian, deb, unit, fresh_files):
    unit.stop()
    assert not debian.path(SOCKET).exists()
    debian.run("apt-get remove -y lwc-fpm")
    assert not debian.path("/usr/sbin/lwc-fpm").exists()
    assert debian.path("/etc/lwc-fpm/pool.d/www.conf").exists()
    debian.run("apt-get purge -y lwc-fpm php8.2-fpm")
    debian.run("rm -rf /srv/*.php")
    left = {file for file in debian.files() - fresh_files if "lwc-fpm" in file}
    assert left == set()
