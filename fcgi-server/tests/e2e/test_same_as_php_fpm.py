# SPDX-License-Identifier: Apache-2.0
"""Whole answers compared, byte for byte, between php-fpm and lwc-fpm: headers, body, stderr, end of the request."""

import re

import pytest

from harness import LwcFpm, PhpFpm, Workspace
from harness.fastcgi import Connection, Response, script_params

from .conftest import OURS
from .served import Served

pytestmark = OURS

FORM = "application/x-www-form-urlencoded"
DUMP = "header('Content-Type: text/plain'); ksort($_SERVER); var_dump($_SERVER, $_GET, $_POST, $_COOKIE, $_REQUEST);"

# name: (PHP code, what differs from a plain GET)
SCRIPTS = {
    "hello": ("echo 'Hello World';", {}),
    "nothing": ("", {}),
    "html": ("?><p>html</p>\n<?php echo 1;", {}),
    "server variables": (DUMP, {"query": "a=1&b[x]=2&c.d=3", "HTTP_COOKIE": "e=1; f=2", "HTTP_X_OWN": "x"}),
    "server variables of a post": (DUMP, {"body": b"a=1&b[]=2", "content_type": FORM, "query": "a=0"}),
    "server variables with auth": (DUMP, {"HTTP_AUTHORIZATION": "Basic dTpw"}),
    "server variables with path info": (DUMP, {"path_info": "/a/b"}),
    "server variables with a redirect": (DUMP, {"REDIRECT_URL": "/x", "ORIG_PATH_INFO": "/y", "HTTPS": "on"}),
    "server variables with a proxy attempt": (DUMP, {"HTTP_PROXY": "http://evil.example"}),
    "no REDIRECT_STATUS": (DUMP, {"REDIRECT_STATUS": ""}),
    "empty method": ("var_dump($_SERVER['REQUEST_METHOD'] ?? null);", {"method": ""}),
    "argv": ("var_dump($_SERVER['argv'] ?? null, $argv ?? null, $_SERVER['argc'] ?? null);", {"query": "a+b"}),
    "environment": ("$_ENV['x'] = 1; var_dump(count($_ENV), getenv('SCRIPT_NAME'), getenv('USER'), getenv('HOME'));",
                    {}),
    "ini": ("foreach (ini_get_all(null, false) as $k => $v) if (!str_starts_with($k, 'lwc')) echo \"$k=$v\\n\";", {}),
    "extensions": ("$e = get_loaded_extensions(); sort($e); echo implode(' ', array_diff($e, ['pcntl', 'lwc',"
                   " 'cgi-fcgi', 'readline']));", {}),
    "headers": ("header('X-A: 1'); header('x-a: 2', false); header_remove('X-Powered-By');", {}),
    "charset": ("header('Content-Type: text/plain;charset=latin1'); echo \"\\xe9\";", {}),
    "status line": ("header('HTTP/1.0 599 Own words');", {}),
    "status 304": ("http_response_code(304); echo 'x';", {}),
    "head": ("echo 'x';", {"method": "HEAD"}),
    "redirect": ("header('Location: https://a.example/'); exit;", {}),
    "refresh": ("header('Refresh: 1; url=/x'); exit('text');", {}),
    "cookies": ("setcookie('a', 'b', 1, '/p', 'd.example', true, true); setrawcookie('c', 'd');", {}),
    "fatal error": ("ini_set('display_errors', '1'); nowhere();", {}),
    "parse error": ("echo 1 2;", {}),
    "exception": ("throw new RuntimeException('text');", {}),
    "warning shown": ("ini_set('display_errors', '1'); echo $x;", {}),
    "many lines for the log": ("error_log(\"one\\ntwo\\n\"); error_log(str_repeat('l', 3000));", {}),
    "exit status": ("exit(3);", {}),
    "exit text": ("echo 'a'; exit('b');", {}),
    "shutdown function": ("register_shutdown_function(fn () => print('end')); echo 'a';", {}),
    "destructor": ("class D { function __destruct() { echo 'gone'; } } $d = new D; echo 'a';", {}),
    "output buffers": ("ob_start(strrev(...)); echo 'abc'; ob_start(); echo 'def';", {}),
    "output of 4096": ("echo str_repeat('x', 4096);", {}),
    "output of 70000": ("echo str_repeat('x', 70000);", {}),
    "content length": ("header('Content-Length: 3'); echo 'abc';", {}),
    "zlib": ("ini_set('zlib.output_compression', '1'); echo str_repeat('x', 1000);", {"HTTP_ACCEPT_ENCODING": "gzip"}),
    "json body": ("echo file_get_contents('php://input'), count($_POST);", {"body": b"{}", "content_type": "a/json"}),
    "input twice": ("echo file_get_contents('php://input'), file_get_contents('php://input');",
                    {"body": b"abc", "content_type": "text/x"}),
    "php://output and php://stderr": ("file_put_contents('php://output', 'o'); file_put_contents('php://stderr', 'e');",
                                      {}),
    "content length too small": ("echo file_get_contents('php://input');",
                                 {"body": b"abcdef", "content_type": "text/x", "CONTENT_LENGTH": "3"}),
    "content length negative": ("echo file_get_contents('php://input');", {"method": "POST", "CONTENT_LENGTH": "-1"}),
    "content length rubbish": ("echo file_get_contents('php://input');", {"method": "POST", "CONTENT_LENGTH": "x1"}),
    "too much post": ("var_dump($_POST);", {"body": b"a=" + b"x" * 9_000_000, "content_type": FORM}),
    "getallheaders": ("var_dump(getallheaders());", {"HTTP_A_B": "1", "HTTP_C": "2", "body": b"x=1",
                                                      "content_type": FORM}),
    "headers sent": ("var_dump(headers_sent()); ob_end_flush(); echo ' '; flush(); var_dump(headers_sent());", {}),
    "functions of fpm": ("foreach (['fastcgi_finish_request', 'fpm_get_status', 'getallheaders', 'dl', 'cli_set_process_"
                         "title', 'apache_request_headers', 'apache_response_headers', 'virtual', 'litespeed_finish_"
                         "request', 'apache_setenv', 'apache_child_terminate'] as $f) var_dump(function_exists($f));",
                         {}),
    "sapi": ("var_dump(PHP_SAPI, php_sapi_name(), php_ini_loaded_file(), PHP_BINARY !== '');", {}),
    "finish": ("echo 'a'; fastcgi_finish_request(); echo 'b'; error_log('late');", {}),
    "included file is gone": ("include 'nowhere.inc'; echo 'on';", {}),
    "working directory": ("echo basename(getcwd());", {}),
    "hidden file": ("echo 1;", {"name": ".hidden.php"}),
    "shebang": ("#!/usr/bin/php\n<?php echo 'after';", {"raw": True}),
    "byte order mark": ("\ufeff<?php echo 'after';", {"raw": True}),
    "empty file": ("", {"raw": True}),
    "nul in the query": ("var_dump($_GET);", {"query": "a=%00b"}),
    "too many variables": ("echo count($_GET);", {"query": "&".join(f"a{i}=1" for i in range(1500))}),
    "missing": (None, {"script": "/nowhere.php"}),
    "missing below": (None, {"script": "/nowhere.php", "path_info": "/a"}),
    "no script": (None, {"script": "/", "SCRIPT_FILENAME": ""}),
    "not allowed": (None, {"script": "/etc/passwd"}),
    "directory": (None, {"script": "/etc"}),
    "relative": (None, {"script": "/x.php", "SCRIPT_FILENAME": "x.php"}),
    "user ini": ("echo ini_get('user_agent'), ini_get('upload_max_filesize');", {"name": "own/a.php"}),
}

# Process, time and place: what must differ between two daemons, or between two requests to one.
MASKS = [
    (rb'(\["?REQUEST_TIME(?:_FLOAT)?"?\]=>\s+)(int|float)\([\d.]+\)', rb"\1time"),
    (rb"(Date|Expires): .*", rb"\1: date"),
    (rb"(PHPRC|FPM_SOCKETS|LISTEN_FDS|NOTIFY_SOCKET).*", rb""),
]


def masked(data):
    for pattern, instead in MASKS:
        data = re.sub(pattern, instead, data)
    return data


@pytest.fixture(scope="module")
def pair():
    with Workspace() as space:
        ours = Served(space, LwcFpm)
        ours.script("user_agent = from-user-ini\nupload_max_filesize = 7M", "own/.user.ini")
        ours.prepare(children=1)
        theirs = PhpFpm(space, ini={"session.save_path": str(ours.data), "upload_tmp_dir": str(ours.data),
                                    "sys_temp_dir": str(ours.data)})
        theirs.pools[0].children = 1
        theirs.write_config()
        ours.start()
        theirs.start()
        yield ours, theirs


def ask(address, root, script, *, body=b"", method=None, **more) -> Response:
    method = ("POST" if body else "GET") if method is None else method
    params = script_params(script, document_root=root, method=method, body_length=len(body), **more)
    with Connection(address) as connection:
        connection.send_request(params, body)
        return connection.read_response()


@pytest.mark.parametrize("name", SCRIPTS)
def test_same_answer(pair, name):
    ours, theirs = pair
    code, different = SCRIPTS[name]
    different = dict(different)
    path = different.pop("script", None)
    file_name = different.pop("name", None)
    raw = different.pop("raw", False)
    if path is None:
        path = ours.script("echo 1;" if raw else code, file_name)
    if raw:
        ours.replace(path, code)
    for _ in range(2):  # compiled, and from opcache
        got = ask(ours.address, str(ours.root), path, **different)
        wanted = ask(theirs.socket, str(ours.root), path, **different)
        assert masked(got.stdout) == masked(wanted.stdout)
        assert masked(got.stderr) == masked(wanted.stderr)
        assert (got.app_status, got.protocol_status) == (wanted.app_status, wanted.protocol_status)


def test_masks_hide_nothing_else():
    assert masked(b'["REQUEST_TIME"]=>\n  int(12) ["X"]=> int(3)') == b'["REQUEST_TIME"]=>\n  time ["X"]=> int(3)'
