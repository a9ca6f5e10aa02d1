# SPDX-License-Identifier: Apache-2.0
"""A FastCGI client that gives a test control over every record it sends and reads.

Most tests want `request()`.  Tests that break the protocol on purpose use `Connection` and build
the byte stream from `record()`, `begin_record()` and `params_records()`.
"""

from __future__ import annotations

import dataclasses
import socket
import struct
from typing import Iterable, Iterator

VERSION = 1
BEGIN_REQUEST = 1
ABORT_REQUEST = 2
END_REQUEST = 3
PARAMS = 4
STDIN = 5
STDOUT = 6
STDERR = 7
GET_VALUES = 9
GET_VALUES_RESULT = 10
UNKNOWN_TYPE = 11

RESPONDER = 1
KEEP_CONN = 1
MAX_CONTENT = 65535

# A server that never answers must fail the test, not hang the run.
DEFAULT_TIMEOUT = 30.0


class ProtocolError(Exception):
    """What came back is not FastCGI."""


class ConnectionClosed(Exception):
    """The server closed the connection before it ended the request."""

    def __init__(self, partial: "Response"):
        super().__init__(f"connection closed before END_REQUEST, got {partial.stdout[:200]!r}")
        self.partial = partial


def record(kind: int, content: bytes, request_id: int = 1, padding: int = 0) -> bytes:
    head = struct.pack(">BBHHBx", VERSION, kind, request_id, len(content), padding)
    return head + content + b"\0" * padding


def begin_record(request_id: int = 1, keep: bool = False, role: int = RESPONDER) -> bytes:
    body = struct.pack(">HB5x", role, KEEP_CONN if keep else 0)
    return record(BEGIN_REQUEST, body, request_id)


def _length(number: int) -> bytes:
    return bytes([number]) if number < 128 else struct.pack(">I", number | 0x80000000)


def encode_params(params: dict[str, str] | list[tuple[str, str]]) -> bytes:
    """As pairs, a name can be sent more than once."""
    out = bytearray()
    for name, value in params.items() if isinstance(params, dict) else params:
        key, val = name.encode(), value if isinstance(value, bytes) else str(value).encode()
        out += _length(len(key)) + _length(len(val)) + key + val
    return bytes(out)


def decode_params(data: bytes) -> dict[str, str]:
    result, at = {}, 0

    def take() -> int:
        nonlocal at
        if data[at] < 128:
            at += 1
            return data[at - 1]
        at += 4
        return struct.unpack(">I", data[at - 4:at])[0] & 0x7FFFFFFF

    while at < len(data):
        name_len, value_len = take(), take()
        result[data[at:at + name_len].decode()] = data[at + name_len:at + name_len + value_len].decode()
        at += name_len + value_len
    return result


def split_records(kind: int, data: bytes, request_id: int = 1, size: int = MAX_CONTENT) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield record(kind, data[start:start + size], request_id)


def params_records(params: dict[str, str], request_id: int = 1, size: int = MAX_CONTENT) -> bytes:
    stream = b"".join(split_records(PARAMS, encode_params(params), request_id, size))
    return stream + record(PARAMS, b"", request_id)


def stdin_records(body: bytes, request_id: int = 1, size: int = MAX_CONTENT) -> bytes:
    stream = b"".join(split_records(STDIN, body, request_id, size))
    return stream + record(STDIN, b"", request_id)


@dataclasses.dataclass
class Record:
    kind: int
    request_id: int
    content: bytes


@dataclasses.dataclass
class Response:
    """One whole answer.  `app_status` is None until END_REQUEST has been seen."""

    stdout: bytes = b""
    stderr: bytes = b""
    app_status: int | None = None
    protocol_status: int | None = None

    def _split(self) -> tuple[bytes, bytes]:
        for mark in (b"\r\n\r\n", b"\n\n"):
            head, found, body = self.stdout.partition(mark)
            if found:
                return head, body
        return b"", self.stdout

    @property
    def body(self) -> bytes:
        return self._split()[1]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def header_list(self) -> list[tuple[str, str]]:
        lines = self._split()[0].decode("latin-1").splitlines()
        pairs = (line.partition(":") for line in lines if line)
        return [(name.strip(), value.strip()) for name, _, value in pairs]

    def headers(self, name: str) -> list[str]:
        return [v for n, v in self.header_list if n.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        return next(iter(self.headers(name)), None)

    @property
    def status(self) -> int:
        line = self.header("Status")
        return int(line.split()[0]) if line else 200


class Connection:
    """One connection to the daemon; `address` is a Unix socket path or a (host, port) pair."""

    def __init__(self, address: str | tuple[str, int], timeout: float = DEFAULT_TIMEOUT):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._pending = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """Close so that the peer sees a reset where the socket family knows one."""
        if self.socket.family == socket.AF_INET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.socket.sendall(chunk)

    def send_request(self, params: dict[str, str], body: bytes | Iterable[bytes] = b"", *, keep: bool = False,
                     request_id: int = 1, record_size: int = MAX_CONTENT) -> None:
        head = begin_record(request_id, keep) + params_records(params, request_id, record_size)
        if isinstance(body, bytes):
            # In one piece, as web servers do: a request may end before it has read the end of its body.
            self.send(head + stdin_records(body, request_id, record_size))
            return
        self.send(head)
        for chunk in body:
            self.send(*split_records(STDIN, chunk, request_id, record_size))
        self.send(record(STDIN, b"", request_id))

    def _read(self, count: int) -> bytes | None:
        while len(self._pending) < count:
            data = self.socket.recv(max(65536, count - len(self._pending)))
            if not data:
                return None
            self._pending += data
        data, self._pending = self._pending[:count], self._pending[count:]
        return data

    def read_record(self) -> Record | None:
        """The next record, or None where the server closed the connection."""
        try:
            head = self._read(8)
            if head is None:
                return None
            version, kind, request_id, length, padding = struct.unpack(">BBHHBx", head)
            if version != VERSION:
                raise ProtocolError(f"version {version} in {head!r}")
            content = self._read(length + padding)
        except ConnectionResetError:
            return None
        return None if content is None else Record(kind, request_id, content[:length])

    def records(self, request_id: int = 1) -> Iterator[Record]:
        """Every record of one request, END_REQUEST included; stops early where the server closes."""
        while (item := self.read_record()) is not None:
            if item.request_id != request_id:
                raise ProtocolError(f"record for request {item.request_id}, expected {request_id}")
            yield item
            if item.kind == END_REQUEST:
                return

    def read_response(self, request_id: int = 1) -> Response:
        response = Response()
        out, err = bytearray(), bytearray()
        for item in self.records(request_id):
            if item.kind == STDOUT:
                out += item.content
            elif item.kind == STDERR:
                err += item.content
            elif item.kind == END_REQUEST:
                response.app_status, response.protocol_status = struct.unpack(">IB3x", item.content)
            else:
                raise ProtocolError(f"unexpected record type {item.kind}")
        response.stdout, response.stderr = bytes(out), bytes(err)
        if response.app_status is None:
            raise ConnectionClosed(response)
        return response

    def closed_by_peer(self) -> bool:
        """Whether the server has nothing more to say: waits for end of file."""
        try:
            return self._pending == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def script_params(script: str, *, method: str = "GET", query: str = "", uri: str | None = None, body_length: int = 0,
                  content_type: str = "", document_root: str = "", path_info: str | None = None,
                  **more: str) -> dict[str, str]:
    """What nginx's fastcgi.conf would send for `script`."""
    root = document_root or script.rsplit("/", 1)[0]
    name = script[len(root):] if script.startswith(root) else "/" + script.rsplit("/", 1)[1]
    if path_info is not None:
        name_uri, script = name + path_info, script + path_info
    else:
        name_uri = name
    params = {
        "SCRIPT_FILENAME": script,
        "QUERY_STRING": query,
        "REQUEST_METHOD": method,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(body_length) if body_length or method in ("POST", "PUT") else "",
        "SCRIPT_NAME": name_uri,
        "REQUEST_URI": uri if uri is not None else name_uri + (f"?{query}" if query else ""),
        "DOCUMENT_URI": name_uri,
        "DOCUMENT_ROOT": root,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_SCHEME": "http",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": "test",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "SERVER_ADDR": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_NAME": "localhost",
        "REDIRECT_STATUS": "200",
        "HTTP_HOST": "localhost",
    }
    params.update(more)
    return params


def request(address: str | tuple[str, int], script: str, *, body: bytes = b"", method: str | None = None,
            timeout: float = DEFAULT_TIMEOUT, **more: str) -> Response:
    """One request on a connection of its own."""
    method = method or ("POST" if body else "GET")
    params = script_params(script, method=method, body_length=len(body), **more)
    with Connection(address, timeout) as connection:
        connection.send_request(params, body)
        return connection.read_response()
