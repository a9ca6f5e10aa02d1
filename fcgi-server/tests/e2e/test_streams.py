# SPDX-License-Identifier: Apache-2.0
"""How bytes travel: connections, streaming, large bodies, clients that leave. On php-fpm and lwc-fpm."""

import concurrent.futures
import re
import socket
from pathlib import Path

import pytest

from harness import unused_port
from harness.fastcgi import (ABORT_REQUEST, END_REQUEST, GET_VALUES, GET_VALUES_RESULT, PARAMS, STDIN, STDOUT, UNKNOWN_TYPE,
                             begin_record, decode_params, encode_params, params_records, record, stdin_records)
from harness.processes import wait_until

from .served import PATIENCE

GIGABYTE = 1 << 30
# More than a worker with all of Debian's extensions needs, far less than a body that is held in memory.
MEMORY_LIMIT_KB = 120 << 10


def peak_memory_kb(pid):
    try:
        return int(re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
    except (OSError, TypeError):
        return 0  # gone, or a zombie


def test_keep_alive(served):
    script = served.script("echo $_GET['n'], file_get_contents('php://input');")
    with served.connect() as connection:
        for n in range(20):
            body = b"x" * n
            connection.send_request(served.params(script, query=f"n={n}", method="POST", body_length=n), body, keep=True)
            assert connection.read_response().text == f"{n}{'x' * n}"
        connection.send_request(served.params(script, query="n=last"), keep=False)
        assert connection.read_response().text == "last"
        assert connection.closed_by_peer()


def test_keep_alive_through_errors(served):
    good = served.script("echo 'good';")
    scripts = [(good, 200), ("/nowhere.php", 404), (served.script("nowhere();"), 500), (good, 200),
               (served.script("exit(3);"), 200), (good, 200)]
    with served.connect() as connection:
        for script, status in scripts:
            connection.send_request(served.params(script), keep=True)
            assert connection.read_response().status == status


def test_keep_alive_and_a_body_that_nobody_read(served):
    """What is left of one request's body must not be taken for the next request."""
    script = served.script("echo 'ok';", "unread.php")
    missing = "/nowhere.php"
    body = b"x" * 1_000_000
    with served.connect() as connection:
        for path, status in [(script, 200), (missing, 404), (script, 200)]:
            connection.send_request(served.params(path, method="POST", body_length=len(body), content_type="text/x"),
                                    body, keep=True)
            assert connection.read_response().status == status


def test_idle_connection_is_not_held_against_others(fresh):
    """As many idle keep-alive connections as workers less one: the service goes on."""
    fresh.start(children=2)
    script = fresh.script("echo 'ok';")
    with fresh.connect() as idle:
        idle.send_request(fresh.params(script), keep=True)
        assert idle.read_response().text == "ok"
        for _ in range(5):
            assert fresh.get(script).text == "ok"
        idle.send_request(fresh.params(script), keep=True)
        assert idle.read_response().text == "ok"


def test_request_id_is_kept(served):
    script = served.script("echo 'ok';")
    with served.connect() as connection:
        connection.send_request(served.params(script), request_id=4711)
        assert connection.read_response(4711).text == "ok"


def _long_params(served):
    script = served.script("echo $_SERVER['HTTP_X_LONG'], file_get_contents('php://input');")
    return served.params(script, method="POST", body_length=1000, content_type="text/x", HTTP_X_LONG="y" * 500)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_request_cut_into_small_records(served, size):
    """A record for each parameter, and a small one for each part of the body."""
    each = b"".join(record(PARAMS, encode_params({name: value})) for name, value in _long_params(served).items())
    with served.connect() as connection:
        connection.send(begin_record(), each, record(PARAMS, b""), stdin_records(b"z" * 1000, size=size))
        assert connection.read_response().text == "y" * 500 + "z" * 1000


@pytest.mark.parametrize("size", [1, 7, 100])
def test_parameters_cut_anywhere(lwc, size):
    """The specification allows it; php-fpm wants every name and value whole in one record."""
    lwc.start()
    with lwc.connect() as connection:
        connection.send_request(_long_params(lwc), b"z" * 1000, record_size=size)
        assert connection.read_response().text == "y" * 500 + "z" * 1000


def test_request_that_comes_byte_by_byte(served):
    script = served.script("echo 'ok', file_get_contents('php://input');")
    stream = begin_record() + params_records(served.params(script, method="POST", body_length=3)) + stdin_records(b"abc")
    with served.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for i in range(len(stream)):
            connection.send(stream[i:i + 1])
        assert connection.read_response().text == "okabc"


def test_padding(served):
    script = served.script("echo file_get_contents('php://input');")
    params = encode_params(served.params(script, method="POST", body_length=6))
    with served.connect() as connection:
        connection.send(begin_record(), record(PARAMS, params, padding=5), record(PARAMS, b""),
                        record(STDIN, b"abc", padding=7), record(STDIN, b"def", padding=255), record(STDIN, b""))
        assert connection.read_response().text == "abcdef"


def test_large_parameters(served):
    """Larger than one record and than any buffer on the way."""
    script = served.script("echo strlen($_SERVER['HTTP_X_LARGE']), md5($_SERVER['HTTP_X_LARGE']), count($_SERVER);")
    many = {f"HTTP_X_{i}": str(i) for i in range(1000)}
    answer = served.get(script, HTTP_X_LARGE="x" * 40_000, **many)
    assert answer.text.startswith("40000")
    assert int(answer.text[5 + 32:]) > 1000


def test_management_record(served):
    with served.connect() as connection:
        names = {"FCGI_MAX_CONNS": "", "FCGI_MAX_REQS": "", "FCGI_MPXS_CONNS": ""}
        connection.send(record(GET_VALUES, encode_params(names), request_id=0))
        answer = connection.read_record()
        assert answer.kind == GET_VALUES_RESULT
        assert decode_params(answer.content)["FCGI_MPXS_CONNS"] == "0"
    assert served.get("echo 'ok';").text == "ok"


def test_aborted_before_it_was_complete(served):
    with served.connect() as connection:
        connection.send(begin_record(), record(ABORT_REQUEST, b""))
    assert served.get("echo 'ok';").text == "ok"


@pytest.mark.parametrize("flush", ["flush();", "ob_flush(); flush();"])
def test_flushed_output_is_seen_at_once(served, flush):
    """The script goes on only after the client has seen the first part."""
    served.file("seen").unlink(missing_ok=True)
    script = served.script(f"""
        if (ob_get_level() && !str_contains('{flush}', 'ob')) ob_end_flush();
        echo 'first'; {flush}
        while (!file_exists(ini_get('sys_temp_dir') . '/seen')) usleep(1000);
        echo 'second';
        """)
    with served.connect() as connection:
        connection.send_request(served.params(script))
        first = connection.read_record()
        assert first.kind == STDOUT and first.content.endswith(b"first")
        served.file("seen").write_text("1")
        assert connection.read_response().stdout == b"second"


def test_flushed_output_is_chunked_by_nginx(served):
    script = served.script("header('X-Accel-Buffering: no'); foreach (range(1, 5) as $n) { echo str_repeat($n, 9000);"
                           " ob_flush(); flush(); }")
    answer = served.http.get(served.url(script))
    assert answer.header("Transfer-Encoding") == "chunked"
    assert answer.text == "".join(str(n) * 9000 for n in range(1, 6))


def test_finish_request(served):
    """The client has its answer and the end of the request while the script goes on."""
    script = served.script("""
        echo 'answer'; fastcgi_finish_request(); echo 'never seen';
        while (!file_exists(ini_get('sys_temp_dir') . '/answered')) usleep(1000);
        file_put_contents(ini_get('sys_temp_dir') . '/afterwards', connection_status());
        """)
    assert served.get(script).text == "answer"
    served.file("answered").write_text("1")
    assert served.wait_for_file("afterwards") == "0"
    assert served.get("echo 'ok';").text == "ok"


def test_client_that_leaves_ends_the_script(served):
    script = served.script("""
        register_shutdown_function(fn () => file_put_contents(ini_get('sys_temp_dir') . '/left',
            'status ' . connection_status()));
        while (true) { echo str_repeat('x', 1000); ob_flush(); flush(); }
        """)
    with served.connect() as connection:
        connection.send_request(served.params(script))
        assert connection.read_record().kind == STDOUT
        connection.abort()
    assert served.wait_for_file("left") == "status 1"
    assert served.get("echo 'ok';").text == "ok"


def test_script_that_ignores_that_its_client_left(served):
    script = served.script("""
        ignore_user_abort(true); echo 'x'; ob_flush(); flush();
        while (!connection_aborted()) { echo 'x'; ob_flush(); flush(); }
        file_put_contents(ini_get('sys_temp_dir') . '/stayed', 'to the end');
        """)
    with served.connect() as connection:
        connection.send_request(served.params(script))
        assert connection.read_record().kind == STDOUT
        connection.abort()
    assert served.wait_for_file("stayed") == "to the end"


def test_large_body_to_the_script(fresh):
    fresh.start(children=1, ini={"post_max_size": "0"})
    script = fresh.script("""
        $size = 0;
        $input = fopen('php://input', 'r');
        while (($part = fread($input, 1 << 16)) != '') $size += strlen($part);
        echo $size, ' ', preg_match('/VmHWM:\\s*(\\d+)/', file_get_contents('/proc/self/status'), $m) ? $m[1] : '';
        """)
    part = bytes(65528)
    parts = (part for _ in range(GIGABYTE // len(part)))
    size = GIGABYTE // len(part) * len(part)
    params = fresh.params(script, method="POST", body_length=size, content_type="application/octet-stream")
    with fresh.connect(timeout=300) as connection:
        connection.send_request(params, parts)
        received, peak = map(int, connection.read_response().text.split())
    assert received == size
    assert peak < MEMORY_LIMIT_KB
    assert all(peak_memory_kb(pid) < MEMORY_LIMIT_KB for pid in fresh.processes())
    assert wait_until(lambda: not list(fresh.data.glob("php*")), PATIENCE)


def test_large_body_from_the_script(fresh):
    fresh.start(children=1)
    script = fresh.script("$part = str_repeat('x', 1 << 20); for ($i = 0; $i < 1024; $i++) echo $part;")
    received = 0
    with fresh.connect(timeout=300) as connection:
        connection.send_request(fresh.params(script))
        for item in connection.records():
            received += len(item.content) if item.kind == STDOUT else 0
        assert item.kind == END_REQUEST
    assert GIGABYTE < received < GIGABYTE + 1000
    assert all(peak_memory_kb(pid) < MEMORY_LIMIT_KB for pid in fresh.processes())


def test_both_directions_at_once(served):
    """The answer starts before the body is complete: neither side may wait for the other for ever."""
    script = served.script("echo str_repeat('y', 1 << 20); echo strlen(file_get_contents('php://input'));")
    body = b"x" * (1 << 20)
    answer = served.get(script, body=body, content_type="text/x")
    assert answer.text == "y" * (1 << 20) + str(len(body))


def test_many_clients_each_get_their_own_answer(served):
    script = served.script("usleep(random_int(0, 2000)); echo $_GET['n'], ':', md5($_GET['n']), ':',"
                           " file_get_contents('php://input');")

    def ask(n):
        return served.get(script, query=f"n={n}", body=b"%d" % n, content_type="text/x").text.split(":")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(400)))
    assert [int(first) for first, _, _ in answers] == list(range(400))
    assert [int(last) for _, _, last in answers] == list(range(400))


def test_tcp(fresh):
    fresh.start(listen=f"127.0.0.1:{unused_port()}")
    script = fresh.script("echo 'ok', file_get_contents('php://input');")
    with fresh.connect() as connection:
        for _ in range(3):
            connection.send_request(fresh.params(script, method="POST", body_length=2), b"ab", keep=True)
            assert connection.read_response().text == "okab"
    assert fresh.http.get(fresh.url(script)).text == "ok"


def test_mode_and_owner_of_the_socket(fresh):
    fresh.start(settings={"listen.mode": "0620", "listen.owner": "nobody", "listen.group": "www-data"})
    stat = Path(fresh.daemon.socket).stat()
    assert (stat.st_mode & 0o777, stat.st_uid) == (0o620, 65534)


def test_unknown_management_record(served):
    """The specification wants FCGI_UNKNOWN_TYPE; php-fpm closes the connection. Either is an answer."""
    with served.connect() as connection:
        connection.send(record(99, b"", request_id=0))
        answer = connection.read_record()
        assert answer is None or answer.kind == UNKNOWN_TYPE
    assert served.get("echo 'ok';").text == "ok"
