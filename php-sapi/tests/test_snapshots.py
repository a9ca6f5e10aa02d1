# SPDX-License-Identifier: Apache-2.0
"""Snapshots, renewal and the end of a request with the real PHP, but without a daemon: php-driver forks the children."""

import json
import os
import re
import subprocess

import pytest

DRIVER = os.environ["PHP_DRIVER"]

# PHP loads extensions in a way (RTLD_DEEPBIND) that AddressSanitizer forbids.
with_extensions = pytest.mark.skipif(os.environ.get("PHP_INI_SCAN_DIR") == "", reason="PHP runs without extensions")


@pytest.fixture
def php(tmp_path):
    """Writes a script; returns what the driver says about steps with it."""

    def run(code, *steps, options=()):
        script = tmp_path / "front.php"
        script.write_text("<?php " + code)
        words = []
        for step in steps:
            kind, *params = step.split(" ", 1) if " " in step else [step]
            words.append(kind)
            if kind != "base":
                words.append(str(script))
            words += json.loads(params[0]) if params else []
        done = subprocess.run([DRIVER, *options, *words], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        return done.stdout

    run.path = tmp_path
    return run


def bodies(output):
    """The body of every answer. The host is told of the end before the client can see it."""
    return re.findall(r"^\[start [^\n]*\n(?:[^\n]+\n)*?\n(.*?)\n?\[end \d+, \d+ bytes\]\n\[finish\]", output, re.S | re.M)


def test_what_ran_before_runs_once(php):
    output = php(f"file_put_contents('{php.path}/boots', '.', FILE_APPEND); $n = 1; $r = lwc_snapshot();"
                 " echo json_encode([$r, $n++, $_GET]);",
                 "prepare", 'get ["QUERY_STRING=a=1"]', 'get ["QUERY_STRING=a=2"]')
    assert [json.loads(body) for body in bodies(output)] == [[True, 1, {"a": "1"}], [True, 1, {"a": "2"}]]
    assert (php.path / "boots").read_text() == "."


def test_base_asks_for_a_snapshot(php):
    output = php("var_dump(lwc_snapshot(), lwc_in_child(), lwc_warming_up(), lwc_snapshot_info());", "get")
    assert bodies(output) == ["bool(false)\nbool(false)\nbool(false)\nNULL"]
    assert "wants a snapshot" in output


def test_references_to_superglobals_follow(php):
    output = php("class C { static $get; } C::$get = &$_GET; $server = &$_SERVER; lwc_snapshot();"
                 " echo json_encode([C::$get, $server['HTTP_X']]);", "prepare", 'get ["QUERY_STRING=a=1", "HTTP_X=y"]')
    assert json.loads(bodies(output)[0]) == [{"a": "1"}, "y"]


@pytest.mark.parametrize("draw", ["mt_rand()", "lcg_value()", "bin2hex(openssl_random_pseudo_bytes(8))",
                                  "random_int(0, PHP_INT_MAX)", "uniqid('', true)"])
def test_children_draw_different_numbers(php, draw):
    output = php(f"mt_srand(7); {draw}; lwc_snapshot(); echo json_encode({draw});", "prepare", "get", "get", "get")
    assert len(set(bodies(output))) == 3


def test_output_and_headers_of_the_warm_up_go_to_nobody(php):
    output = php("header('X-Warm: up'); http_response_code(418); echo 'lost'; ob_start(); echo 'too'; lwc_snapshot();"
                 " echo 'kept';", "prepare", "get")
    assert bodies(output) == ["kept"]
    assert "X-Warm" not in output.split("[start")[1] and "Status" not in output.split("[start")[1]
    assert "7 bytes of output before lwc_snapshot() go to nobody" in output


@pytest.mark.parametrize("code, reason", [
    ("$s = stream_socket_server('tcp://127.0.0.1:0');", "a TCP socket listening on 127.0.0.1:"),
    ("$s = stream_socket_client('udp://127.0.0.1:53');", r"a UDP connection to 127.0.0.1:53 \(domain\)"),
    ("$f = fopen(__DIR__ . '/log', 'a');", "the file .*/log, open to write"),
    ("$f = popen('true', 'r');", "a pipe"),
    ("$p = proc_open('exec sleep 1', [], $x);", r"child process \d+ \("),
    ("(new Fiber(fn() => lwc_snapshot()))->start();", "in a fiber"),
    ("function g() { yield lwc_snapshot(); } foreach (g() as $x);", "in a generator"),
    ("class D { function __destruct() { lwc_snapshot(); } } $d = new D; unset($d);", "in a destructor"),
    ("register_shutdown_function('lwc_snapshot'); exit;", "the script is over"),
])
def test_refused_with_a_reason(php, code, reason):
    output = php(f"if (lwc_warming_up()) {{ {code} }} lwc_snapshot(); echo 'served';", "prepare", "base", "get")
    assert re.search(rf"\[abandoned: lwc_snapshot\(\) at \S*(front\.php:1|internal function\S*:0)? ?.*is refused: .*{reason}", output)
    assert bodies(output) == ["served"]


def test_allowed_descriptor(php):
    output = php("$f = fopen(__DIR__ . '/log', 'w+'); fwrite($f, '0123456789'); fseek($f, 2); lwc_snapshot();"
                 " echo fread($f, 3);", "prepare", "get", "get", options=["--allow-fd", "*/log"])
    assert bodies(output) == ["234", "234"]


@pytest.mark.parametrize("code, reason", [
    ("exit;", "ended before lwc_snapshot()"),
    ("header('Location: /login'); exit;", "answered with status 302"),
    ("nofunc();", "Call to undefined function nofunc() in"),
    ("throw new Exception('boo');", "Uncaught Exception: boo in"),
])
def test_warm_up_that_ends_early(php, code, reason):
    output = php(f"if (lwc_warming_up()) {{ {code} }} lwc_snapshot(); echo 'served';", "prepare", "base", "get")
    assert "[abandoned: the warm-up of " in output and reason in output
    assert bodies(output) == ["served"]


def test_callbacks_on_resume(php):
    output = php("lwc_on_resume(function () { echo 'first '; }); lwc_on_resume('second');"
                 " function second() { echo 'second ', $_GET['a'], ' '; } lwc_snapshot(); echo 'then';",
                 "prepare", 'get ["QUERY_STRING=a=1"]')
    assert bodies(output) == ["first second 1 then"]


def test_exception_of_a_callback_comes_out_of_the_snapshot(php):
    output = php("lwc_on_resume(function () { throw new Exception('boo'); });"
                 " try { lwc_snapshot(); echo 'not thrown'; } catch (Exception $e) { echo $e->getMessage(); }",
                 "prepare", "get")
    assert bodies(output) == ["boo"]


@with_extensions
def test_settings_of_the_warm_up_are_not_the_requests(php):
    output = php("lwc_snapshot(); echo ini_get('max_execution_time'), ' ', ini_get('opcache.revalidate_freq'), ' ',"
                 " ini_get('precision');", "prepare", 'get ["PHP_VALUE=precision=5"]', "get",
                 options=["-d", "max_execution_time=17", "-d", "opcache.revalidate_freq=3"])
    assert bodies(output) == ["17 3 5", "17 3 14"]


def test_snapshot_without_opcache(php):
    output = php("$f = fn () => 'works'; lwc_snapshot(); echo $f();", "prepare", "get", options=["-d", "opcache.enable=0"])
    assert bodies(output) == ["works"]


@with_extensions
def test_restart_of_opcache_makes_the_snapshot_stale(php):
    """The snapshot's lock keeps shared memory as it is; it says that it has to make room."""
    output = php("class K { function f() { return 'intact'; } } $k = new K; lwc_snapshot();"
                 " if (isset($_GET['reset'])) opcache_reset(); echo $k->f();",
                 "prepare", "get", 'get ["QUERY_STRING=reset"]', "get", "get")
    assert bodies(output) == ["intact"] * 4
    assert "opcache wants to restart" in output


@with_extensions
def test_changed_file_makes_the_snapshot_stale(php):
    output = php("lwc_snapshot(); touch(__FILE__, time() - 1000); usleep(300000); echo 1;", "prepare", "get", "get",
                 options=["-d", "opcache.revalidate_freq=0"])
    assert f"the snapshot is stale, {php.path}/front.php has changed" in output


EFFECTS = """
$d = __DIR__;
lwc_snapshot();
session_save_path($d); session_id('abc'); session_start(); $_SESSION['n'] = 1;
$gz = fopen("compress.zlib://$d/gz", 'w'); fwrite($gz, str_repeat('x', 1000));
$zip = new ZipArchive; $zip->open("$d/zip", ZipArchive::CREATE); $zip->addFromString('a', 'b');
$xml = new XMLWriter; $xml->openUri("$d/xml"); $xml->startElement('a');
$tmp = tmpfile(); file_put_contents("$d/tmpname", stream_get_meta_data($tmp)['uri']);
class W { public $context; function stream_open() { return true; } function stream_write($x) { return strlen($x); }
          function stream_close() { touch(__DIR__ . '/closed'); } }
stream_wrapper_register('ww', 'W'); $w = fopen('ww://x', 'w');
$p = proc_open("sleep 0.2; touch $d/process", [], $pipes);
register_shutdown_function(function () { echo "shutdown\\n"; });
class D { function __destruct() { echo "destructor\\n"; } } $o = new D;
ob_start(fn ($text) => strtoupper($text)); echo "body\\n";
"""


@with_extensions
@pytest.mark.parametrize("steps", [["get"], ["prepare", "get"]], ids=["base", "snapshot"])
def test_outside_effects_of_the_end_of_a_request(php, steps):
    """A discarded child frees no memory, but everything that leaves the process has happened."""
    output = php(EFFECTS, *steps)
    assert bodies(output)[0] == "BODY\nSHUTDOWN\nDESTRUCTOR"
    for name in ("gz", "zip", "xml", "closed", "process", "sess_abc"):
        assert (php.path / name).exists(), name
    assert (php.path / "sess_abc").read_text() == "n|i:1;"
    assert (php.path / "xml").read_text() == "<a"
    assert not os.path.exists((php.path / "tmpname").read_text())


def test_uploaded_files_are_deleted(php):
    body = '--X\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nhello\r\n--X--\r\n'
    post = json.dumps(["REQUEST_METHOD=POST", "CONTENT_TYPE=multipart/form-data; boundary=X", "BODY=" + body])
    output = php("lwc_snapshot(); echo file_get_contents($_FILES['f']['tmp_name']), ' ', $_FILES['f']['tmp_name'];",
                 "prepare", "get " + post)
    content, name = bodies(output)[0].split()
    assert content == "hello" and not os.path.exists(name)


def test_nothing_is_undone_without_an_engine(php):
    """--no-discard is engine none: the rest of the script runs again, on what the request before left."""
    output = php("$n = 0; class C { static $n = 0; } lwc_snapshot(); $n++; C::$n++; echo $n, C::$n, $_GET['q'];"
                 " if ($_GET['q'] == 'exit') exit; header('X-N: 1');",
                 "prepare", 'get ["QUERY_STRING=q=a"]', 'get ["QUERY_STRING=q=exit"]', 'get ["QUERY_STRING=q=b"]',
                 options=["--no-discard"])
    assert bodies(output) == ["11a", "22exit", "33b"]


def test_path_info_and_missing_scripts(php):
    output = php("echo $_SERVER['PHP_SELF'], ' ', $_SERVER['PATH_INFO'] ?? '-';",
                 'get ["PATH_INFO=/x/y"]', 'get ["SCRIPT_FILENAME=/nonexistent/a.php"]', 'get ["SCRIPT_FILENAME=/etc/passwd"]')
    assert bodies(output) == ["/script.php/x/y /x/y", "File not found.", "Access denied."]
    assert re.findall(r"^Status: (\d+)", output, re.M) == ["404", "403"]
