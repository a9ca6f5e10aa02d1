# SPDX-License-Identifier: Apache-2.0
"""PHP's own run-tests.php on a copy of some of PHP's tests, and what came out for each test."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PHP = os.environ.get("PHP", "/usr/bin/php8.2")
USER = "www-data"
PASSED, SKIPPED = "passed", "skipped"


def php_source():
    """The directory with PHP's source, fetched if it is not there yet."""
    done = subprocess.run([str(ROOT / "scripts/php-source")], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


class TestTree:
    """A copy of parts of PHP's source that USER owns, as tests write beside themselves. Use it in a `with`."""

    def __init__(self, source, *parts):
        self.path = Path(tempfile.mkdtemp(prefix="php-tests-"))
        shutil.copy(source / "run-tests.php", self.path)
        for part in parts:
            shutil.copytree(source / part, self.path / part, dirs_exist_ok=True)
        (self.path / "ini").mkdir()
        (self.path / "ini/php.ini").touch()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def own(self):
        """Gives everything in it to USER; call it after adding files."""
        self.path.chmod(0o755)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", f"{USER}:{USER}", str(self.path)], check=True)

    def _as_user(self):
        """Tests listen on fixed ports, so each run gets a network of its own."""
        if os.geteuid() != 0:
            return []
        return ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec setpriv --reuid="$0" --regid="$0" --init-groups "$@"',
                USER]

    def run(self, tests, environment=None, arguments=(), seconds=3600):
        """Runs the tests (paths below the tree) and returns {path: outcome}; the whole output goes to self.output."""
        result = self.path / "result.txt"
        result.unlink(missing_ok=True)
        names = self.path / "tests.txt"
        names.write_text("\n".join(tests) + "\n")
        self.own()
        # An empty php.ini and no extensions: what the tests expect is what PHP does of itself.
        settings = {"PATH": os.environ["PATH"], "HOME": str(self.path), "LC_ALL": "C", "NO_INTERACTION": "1", "NO_COLOR": "1",
                    "PHPRC": str(self.path / "ini"), "PHP_INI_SCAN_DIR": str(self.path / "ini"), "TEST_PHP_EXECUTABLE": PHP,
                    **(environment or {})}
        words = [*self._as_user(), PHP, "run-tests.php", "-q", "--show-diff", "-W", str(result), *arguments, "-r", str(names)]
        done = subprocess.run(words, cwd=self.path, env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds)
        self.output = done.stdout.decode("utf-8", "replace")
        outcomes = {}
        for line in result.read_text().splitlines() if result.exists() else []:
            outcome, path = line.split("\t", 1)
            outcomes[os.path.relpath(self.path / path, self.path)] = outcome.lower()
        absent = set(tests) - set(outcomes)
        if absent:
            raise RuntimeError(f"run-tests.php says nothing of {sorted(absent)}:\n{self.output[-4000:]}")
        return outcomes

    def why(self, test):
        """What a test that did not pass had to say."""
        difference = (self.path / test).with_suffix(".diff")
        if difference.exists():
            return difference.read_text(errors="replace")
        reason = re.search(rf"^.*\[{re.escape(test)}\] (reason: .*|warn: .*)$", self.output, flags=re.M)
        return reason.group(1) if reason else ""


    def keep(self, directory, prefix, outcomes):
        """Writes why() of each test that neither passed nor was skipped to `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        for test, outcome in outcomes.items():
            if outcome not in (PASSED, SKIPPED):
                (directory / f"{prefix}-{Path(test).stem}.txt").write_text(self.why(test))


def counted(outcomes):
    """ "109 passed, 2 failed": the numbers of each outcome."""
    order = [PASSED, "failed", "warned", "borked", "xfailed", "leaked", SKIPPED]
    words = sorted(set(outcomes.values()), key=lambda word: order.index(word) if word in order else len(order))
    return ", ".join(f"{list(outcomes.values()).count(word)} {word}" for word in words)
