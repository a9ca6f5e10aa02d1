# SPDX-License-Identifier: Apache-2.0
"""Clients that send half a request, garbage or a flood. php-fpm alike."""

import contextlib
import random
import socket
import struct
import time

import pytest

from harness import Workspace
from harness.fastcgi import (PARAMS, STDIN, VERSION, Connection, ConnectionClosed, ProtocolError, begin_record,
                             params_records, record, stdin_records)

from .conftest import KINDS
from .footprint import assert_unchanged, private, settled
from .rounds import ROUNDS, everyday_state, many
from .served import LONGER_THAN_A_STALL, Served


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def served(request):
    with Workspace() as space:
        yield Served(space, private(request.param)).start(children=2)


FLOOD = 300  # connections


def whole_request(served, script):
    params = served.params(script, method="POST", body_length=5000, content_type="text/x")
    return begin_record() + params_records(params) + stdin_records(b"x" * 5000)


def send_and_leave(served, data):
    with Connection(served.address) as connection, contextlib.suppress(OSError):
        connection.send(data)


def send_and_read(served, data):
    """Sends, says that no more will come, and reads what there is to read."""
    with Connection(served.address) as connection, contextlib.suppress(OSError, ConnectionClosed, ProtocolError):
        connection.send(data)
        connection.socket.shutdown(socket.SHUT_WR)
        connection.read_response()


def rounds_leave_nothing(served, bad):
    """`bad(script, chance)` again and again between good requests; `chance` is a random generator."""
    good = served.script("echo 'good', strlen(file_get_contents('php://input'));")
    many(lambda number: bad(good, random.Random(-number)), rounds=10)
    everyday_state(served, good, workers=2)
    before = settled(served)

    def one_round(number):
        bad(good, random.Random(number))
        if number % 20 == 0:
            assert served.get(good, body=b"123", content_type="text/x").text == "good3"

    many(one_round)
    everyday_state(served, good, workers=2)
    assert_unchanged(served, before)


@pytest.mark.parametrize("how", [send_and_leave, send_and_read])
def test_half_a_request(served, how):
    def bad(script, chance):
        data = whole_request(served, script)
        how(served, data[:chance.randrange(len(data))])

    rounds_leave_nothing(served, bad)


def test_answer_that_nobody_reads(served):
    rounds_leave_nothing(served, lambda script, _: send_and_leave(served, whole_request(served, script)))


@pytest.mark.parametrize("how", [send_and_leave, send_and_read])
def test_garbage(served, how):
    rounds_leave_nothing(served, lambda _, chance: how(served, chance.randbytes(chance.randrange(1, 20_000))))


def test_damaged_request(served):
    def bad(script, chance):
        data = bytearray(whole_request(served, script))
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(min(len(data), 1200))] = chance.randrange(256)
        send_and_read(served, bytes(data))

    rounds_leave_nothing(served, bad)


BAD_STREAMS = {
    "lengths that lie": begin_record() + record(PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xffab") + record(PARAMS, b""),
    "a name without value": begin_record() + record(PARAMS, b"\x04\x04name") + record(PARAMS, b""),
    "no parameters": begin_record() + record(PARAMS, b"") + record(STDIN, b""),
    "body before parameters": begin_record() + record(STDIN, b"x") + record(PARAMS, b"") + record(STDIN, b""),
    "no begin": record(PARAMS, b"\x01\x01ab") + record(PARAMS, b"") + record(STDIN, b""),
    "two begins": begin_record() + begin_record(2) + record(PARAMS, b"") + record(STDIN, b""),
    "another role": begin_record(role=3) + record(PARAMS, b"") + record(STDIN, b""),
    "another version": struct.pack(">BBHHBx", VERSION + 7, 1, 1, 8, 0) + bytes(8),
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "end of file at once": b"",
    "nul bytes": bytes(70_000),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
def test_bad_stream(served, name):
    rounds_leave_nothing(served, lambda *_: send_and_read(served, BAD_STREAMS[name]))


@pytest.mark.parametrize("before", ["echo 'well';", "posix_kill(getmypid(), SIGSEGV);"], ids=["after a good request", "after a crash"])
def test_head_without_end(lwc, before):
    """Byte by byte it would keep a worker for hours: it has the time that a request has. The master ended whoever had served the
    request before instead, over and over, a process that might be anybody's by now; or, after a good one, nobody."""
    lwc.start(children=1, settings={"request_terminate_timeout": str(LONGER_THAN_A_STALL)})
    lwc.get(before)
    with lwc.connect() as connection, contextlib.suppress(OSError):
        connection.send(begin_record() + struct.pack(">BBHHBx", VERSION, PARAMS, 1, 60_000, 0))
        for _ in range(3000):
            connection.send(b"x")
            time.sleep(0.03)
        pytest.fail("still there after fifteen times its time")
    assert lwc.get("echo 'next';").text == "next"
    assert lwc.daemon.log().count("execution timed out, killing") <= 1, lwc.daemon.log()


def test_flood(served):
    """More connections than workers and backlog want, all silent or half, while good requests wait in line."""
    good = served.script("echo 'good';")
    half = whole_request(served, good)[:700]
    everyday_state(served, good, workers=2)
    before = settled(served)
    for _ in range(max(1, ROUNDS // FLOOD)):
        with contextlib.ExitStack() as stack:
            flood = []
            for number in range(FLOOD):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.settimeout(0.2)
                try:
                    sock.connect(served.address)
                    flood.append(sock)
                    if number % 2:
                        sock.sendall(half)
                except OSError:
                    break  # the backlog is full
            assert len(flood) > 50
        for _ in range(20):
            assert served.get(good).text == "good"
    everyday_state(served, good, workers=2)
    assert_unchanged(served, before)
