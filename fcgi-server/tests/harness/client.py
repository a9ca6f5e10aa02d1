# SPDX-License-Identifier: Apache-2.0
"""A small HTTP client over a Unix socket or TCP that keeps cookies, as a browser would. Redirects are not followed."""

import http.client
import random
import socket
import urllib.parse
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path


def unused_port():
    """A TCP port that nobody has. It is below those that the kernel gives to clients, any of whom could take it before it is
    listened on; and by chance, for other tests may look for one at the same time."""
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, first_of_clients) if first_of_clients > 11_000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return probe.getsockname()[1]
            except OSError:
                continue


@dataclass
class Answer:
    status: int
    reason: str
    headers: list = field(default_factory=list)
    body: bytes = b""

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def header(self, name, default=None):
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    def all_headers(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]


class _Connection(http.client.HTTPConnection):
    def __init__(self, address, timeout):
        super().__init__("localhost", timeout=timeout)
        self.address = address

    def connect(self):
        if isinstance(self.address, tuple):
            self.sock = socket.create_connection(self.address, self.timeout)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.address)


class HttpClient:
    """address: path of a Unix socket, or (host, port). One connection a request."""

    def __init__(self, address, timeout=60, host="localhost"):
        self.address, self.timeout, self.host = address, timeout, host
        self.cookies = {}

    def request(self, method, url, body=None, headers=None):
        """url: path and query. body: bytes, str, an iterable or a file; a dict is sent as a form."""
        sent = {"Host": self.host, "Connection": "close", "X-Real-IP": "127.0.0.1"}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in sorted(self.cookies.items()))
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = _Connection(self.address, self.timeout)
        try:
            connection.request(method, url, body, sent | (headers or {}))
            response = connection.getresponse()
            answer = Answer(response.status, response.reason, response.getheaders(), response.read())
        finally:
            connection.close()
        self._remember(answer)
        return answer

    def _remember(self, answer):
        for line in answer.all_headers("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                expired = morsel["max-age"] == "0" or morsel.value in ("deleted", "") or "1970" in morsel["expires"]
                if expired:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value

    def get(self, url, **more):
        return self.request("GET", url, **more)

    def head(self, url, **more):
        return self.request("HEAD", url, **more)

    def post(self, url, body, **more):
        return self.request("POST", url, body, **more)
