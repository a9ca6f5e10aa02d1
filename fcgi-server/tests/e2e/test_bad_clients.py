# SPDX-License-Identifier: Apache-2.0
"""Clients that send half a request, garbage or a flood. Same rounds as in test_faults.py, php-fpm alike."""

import contextlib
import os
import random
import socket
import struct

import pytest

from harness import Workspace
from harness.fastcgi import (PARAMS, STDIN, VERSION, Connection, ConnectionClosed, ProtocolError, begin_record,
                             params_records, record, stdin_records)

from .conftest import KINDS
from .footprint import assert_unchanged, private, settled
from .served import Served

ROUNDS = int(os.environ.get("LWC_FAULT_ROUNDS", "200"))


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def served(request):
    with Workspace() as space:
        yield Served(space, private(request.param)).start(children=2)


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


def rounds_leave_nothing(served, one_round):
    """`one_round` again and again between good requests."""
    good = served.script("echo 'good', strlen(file_get_contents('php://input'));")
    for _ in range(10):
        one_round(good)
    assert served.get(good).text == "good0"
    before = settled(served)
    for number in range(ROUNDS):
        one_round(good)
        if number % 20 == 0:
            assert served.get(good, body=b"123", content_type="text/x").text == "good3"
    for _ in range(4):
        assert served.get(good).text == "good0"
    assert_unchanged(served, before)


@pytest.mark.parametrize("how", [send_and_leave, send_and_read])
def test_half_a_request(served, how):
    chance = random.Random(1)

    def one_round(script):
        data = whole_request(served, script)
        how(served, data[:chance.randrange(len(data))])

    rounds_leave_nothing(served, one_round)


def test_answer_that_nobody_reads(served):
    rounds_leave_nothing(served, lambda script: send_and_leave(served, whole_request(served, script)))


@pytest.mark.parametrize("how", [send_and_leave, send_and_read])
def test_garbage(served, how):
    chance = random.Random(2)
    rounds_leave_nothing(served, lambda _: how(served, chance.randbytes(chance.randrange(1, 20_000))))


def test_damaged_request(served):
    chance = random.Random(3)

    def one_round(script):
        data = bytearray(whole_request(served, script))
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(min(len(data), 1200))] = chance.randrange(256)
        send_and_read(served, bytes(data))

    rounds_leave_nothing(served, one_round)


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
    rounds_leave_nothing(served, lambda _: send_and_read(served, BAD_STREAMS[name]))


def test_flood(served):
    """More connections than workers and backlog want, all silent or half, while good requests wait in line."""
    good = served.script("echo 'good';")
    half = whole_request(served, good)[:700]
    with contextlib.ExitStack() as stack:
        flood = []
        for number in range(300):
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
