# SPDX-License-Identifier: Apache-2.0
"""An administrator's day, with visitors on the site all the while: docs/migrating-from-php-fpm.md, deploying, logs,
overload, a full disk, an upgrade, and the way back.

The tests are steps of one day and run in their order. `visitors` ask for pages without pause; a step fails when one of
them got anything but the page.
"""

import re
import threading

import pytest

from harness import HttpClient
from harness.debian import Unit, newer_package
from harness.processes import wait_until

from .steps import install, steps  # noqa: F401  (a fixture)

PATIENCE = 60
LWC_SOCKET = "/run/lwc-fpm/www.sock"
FPM_SOCKET = "/run/php/php8.2-fpm.sock"
NGINX = f"""
server {{
    listen unix:/run/site.sock;
    root /srv/app/current/public;
    location / {{
        include fastcgi.conf;
        fastcgi_param SCRIPT_FILENAME $realpath_root/index.php;
        fastcgi_pass unix:{FPM_SOCKET};
    }}
}}
"""
# An application that boots, has a snapshot point, and tells its release and who serves it.
INDEX = """<?php
require __DIR__ . '/../release.php';
if (function_exists('lwc_snapshot')) { lwc_snapshot(); }
$served_by = function_exists('lwc_in_child') ? 'lwc-fpm' : 'php-fpm';
function slow_report() { while (!file_exists('/srv/slow-enough')) { usleep(10000); } }
if ($_SERVER['DOCUMENT_URI'] === '/slow') { slow_report(); }
if ($_SERVER['DOCUMENT_URI'] === '/hold') { while (!file_exists('/srv/let-go')) { usleep(10000); } }
echo "release $release by $served_by";
"""


class Visitors:
    """They ask for the front page in a loop while something is done."""

    def __init__(self, debian, site, count=4):
        self.debian, self.site, self.answers, self.failed = debian, site, [], []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(count)]

    def _visit(self):
        while not self._end.is_set():
            try:
                answer = HttpClient(self.site).get("/")
                if answer.status == 200 and re.fullmatch(r"release \d+ by (php|lwc)-fpm", answer.text):
                    self.answers.append(answer.text)
                else:
                    self.failed.append(answer)
            except OSError as error:
                self.failed.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def go_on(self, more=40):
        target = len(self.answers) + more
        assert wait_until(lambda: len(self.answers) >= target or self.failed, PATIENCE)

    def see(self, text):
        """Waits until everybody gets this page."""
        assert wait_until(lambda: set(self.answers[-20:]) == {text} or self.failed, PATIENCE), self.answers[-20:]

    def __exit__(self, kind, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()
        if kind is None:
            assert self.failed == [], self.debian.read("/var/log/nginx/error.log")[-2000:] + log(self.debian)[-4000:]


@pytest.fixture(scope="module")
def site(debian):
    return str(debian.path("/run/site.sock"))


@pytest.fixture(scope="module")
def fpm(debian):
    unit = Unit(debian, "php8.2-fpm")
    yield unit
    if unit.running():
        unit.stop("SIGQUIT")


@pytest.fixture(scope="module")
def lwc(debian):
    unit = Unit(debian, "lwc-fpm")
    yield unit
    if unit.running():
        unit.stop()


def release(debian, number):
    debian.write(f"/srv/app/releases/{number}/public/index.php", INDEX)
    debian.write(f"/srv/app/releases/{number}/release.php", f"<?php $release = {number};")
    # opcache does not keep what is younger than two seconds, and sees changes by the date.
    debian.run(f"find /srv/app/releases/{number} -name '*.php' -exec touch -d '{2000 + number}-01-01' {{}} +")


def switch_to(debian, number):
    debian.run(f"ln -sfn releases/{number} /srv/app/next && mv -T /srv/app/next /srv/app/current")


def change_site(debian, pattern, text):
    """Returns when nginx has no process any more that knows the site as it was."""
    before = set(debian.run("pgrep -f '^nginx: worker'").split())
    debian.run(f"sed -i 's|{pattern}|{text}|' /etc/nginx/sites-enabled/default && nginx -t -q && nginx -s reload")
    assert wait_until(lambda: not before & set(debian.run("pgrep -f '^nginx: worker'").split()), PATIENCE)


def pass_to(debian, socket):
    change_site(debian, "fastcgi_pass .*", f"fastcgi_pass unix:{socket};")


def set_in_pool(debian, **settings):
    """Appends settings to the pool, or takes them away: set_in_pool(debian) alone gives the first ones back."""
    if not debian.path("/etc/lwc-fpm/pool.d/www.conf.first").exists():
        debian.run("cp /etc/lwc-fpm/pool.d/www.conf /etc/lwc-fpm/pool.d/www.conf.first")
    debian.run("cp /etc/lwc-fpm/pool.d/www.conf.first /etc/lwc-fpm/pool.d/www.conf")
    with open(debian.path("/etc/lwc-fpm/pool.d/www.conf"), "a") as pool:
        pool.writelines(f"{key} = {value}\n" for key, value in settings.items())


def log(debian):
    return debian.read("/var/log/lwc-fpm.log")


def test_the_site_runs_on_php_fpm(steps, debian, fpm, site):
    debian.run("apt-get install -y nginx-light php8.2-fpm logrotate curl 2>&1")
    release(debian, 1)
    switch_to(debian, 1)
    debian.run("rm -f /etc/nginx/sites-enabled/default")
    debian.write("/etc/nginx/sites-enabled/default", NGINX)
    fpm.start()
    debian.run("nginx")
    assert HttpClient(site).get("/").text == "release 1 by php-fpm"


def test_moving_over(steps, debian, deb, fpm, lwc, site):
    with Visitors(debian, site) as visitors:
        install(debian, deb)
        debian.run(r"sed 's|^listen = .*|listen = /run/lwc-fpm/$pool.sock|' /etc/php/8.2/fpm/pool.d/www.conf "
                   "> /etc/lwc-fpm/pool.d/www.conf")
        assert "test is successful" in debian.run("lwc-fpm -t 2>&1")
        lwc.start()
        pass_to(debian, LWC_SOCKET)
        visitors.see("release 1 by lwc-fpm")
        fpm.stop("SIGQUIT")
        visitors.go_on()
    assert wait_until(lambda: "of '/srv/app/releases/1/public/index.php' is ready" in log(debian), PATIENCE), log(debian)


def test_reload_during_load(steps, debian, lwc, site):
    with Visitors(debian, site) as visitors:
        for _ in range(5):
            assert lwc.reload()
            visitors.go_on()


def test_new_release_by_switching_a_link(steps, debian, site):
    release(debian, 2)
    with Visitors(debian, site) as visitors:
        switch_to(debian, 2)
        visitors.see("release 2 by lwc-fpm")


def test_new_release_in_place(steps, debian, site):
    """Files replaced one by one, as rsync does it."""
    with Visitors(debian, site) as visitors:
        debian.write("/srv/app/releases/2/release.php.new", "<?php $release = 3;")
        debian.run("cd /srv/app/releases/2 && touch -d 2003-01-01 release.php.new && mv release.php.new release.php")
        visitors.see("release 3 by lwc-fpm")


def test_new_release_where_nginx_passes_the_link(steps, debian, lwc, site):
    """With $document_root, opcache goes on with the old release until the reload, as under php-fpm."""
    change_site(debian, "realpath_root", "document_root")
    release(debian, 4)
    with Visitors(debian, site) as visitors:
        visitors.go_on()
        switch_to(debian, 4)
        visitors.go_on()
        assert lwc.reload()
        visitors.see("release 4 by lwc-fpm")
        switch_to(debian, 2)
        assert lwc.reload()
        visitors.see("release 3 by lwc-fpm")
    change_site(debian, "document_root", "realpath_root")


def test_logs_are_rotated(steps, debian, lwc, site):
    set_in_pool(debian, **{"access.log": "/var/log/lwc-fpm.www.access.log"})
    assert lwc.reload()
    access = "/var/log/lwc-fpm.www.access.log"
    with Visitors(debian, site) as visitors:
        assert wait_until(lambda: debian.read(access), PATIENCE)
        debian.run("logrotate -f /etc/logrotate.d/lwc-fpm")
        visitors.go_on()
        assert wait_until(lambda: "GET /" in debian.read(access), PATIENCE)
    assert wait_until(lambda: "error log file re-opened" in log(debian), PATIENCE), log(debian)
    kept = debian.read(access + ".1")
    assert kept.count("\n") > 0 and kept.endswith("\n")
    # The five workers of before the reload may each have answered one more, and had no access log.
    assert len(debian.read(access).splitlines()) + len(kept.splitlines()) >= len(visitors.answers) - 5
    assert "ready to handle connections" in debian.read("/var/log/lwc-fpm.log.1")


def test_slow_page_is_found_in_the_slow_log(steps, debian, lwc, site):
    set_in_pool(debian, slowlog="/var/log/lwc-fpm.www.slow.log", request_slowlog_timeout="1s")
    assert lwc.reload()
    got = []
    visit = threading.Thread(target=lambda: got.append(HttpClient(site, timeout=2 * PATIENCE).get("/slow").status))
    visit.start()
    try:
        assert wait_until(lambda: "slow_report()" in debian.read("/var/log/lwc-fpm.www.slow.log"), PATIENCE), log(debian)
    finally:
        debian.write("/srv/slow-enough", "")
        visit.join()
    assert got == [200]
    assert "script_filename = /srv/app/releases/2/public/index.php" in debian.read("/var/log/lwc-fpm.www.slow.log")


def test_too_few_children(steps, debian, lwc, site):
    """Both are busy: the log says so, the third visitor waits and is served when one is free."""
    set_in_pool(debian, **{"pm": "dynamic", "pm.max_children": 2, "pm.start_servers": 1, "pm.min_spare_servers": 1,
                           "pm.max_spare_servers": 1})
    assert lwc.reload()
    got = []
    visits = [threading.Thread(target=lambda path=path: got.append(HttpClient(site).get(path).text))
              for path in ("/hold", "/hold", "/")]
    try:
        for visit in visits[:2]:
            visit.start()
        assert wait_until(lambda: "server reached pm.max_children setting (2), consider raising it" in log(debian),
                          PATIENCE), log(debian)
        visits[2].start()
        visits[2].join(1)
        assert got == []
    finally:
        debian.write("/srv/let-go", "")
    for visit in visits:
        visit.join()
    assert got == ["release 3 by lwc-fpm"] * 3


def test_full_disk(steps, debian, lwc, site):
    """Logs cannot be written: the site goes on, and so do the logs when there is room again."""
    debian.run("mkdir -p /var/log/small && mount -t tmpfs -o size=64k tmpfs /var/log/small")
    set_in_pool(debian, **{"access.log": "/var/log/small/access.log"})
    assert lwc.reload()
    with Visitors(debian, site) as visitors:
        debian.run("dd if=/dev/zero of=/var/log/small/fill bs=1k count=100", check=False)
        visitors.go_on(100)
        debian.run("rm /var/log/small/fill && : > /var/log/small/access.log")
        visitors.go_on()
        assert wait_until(lambda: "GET /" in debian.run("cat /var/log/small/access.log"), PATIENCE)


def test_mistake_in_the_configuration_costs_nothing(steps, debian, lwc, site):
    with Visitors(debian, site) as visitors:
        set_in_pool(debian, pm="as you like")
        assert lwc.reload() is False
        visitors.go_on()
        set_in_pool(debian)
        assert lwc.reload()
        visitors.go_on()


def program(debian, lwc):
    return debian.run(f"readlink /proc/{lwc.pid}/exe").strip()


def test_upgrade_and_rollback_of_the_package(steps, debian, deb, lwc, site):
    newer = newer_package(deb, debian.space.path, "0.1.0-2")
    with Visitors(debian, site) as visitors:
        for package, version in ((newer, "0.1.0-2"), (deb, "0.1.0-1")):
            install(debian, package)
            assert debian.run("dpkg-query -W -f '${Version}' lwc-fpm") == version
            assert program(debian, lwc) == "/usr/sbin/lwc-fpm (deleted)"
            visitors.go_on()
            # What the package's postinst does where systemd runs.
            assert lwc.reload()
            assert program(debian, lwc) == "/usr/sbin/lwc-fpm"
            visitors.go_on()


def test_the_way_back(steps, debian, fpm, lwc, site):
    with Visitors(debian, site) as visitors:
        fpm.start()
        pass_to(debian, FPM_SOCKET)
        visitors.see("release 3 by php-fpm")
        lwc.stop()
        visitors.go_on()
        debian.run("apt-get purge -y lwc-fpm")
        visitors.go_on()
