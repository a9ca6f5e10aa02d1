# SPDX-License-Identifier: Apache-2.0
"""One click path through one application on php-fpm and on lwc-fpm, and what differs between the two.

An instance of the application is made once and put back as it was before each side, at the same path, so that both sides
start from the same files and the same database. The daemons get the same ini, and nginx the same configuration.
"""

import difflib
import functools
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from harness import HttpClient, LwcFpm, Nginx, PhpFpm, Pool, Site
from harness.daemons import ROOT

# Headers that say when or by which connection, not what.
IGNORED_HEADERS = {"date", "connection", "transfer-encoding"}

# Writes down, at the end of each request, whether it came from an application's snapshot.
PROBE = """<?php
register_shutdown_function(static function (): void {
    if (function_exists('lwc_snapshot_info') && !lwc_warming_up()) {
        $line = json_encode([$_SERVER['SCRIPT_FILENAME'], $_SERVER['REQUEST_URI'], lwc_snapshot_info() !== null]);
        file_put_contents('%s', $line . "\\n", FILE_APPEND | LOCK_EX);
    }
});
"""


@dataclass
class Mask:
    """A volatile part of an answer: what matches is replaced before the comparison."""

    pattern: str
    reason: str
    replacement: str = "MASKED"


@dataclass
class App:
    """An example under test.

    warmup: URI of the warm-up request; None where the example has no snapshot point.
    snapshot_scripts: {script: URI} of further scripts with one. more: belongs to the suite apps-more.
    """

    name: str
    script: str = "public/index.php"
    more: bool = False
    label: str | None = None
    warmup: str | None = None
    masks: list = field(default_factory=list)
    ini: dict = field(default_factory=dict)
    snapshot_scripts: dict = field(default_factory=dict)

    def setup(self, directory):
        command = [str(ROOT / "examples" / self.name / "setup"), str(directory)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"

    def begin(self, space, directory):
        """Starts what the application needs besides PHP."""

    def end(self):
        """And stops it."""

    def click_path(self, visit):
        raise NotImplementedError

    def mask(self, text):
        for mask in self.masks:
            text = re.sub(mask.pattern, mask.replacement, text, flags=re.DOTALL)
        return text


class Visit:
    """A visitor who clicks through the pages; every answer goes into the transcript."""

    def __init__(self, client):
        self.client = client
        self.transcript = []
        self.page = None

    def request(self, method, url, body=None, **more):
        self.page = self.client.request(method, url, body, **more)
        self.transcript.append((f"{method} {url}", self.page))
        return self.page

    def get(self, url, expect=200, **more):
        return self._expect(self.request("GET", url, **more), expect)

    def head(self, url, expect=200):
        return self._expect(self.request("HEAD", url), expect)

    def post(self, url, form, expect=200, **more):
        return self._expect(self.request("POST", url, form, **more), expect)

    def follow(self, expect=200):
        """Goes where the last answer redirects to."""
        target = self.page.header("Location")
        assert target, f"{self.transcript[-1][0]}: a redirect was expected, not {self.page.status}"
        return self.get(re.sub(r"^https?://[^/]+|#.*$", "", target) or "/", expect)

    def _expect(self, answer, status):
        assert answer.status == status, f"{self.transcript[-1][0]}: {answer.status} instead of {status}\n{answer.text[:3000]}"
        return answer

    def field(self, name):
        """The value of a form field of the last page."""
        for tag in re.findall(r"<input\b[^>]*>", self.page.text):
            if re.search(rf"""\bname=["']{re.escape(name)}["']""", tag):
                found = re.search(r"""\bvalue=(["'])(.*?)\1""", tag)
                return _unescape(found[2]) if found else ""
        raise AssertionError(f"{self.transcript[-1][0]}: no field {name}\n{self.page.text[:3000]}")

    def link(self, pattern):
        """The first href that matches, in the last page."""
        found = re.search(rf"""href=(["'])({pattern})\1""", self.page.text)
        assert found, f"{self.transcript[-1][0]}: no link {pattern}\n{self.page.text[:3000]}"
        return _unescape(found[2])

    def sees(self, *texts):
        for text in texts:
            assert text in self.page.text, f"{self.transcript[-1][0]}: {text!r} is missing\n{self.page.text[:3000]}"

    def misses(self, text):
        assert text not in self.page.text, f"{self.transcript[-1][0]}: {text!r} should not be there"


def _unescape(text):
    return text.replace("&quot;", '"').replace("&#039;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def normal_form(app, transcript):
    """A transcript as text: per answer the status line, the headers in order of name, and the body, all masked."""
    pages = []
    for label, answer in transcript:
        headers = sorted((name.lower(), value) for name, value in answer.headers if name.lower() not in IGNORED_HEADERS)
        lines = [f"> {label}", f"< {answer.status}", *(f"< {name}: {value}" for name, value in headers)]
        try:
            body = answer.body.decode("utf-8")
        except UnicodeDecodeError:
            body = answer.body.hex()
        pages.append(app.mask("\n".join(lines) + "\n\n" + body))
    return "\n\n".join(pages)


class Comparison:
    """Runs an application on one side after the other."""

    def __init__(self, space, app):
        self.space, self.app = space, app
        self.log = ""  # of the last run
        self.pristine = space.path / "pristine"
        self.instance = space.path / "app"
        self.app.setup(self.instance)
        self._copy(self.instance, self.pristine)
        self.probe_log = space.path / "probe.log"
        space.write("probe.php", PROBE % self.probe_log)

    @staticmethod
    def _copy(source, target):
        subprocess.run(["cp", "-a", "--", str(source), str(target)], check=True)

    def _restore(self):
        shutil.rmtree(self.instance)
        self._copy(self.pristine, self.instance)
        sessions = self.space.path / "sessions"
        shutil.rmtree(sessions, ignore_errors=True)
        sessions.mkdir()
        sessions.chmod(0o1777)
        self.probe_log.write_text("")
        self.probe_log.chmod(0o666)

    def _pool(self, lwc):
        return Pool(children=2, lwc=lwc, settings={"catch_workers_output": "yes", "listen.mode": "0666"})

    def run(self, daemon, lwc=None, ini=None):
        """The masked transcript of the click path on one daemon."""
        self._restore()
        ini = {"session.save_path": self.space.path / "sessions", "opcache.enable": 1,
               "auto_prepend_file": self.space.path / "probe.php"} | self.app.ini | (ini or {})
        try:
            self.app.begin(self.space, self.instance)
            return self._click_through(daemon, lwc or {}, ini)
        finally:
            self.app.end()

    def _click_through(self, daemon, lwc, ini):
        fpm = daemon(self.space, self._pool(lwc), ini=ini, name="fpm").start()
        nginx = Nginx(self.space, Site(snippet=str(self.instance / "nginx.conf"), fastcgi=fpm.socket)).start()
        visit = Visit(HttpClient(nginx.socket))
        try:
            self.app.click_path(visit)
        except AssertionError as error:
            raise AssertionError(f"on {daemon.name} {lwc}: {error}\n--- log ---\n{fpm.logs()[-3000:]}") from None
        finally:
            nginx.stop()
            fpm.graceful_stop()
            self.log = fpm.log()
        return normal_form(self.app, visit.transcript)

    @functools.cached_property
    def reference(self):
        """php-fpm's answers."""
        return self.run(PhpFpm)

    def php_fpm_again(self):
        return self.run(PhpFpm)

    def lwc_cold(self):
        """Every request from the base snapshot, as if the application had no snapshot point."""
        return self.run(LwcFpm, {"snapshots": "no"})

    def lwc_from_snapshot(self):
        warmup = [f"{self.instance / script} {uri}" for script, uri in self._snapshot_scripts().items()]
        # A page may change what a snapshot was made of, as WordPress's logout does. Made anew in the middle of the click path, the
        # snapshot would be missing for as long as that takes.
        return self.run(LwcFpm, {"warmup": warmup}, {"opcache.revalidate_freq": 600})

    def _snapshot_scripts(self):
        return {self.app.script: self.app.warmup} | self.app.snapshot_scripts

    def served_from_snapshot(self):
        """What the probe wrote during the last run about the scripts with a snapshot point: [(URI, was it from a snapshot)]."""
        scripts = {str(self.instance / script) for script in self._snapshot_scripts()}
        lines = [json.loads(line) for line in self.probe_log.read_text().splitlines()]
        return [(uri, snapshot) for script, uri, snapshot in lines if script in scripts]


def difference(expected, found):
    """Nothing when both are equal, else a diff to read; of a long line, what is around the first difference."""
    lines = list(difflib.unified_diff(expected.splitlines(), found.splitlines(), "php-fpm", "lwc-fpm", lineterm="", n=2))
    for index, (one, other) in enumerate(zip(lines, lines[1:])):
        if one.startswith("-") and other.startswith("+") and len(one) > 300:
            same = len(os.path.commonprefix([one[1:], other[1:]]))
            lines[index] = "-[...]" + one[1:][max(0, same - 80):same + 120]
            lines[index + 1] = "+[...]" + other[1:][max(0, same - 80):same + 120]
    return "\n".join(line[:400] for line in lines[:200])
