# SPDX-License-Identifier: Apache-2.0
"""What a request sees and what its client gets: the same test bodies on php-fpm and lwc-fpm."""

import base64
import hashlib
import json
import os
import threading

import pytest

from harness.fastcgi import begin_record, params_records, stdin_records
from harness.processes import wait_until

from .served import PATIENCE


def test_get(served):
    answer = served.get("echo json_encode([$_GET, $_POST, $_SERVER['REQUEST_METHOD'], PHP_SAPI]);", query="a=1&b[]=2")
    assert answer.status == 200
    assert json.loads(answer.text) == [{"a": "1", "b": ["2"]}, [], "GET", "fpm-fcgi"]
    assert answer.header("Content-type") == "text/html; charset=UTF-8"
    assert (answer.app_status, answer.protocol_status, answer.stderr) == (0, 0, b"")


def test_post_form(served):
    answer = served.get("echo json_encode([$_POST, file_get_contents('php://input')]);", body=b"a=1&b=%20x",
                        content_type="application/x-www-form-urlencoded")
    assert json.loads(answer.text) == [{"a": "1", "b": " x"}, "a=1&b=%20x"]


def test_post_of_another_type(served):
    answer = served.get("echo json_encode([$_POST, json_decode(file_get_contents('php://input'))]);",
                        body=b'{"a": [1]}', content_type="application/json")
    assert json.loads(answer.text) == [[], {"a": [1]}]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "X-OWN"])
def test_other_methods(served, method):
    answer = served.get("echo $_SERVER['REQUEST_METHOD'], file_get_contents('php://input');", method=method,
                        body=b"body")
    assert answer.text == f"{method}body"


def test_body_that_the_script_does_not_read(served):
    script = served.script("echo 'ok';")
    for _ in range(3):
        assert served.get(script, body=b"x" * 300_000, content_type="text/plain").text == "ok"


def test_post_larger_than_post_max_size(served):
    answer = served.get("echo json_encode($_POST);", body=b"a=" + b"x" * (9 << 20),
                        content_type="application/x-www-form-urlencoded")
    assert answer.text.endswith("[]")
    assert b"POST Content-Length of" in answer.stderr


def _multipart(*parts):
    body = b"".join(b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + data + b"\r\n"
                    for head, data in parts)
    return {"body": body + b"--b--\r\n", "content_type": "multipart/form-data; boundary=b"}


def test_upload(served):
    form = _multipart((b'name="field"', b"value"), (b'name="f"; filename="a.txt"', b"content " * 1000),
                      (b'name="f2[]"; filename="../b.bin"\r\nContent-Type: image/x', bytes(range(256))))
    answer = served.get("""
        move_uploaded_file($_FILES['f']['tmp_name'], $to = ini_get('sys_temp_dir') . '/moved');
        echo json_encode([$_POST, $_FILES['f']['size'], md5_file($to), $_FILES['f2']['name'], $_FILES['f2']['type'],
            is_uploaded_file($_FILES['f2']['tmp_name'][0]), filesize($_FILES['f2']['tmp_name'][0])]);
        """, **form)
    digest = hashlib.md5(b"content " * 1000).hexdigest()
    assert json.loads(answer.text) == [{"field": "value"}, 8000, digest, ["b.bin"], ["image/x"], True, 256]
    assert wait_until(lambda: not list(served.data.glob("php*")), PATIENCE)


def test_upload_that_is_too_large_is_reported_to_the_script(served):
    form = _multipart((b'name="f"; filename="a"', b"x" * (3 << 20)))
    assert served.get("echo $_FILES['f']['error'] === UPLOAD_ERR_INI_SIZE ? 'told' : 'no';", **form).text == "told"
    assert wait_until(lambda: not list(served.data.glob("php*")), PATIENCE)


def test_head(served):
    script = served.script("header('X-Sent: 1'); echo 'body';")
    assert served.http.get(served.url(script)).body == b"body"
    answer = served.http.head(served.url(script))
    assert (answer.status, answer.header("X-Sent"), answer.body) == (200, "1", b"")
    assert served.get(script, method="HEAD").body == b""


def test_redirects(served):
    answer = served.get("header('Location: /elsewhere?x=1');")
    assert (answer.status, answer.header("Location")) == (302, "/elsewhere?x=1")
    assert served.get("header('Location: /a', true, 308);").status == 308
    assert served.get("http_response_code(201); header('Location: /a');").status == 201


@pytest.mark.parametrize("code, status", [
    ("http_response_code(204);", "204 No Content"),
    ("header('HTTP/1.1 404 Not Found');", "404 Not Found"),
    ("header('Status: 418 A teapot');", "418 A teapot"),
    ("http_response_code(503); echo 'later';", "503 Service Unavailable"),
    ("nowhere();", "500 Internal Server Error"),
    ("throw new Exception('x');", "500 Internal Server Error"),
    ("echo 'sent'; nowhere();", "500 Internal Server Error"),
    ("echo 'sent'; flush(); ob_flush(); flush(); nowhere();", None),
])
def test_status_codes(served, code, status):
    assert served.get(code).header("Status") == status


def test_cookies(served):
    answer = served.get("""
        setcookie('plain', 'a b'); setcookie('full', 'v', ['path' => '/x', 'secure' => true, 'samesite' => 'Lax']);
        echo json_encode($_COOKIE);
        """, HTTP_COOKIE="one=1; two=a%20b")
    assert json.loads(answer.text) == {"one": "1", "two": "a b"}
    assert answer.headers("Set-Cookie") == ["plain=a%20b", "full=v; path=/x; secure; SameSite=Lax"]


def test_session(served):
    script = served.script("session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'];")
    first = served.get(script)
    cookie = first.header("Set-Cookie").split(";")[0]
    counts = [served.get(script, HTTP_COOKIE=cookie).text for _ in range(5)]
    assert [first.text, *counts] == ["1", "2", "3", "4", "5", "6"]
    assert served.get(script).text == "1"


def test_session_ids_are_not_repeated(served):
    script = served.script("session_start(); echo session_id();")
    assert len({served.get(script).text for _ in range(20)}) == 20


def test_path_info(served):
    script = served.script("echo json_encode([$_SERVER['PATH_INFO'] ?? null, $_SERVER['SCRIPT_NAME'],"
                           " $_SERVER['PHP_SELF'], $_SERVER['SCRIPT_FILENAME'], __FILE__]);", "info.php")
    assert json.loads(served.get(script, path_info="/a/b").text) == \
        [None, "/info.php/a/b", "/info.php/a/b", script, script]
    assert json.loads(served.http.get("/info.php/x%20y?q=1").text) == \
        ["/x y", "/info.php", "/info.php/x y", script, script]
    assert json.loads(served.http.get("/info.php").text)[0] in (None, "")


def test_basic_auth(served):
    token = base64.b64encode(b"user:p:w").decode()
    answer = served.get("echo json_encode([$_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'], $_SERVER['AUTH_TYPE'] ??"
                        " null]);", HTTP_AUTHORIZATION=f"Basic {token}")
    assert json.loads(answer.text)[:2] == ["user", "p:w"]


def test_digest_auth(served):
    answer = served.get("echo $_SERVER['PHP_AUTH_DIGEST'];", HTTP_AUTHORIZATION='Digest username="u", realm="r"')
    assert answer.text == 'username="u", realm="r"'


@pytest.mark.parametrize("function", ["getallheaders", "apache_request_headers"])
def test_request_headers(served, function):
    answer = served.get(f"echo json_encode({function}());", HTTP_X_OWN_HEADER="1", HTTP_ACCEPT="*/*", body=b"12",
                        content_type="text/x")
    headers = json.loads(answer.text)
    assert {"X-Own-Header": "1", "Accept": "*/*", "Content-Type": "text/x", "Content-Length": "2"}.items() \
        <= headers.items()


def test_response_headers(served):
    answer = served.get("header('X-A: 1'); header('X-A: 2', false); header('X-B: gone'); header_remove('X-B');"
                        "echo json_encode(headers_list());")
    assert answer.headers("X-A") == ["1", "2"]
    assert answer.header("X-B") is None


def test_parameter_sent_twice(served):
    """The last one counts: nginx sends both when an included file sets it and the location sets it again."""
    script = served.script("echo basename($_SERVER['SCRIPT_FILENAME']), ' ', $_SERVER['MY_OWN'], ' ', $_GET['q'] ?? '-';")
    params = [*served.params(served.script("echo 'another script';")).items(), ("MY_OWN", "first"),
              ("SCRIPT_FILENAME", script), ("QUERY_STRING", "q=1"), ("MY_OWN", "second")]
    with served.connect() as connection:
        connection.send_request(params)
        assert connection.read_response().text == f"{script.rsplit('/', 1)[1]} second 1"


def test_user_ini(served):
    served.script("user_agent = from-user-ini\nmemory_limit = 77M", "own/.user.ini")
    code = "echo ini_get('user_agent'), ' ', ini_get('memory_limit');"
    inside, outside = served.script(code, "own/a.php"), served.script(code, "other/a.php")
    for _ in range(2):
        assert served.get(inside).text == "from-user-ini 77M"
        assert served.get(outside).text == " 128M"


def test_user_ini_that_comes_later_and_goes(fresh):
    """That there is one, or none, is believed for a while only."""
    fresh.start(1, ini={"user_ini.cache_ttl": "0"})
    script = fresh.script("echo ini_get('user_agent');", "own/a.php")
    assert fresh.get(script).text == ""
    fresh.script("user_agent = later", "own/.user.ini")
    assert wait_until(lambda: fresh.get(script).text == "later", PATIENCE)
    os.unlink(fresh.root / "own/.user.ini")
    assert wait_until(lambda: fresh.get(script).text == "", PATIENCE)


def test_user_ini_of_a_script_that_apache_names_elsewhere(served):
    """With an Action, SCRIPT_FILENAME is a program, and the script is PATH_TRANSLATED: its directory counts."""
    served.script("user_agent = beside-the-script", "action/.user.ini")
    script = served.script("echo ini_get('user_agent');", "action/a.php")
    program = served.script("echo 'not this one';", "program.php")
    for _ in range(2):
        answer = served.get(program, PATH_TRANSLATED=script, REDIRECT_URL="/action/a.php")
        assert answer.text == "beside-the-script"


def test_script_that_is_deleted(fresh):
    """Its path is believed in for a while only, where php-fpm goes on to fail at opening it."""
    fresh.start(1, ini={"opcache.revalidate_freq": "0"})
    script = fresh.script("echo 'here';")
    assert fresh.get(script).text == "here"
    os.unlink(script)
    expected = (404, "File not found.\n") if fresh.is_ours else (500, "")

    def as_expected():
        answer = fresh.get(script)
        return (answer.status, answer.text) == expected

    assert wait_until(as_expected, PATIENCE)


def test_php_value(fresh):
    """On a daemon of its own: php-fpm keeps such a value for the worker's life (docs/leak-matrix.md)."""
    fresh.start(children=1)
    script = fresh.script("echo ini_get('user_agent'), ini_set('user_agent', 'own') === false ? ' fixed' : ' free',"
                          " ' ', ini_get('precision');")
    assert fresh.get(script, PHP_VALUE="user_agent=a\nprecision=5").text == "a free 5"
    assert fresh.get(script, PHP_ADMIN_VALUE="user_agent=b").text.startswith("b fixed")


def test_settings_of_the_pool(fresh):
    fresh.start(settings={"php_value[user_agent]": "pool", "php_admin_value[from]": "fixed",
                          "php_flag[display_errors]": "on", "php_admin_flag[log_errors]": "off", "env[OWN]": "value",
                          "php_admin_value[disable_functions]": "strrev"})
    answer = fresh.get("""
        echo json_encode([ini_get('user_agent'), ini_set('user_agent', 'x'), ini_set('from', 'x'),
            ini_get('display_errors'), ini_get('log_errors'), getenv('OWN'), getenv('PATH'),
            function_exists('strrev')]);
        """)
    assert json.loads(answer.text) == ["pool", "pool", False, "1", "0", "value", False, False]


def test_error_log_goes_to_the_web_server(served):
    answer = served.get("error_log('a line for the log'); echo 'ok';")
    assert answer.text == "ok"
    assert answer.stderr.rstrip() == b"PHP message: a line for the log"


def test_warning_goes_to_the_web_server(served):
    answer = served.get("echo $undefined; echo 'ok';")
    assert b"PHP Warning:  Undefined variable $undefined in " in answer.stderr
    assert answer.text == "ok"


def test_missing_script(served):
    answer = served.get("/nowhere/at/all.php")
    assert (answer.status, answer.body) == (404, b"File not found.\n")
    assert answer.stderr.rstrip() == b"Primary script unknown"


def test_extension_that_is_not_allowed(served):
    answer = served.get(served.script("<?php echo 'run';", "page.html"))
    assert (answer.status, answer.body) == (403, b"Access denied.\n")
    assert b"has been denied (see security.limit_extensions)" in answer.stderr


def test_extension_that_is_allowed(fresh):
    fresh.start(settings={"security.limit_extensions": ".php .html"})
    assert fresh.get(fresh.script("<?php echo 'run';", "page.html")).text == "run"
    assert fresh.get(fresh.script("<?php echo 'run';", "page.php7")).status == 403


def test_directory_instead_of_a_script(served):
    answer = served.get(str(served.root))
    assert (answer.status, answer.body) == (403, b"Access denied.\n")
    served.root.joinpath("directory.php").mkdir()
    answer = served.get(str(served.root / "directory.php"))
    assert (answer.status, answer.body) == (404, b"No input file specified.\n")


def test_script_that_the_pool_may_not_read(served):
    script = served.script("echo 'secret';")
    served.root.joinpath(script).chmod(0)
    answer = served.get(script)
    assert b"secret" not in answer.body
    assert answer.status in (403, 404)


def test_unix_user_of_the_pool(served):
    answer = served.get("echo posix_getpwuid(posix_geteuid())['name'], posix_getuid() === posix_geteuid();")
    assert answer.text == "www-data1"


def test_opcache_is_on_and_shared_between_workers(served):
    """Two workers at once: while one still runs the script, the other sees that it is cached."""
    compiled = served.script("""
        file_put_contents(ini_get('sys_temp_dir') . '/running', getmypid());
        while (!file_exists(ini_get('sys_temp_dir') . '/release')) usleep(1000);
        echo getmypid();
        """)
    ask = served.script(f"echo json_encode([opcache_is_script_cached({compiled!r}), getmypid(),"
                        " opcache_get_status(false)['opcache_enabled']]);")
    with served.connect() as first:
        first.send_request(served.params(compiled))
        running = int(served.wait_for_file("running"))
        cached, other, enabled = json.loads(served.get(ask).text)
        served.file("release").write_text("1")
        assert int(first.read_response().text) == running
    assert other != running
    assert (cached, enabled) == (True, True)


def test_opcache_notices_a_changed_script(fresh):
    fresh.start(ini={"opcache.revalidate_freq": "0"})
    script = fresh.script("echo 'old';")
    assert fresh.get(script).text == "old"
    fresh.replace(script, "<?php echo 'new and longer';")
    assert fresh.get(script).text == "new and longer"


@pytest.mark.parametrize("body", [b"", b"x" * 20, b"y" * 100_000], ids=len)
@pytest.mark.parametrize("record_size", [65_535, 1_000])
def test_requests_sent_before_the_answer(served, body, record_size):
    """A client that keeps the connection need not wait for an answer before it sends the next request."""
    script = served.script("echo $_GET['n'], ':', md5(file_get_contents('php://input'));")
    unread = served.script("echo $_GET['n'], ':unread';")
    stream, expected = b"", []
    for number in range(8):
        path, answer = (script, hashlib.md5(body).hexdigest()) if number % 3 else (unread, "unread")
        params = served.params(path, method="POST", body_length=len(body), query=f"n={number}",
                               content_type="application/octet-stream")
        stream += begin_record(number + 1, True) + params_records(params, number + 1, record_size) \
            + stdin_records(body, number + 1, record_size)
        expected.append(f"{number}:{answer}")
    with served.connect(timeout=PATIENCE) as connection:
        sender = threading.Thread(target=connection.send, args=(stream,))
        sender.start()
        assert [connection.read_response(number + 1).text for number in range(8)] == expected
        sender.join()
