# SPDX-License-Identifier: Apache-2.0
"""A daemon together with the site it serves."""

from __future__ import annotations

import itertools
import os
import textwrap
import time
from pathlib import Path

from harness import HttpClient, Nginx, Pool, Site, Workspace
from harness.fastcgi import Connection, Response, script_params
from harness.processes import descendants_of, wait_until

# How long a test waits for something that should happen at once, on a busy machine.
PATIENCE = 30
# Seconds. A busy machine stands still for a few at times: where something has to be done before a limit is over, the limit is
# at least so long. LWC_STALL says how long that is where the clock counts what the machine executes, as with -icount.
LONGER_THAN_A_STALL = int(os.environ.get("LWC_STALL", "6"))


def is_listening(path):
    """Also where the log does not say so. A connection would show in it."""
    accepts = "00010000"  # __SO_ACCEPTCON
    sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return any(words[3] == accepts and words[-1] == path for words in sockets)


class Served:
    def __init__(self, space: Workspace, kind: type):
        self.space = space
        self.kind = kind
        self.root = self._open_directory("www")
        self.data = self._open_directory("data")
        self._numbers = itertools.count()
        self._dates = itertools.count()
        self._http: HttpClient | None = None
        self.daemon = None

    def _open_directory(self, name: str) -> Path:
        path = self.space.path / name
        path.mkdir()
        path.chmod(0o777)
        return path

    @property
    def is_ours(self) -> bool:
        return self.kind.own_keys

    def prepare(self, children: int = 2, *, settings: dict | None = None, ini: dict | None = None,
                lwc: dict | None = None, listen: str | None = None, pools: tuple[Pool, ...] = (),
                global_settings: dict | None = None) -> "Served":
        """Writes the configuration without starting the daemon."""
        ini = {"session.save_path": str(self.data), "upload_tmp_dir": str(self.data),
               "sys_temp_dir": str(self.data)} | (ini or {})
        pool = Pool("www", children, listen=listen, settings=settings or {}, lwc=lwc or {})
        self.daemon = self.kind(self.space, pool, *pools, ini=ini, settings=global_settings)
        return self

    def start(self, children: int = 2, **more: object) -> "Served":
        if self.daemon is None:
            self.prepare(children, **more)
        self.daemon.start()
        return self

    @property
    def address(self) -> str | tuple[str, int]:
        listen = self.daemon.socket
        if listen.startswith("/"):
            return listen
        host, port = listen.rsplit(":", 1)
        return host, int(port)

    def script(self, code: str, name: str | None = None) -> str:
        """Writes a script below the document root, owned by its name; its path."""
        path = self.root / (name or f"s{next(self._numbers)}.php")
        path.parent.mkdir(parents=True, exist_ok=True)
        code = textwrap.dedent(code).strip()
        self.replace(path, code if code.startswith("<?php") or not str(path).endswith(".php") else f"<?php\n{code}")
        return str(path)

    def replace(self, path: Path | str, text: str) -> None:
        """Puts a new file in the old one's place, as deployments do.

        It is dated back, for opcache does not cache what is younger than two seconds; and every file has a date of
        its own, so that a change is seen.
        """
        temporary = Path(f"{path}.new")
        temporary.write_text(text)
        date = time.time() - 10_000 + 10 * next(self._dates)
        os.utime(temporary, (date, date))
        os.replace(temporary, path)

    def params(self, script: str, **more: str) -> dict[str, str]:
        return script_params(script, document_root=str(self.root), **more)

    def connect(self, **more: float) -> Connection:
        return Connection(self.address, **more)

    def get(self, script: str, *, body: bytes = b"", method: str | None = None, timeout: float = PATIENCE,
            **more: str) -> Response:
        """One request on its own connection. `script` is a path or, when it has no slash, PHP code."""
        path = script if script.startswith("/") else self.script(script)
        params = self.params(path, method=method or ("POST" if body else "GET"), body_length=len(body), **more)
        with self.connect(timeout=timeout) as connection:
            connection.send_request(params, body)
            return connection.read_response()

    @property
    def http(self) -> HttpClient:
        """A client of an nginx in front of the daemon; nginx is started on first use."""
        if self._http is None:
            fastcgi = self.daemon.socket
            nginx = Nginx(self.space, Site(root=str(self.root), fastcgi=fastcgi)).start()
            self._http = HttpClient(nginx.socket)
        return self._http

    def url(self, script: str) -> str:
        return "/" + str(Path(script).relative_to(self.root))

    def file(self, name: str) -> Path:
        return self.data / name

    def wait_for_file(self, name: str, seconds: float = PATIENCE) -> str:
        """The content of a file that a script writes (in one go)."""
        path = self.file(name)
        assert wait_until(lambda: path.exists() and path.stat().st_size, seconds), \
            f"{name} was not written\n{self.daemon.logs()}"
        return path.read_text()

    def wait_for_log(self, text: str, seconds: float = PATIENCE) -> str:
        assert wait_until(lambda: text in self.daemon.log(), seconds), f"no {text!r} in\n{self.daemon.logs()}"
        return self.daemon.log()

    def processes(self) -> list[int]:
        return [self.daemon.pid, *descendants_of(self.daemon.pid)]
