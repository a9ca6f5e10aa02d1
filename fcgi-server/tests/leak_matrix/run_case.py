# SPDX-License-Identifier: Apache-2.0
"""Runs one case of the leak matrix on one daemon, each time on workers that nobody used before."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socketserver
import subprocess
import threading
from pathlib import Path
from typing import Iterator

from harness import Leak, LwcFpm, PhpFpm, Pool, Workspace
from harness.fastcgi import Connection, ConnectionClosed, Response, script_params

from .case import Case

HERE = Path(__file__).parent
PHP_FPM = "php-fpm"
UNSAFE = "none"
ISOLATING = ("fork", "rollback", "kernel")
VARIANTS = ("base", "snapshot")
ANSWER_SECONDS = 20  # a worker that hangs after request A does not hold

# One worker each. "dirty" sees A and then B, "fresh" only B; in the end A shows there that it changes something.
POOLS = ("fresh", "dirty")


@dataclasses.dataclass
class Verdict:
    fresh: str | None  # what B sees in a process that A never touched
    dirty: str | None  # what B sees after A, None where there was no answer
    proof: str | None  # what A itself sees after its change
    missing: bool = False  # this PHP has not got what the case is about

    @property
    def holds(self) -> bool:
        return self.dirty is not None and self.dirty == self.fresh

    @property
    def word(self) -> str:
        return "n/a" if self.missing else "holds" if self.holds else "leaks"


class _Echo(socketserver.StreamRequestHandler):
    """Remembers a word for each connection; enough HTTP for curl to keep a connection open."""

    def handle(self) -> None:
        marked = False
        for line in self.rfile:
            if line.startswith(b"GET "):
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                continue
            marked = marked or line == b"set\n"
            self.wfile.write(b"marked\n" if marked else b"unmarked\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def echo_server(path: Path) -> Iterator[None]:
    with _Server(str(path), _Echo) as server:
        path.chmod(0o777)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _site(space: Workspace, case: Case) -> Path:
    site = space.path / "site"
    site.mkdir()
    for name in ("lib.inc", "part.inc", "step.inc", "base.php", "snapshot.php"):
        shutil.copy(HERE / name, site)
    present = f"function_exists({case.needs!r})" if case.needs else "true"
    (site / "change.inc").write_text(f"<?php\nif ({present}) {{\n{case.change}\n}}\n")
    (site / "observe.inc").write_text(f"<?php\nreturn {present} ? ({case.observe}) : 'n/a';\n")
    return site


def _open_directory(space: Workspace, name: str) -> Path:
    path = space.path / name
    path.mkdir()
    path.chmod(0o777)
    return path


def _pool(space: Workspace, case: Case, name: str, engine: str, variant: str, script: Path) -> Pool:
    scratch = _open_directory(space, name)
    settings = dict(case.pool)
    for key in ("sys_temp_dir", "upload_tmp_dir"):
        settings[f"php_admin_value[{key}]"] = str(scratch)
    lwc = {"engine": engine}
    if variant == "snapshot":
        lwc["warmup"] = [str(script)]
    return Pool(name, 1, settings=settings, lwc=lwc)


def _send(address: str, script: Path, case: Case, steps: str) -> Response | None:
    changing = "change" in steps
    body = case.body if changing else b""
    params = script_params(str(script), query=f"steps={steps}", method="POST" if body else "GET",
                           content_type=case.content_type if body else "", body_length=len(body),
                           **(case.params if changing else {}))
    with Connection(address, ANSWER_SECONDS) as connection:
        connection.send_request(params, body)
        try:
            return connection.read_response()
        except (ConnectionClosed, TimeoutError):
            return None


def _text(answer: Response | None, resumed: bool) -> str | None:
    if answer is None:
        return None
    if resumed and answer.status < 500:
        assert answer.header("X-Resumed") == "yes", f"not served from the snapshot: {answer}"
    leaked = [value for name, value in answer.header_list if name == "X-Leaked"]
    return f"{answer.status} {answer.text}" + "".join(leaked)


def _remove_semaphores(space: Workspace) -> None:
    for name in POOLS:
        stat = os.stat(space.path / name)
        key = ord("l") << 24 | (stat.st_dev & 0xFF) << 16 | stat.st_ino & 0xFFFF
        subprocess.run(["ipcrm", "-S", str(key)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _stop(daemon: PhpFpm | LwcFpm, engine: str) -> None:
    """Stops it; a process left behind is a failure for engines that answer for it."""
    try:
        daemon.stop()
    except Leak:
        if engine in ISOLATING:
            raise


def run_case(space: Workspace, case: Case, engine: str, variant: str = "base") -> Verdict:
    script = _site(space, case) / f"{variant}.php"
    pools = [_pool(space, case, name, engine, variant, script) for name in POOLS]
    # hard_timeout: PHP does not end a worker that hangs, which would have another answer B.
    ini = {"ffi.enable": "1", "hard_timeout": "0", "session.save_path": str(_open_directory(space, "common"))} | case.ini
    daemon = (PhpFpm if engine == PHP_FPM else LwcFpm)(space, *pools, ini=ini)
    fresh, dirty = map(daemon.listen_of, pools)
    with echo_server(space.path / "echo.sock"):
        try:
            daemon.start()
            if case.fresh_first:
                untouched = _text(_send(fresh, script, case, "observe"), variant == "snapshot")
            change = _send(dirty, script, case, "change")
            if case.answer == "any" and engine != UNSAFE:  # there, the request can be the victim of another
                assert change is not None and change.status == 200, f"{change}\n{daemon.logs()}"
            after = _text(_send(dirty, script, case, "observe"), variant == "snapshot")
            if not case.fresh_first:
                untouched = _text(_send(fresh, script, case, "observe"), variant == "snapshot")
            shown = _text(_send(fresh, script, case, "change,observe"), False) if case.visible else None
            _stop(daemon, engine)
        finally:
            _remove_semaphores(space)
    assert untouched and untouched.startswith("200 "), f"{untouched}\n{daemon.logs()}"
    return Verdict(untouched, after, shown, missing=untouched == '200 "n\\/a"')
