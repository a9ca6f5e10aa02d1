# SPDX-License-Identifier: Apache-2.0
"""The harness itself, against the real php-fpm and nginx: what it promises to notice, it notices."""

import os
import subprocess

import pytest

from harness import HttpClient, Leak, Nginx, NotReady, PhpFpm, Pool, Site, Workspace, children_of
from harness.processes import describe


def serve(space, script, **pool):
    root = space.write("www/index.php", script).parent
    fpm = PhpFpm(space, Pool(children=1, **pool)).start()
    nginx = Nginx(space, Site(root=str(root), fastcgi=fpm.socket, front="/index.php")).start()
    return fpm, HttpClient(nginx.socket)


def test_a_page_comes_through_nginx_and_php_fpm(space):
    _, client = serve(space, "<?php setcookie('c', 'v'); echo PHP_SAPI, ' ', $_COOKIE['c'] ?? 'none';")
    assert client.get("/").text == "fpm-fcgi none"
    answer = client.get("/some/path?x=1")
    assert (answer.status, answer.text) == (200, "fpm-fcgi v")


def test_opcache_and_the_ini_given_are_in_force(space):
    root = space.write("i.php", "<?php echo ini_get('opcache.enable'), ini_get('precision');").parent
    fpm = PhpFpm(space, ini={"precision": 7}).start()
    nginx = Nginx(space, Site(root=str(root), fastcgi=fpm.socket)).start()
    assert HttpClient(nginx.socket).get("/i.php").text == "17"


def test_a_daemon_that_ends_at_start_is_reported_with_its_message(space):
    with pytest.raises(NotReady, match="pm.max_children"):
        PhpFpm(space, Pool(settings={"pm.max_children": 0})).start()


def test_a_process_left_behind_is_found_and_killed():
    with pytest.raises(Leak, match="sleep 998"):
        with Workspace() as space:
            space.grace = 1
            _, client = serve(space, "<?php exec('setsid sleep 998 >/dev/null 2>&1 &'); echo 'started';")
            assert client.get("/").text == "started"
    assert not [name for name in map(describe, children_of(os.getpid())) if "998" in name]


def test_stopping_leaves_neither_processes_nor_the_directory():
    with Workspace() as space:
        fpm, client = serve(space, "<?php echo 1;")
        assert client.get("/").text == "1"
        assert len(children_of(fpm.pid)) == 1
    assert not space.path.exists()
    assert subprocess.run(["pgrep", "-f", str(space.path)], stdout=subprocess.PIPE).stdout == b""
