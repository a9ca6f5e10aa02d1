# SPDX-License-Identifier: Apache-2.0
"""lwc-fpm and php-fpm read the same files: same refusals, same dump, same exit status.

The program under test is $LWC_FPM. Our own lines (lwc.*) are set aside, and two differences are wanted:
a refusal may go on behind php-fpm's words with what to do, and a syntax error names file and line."""

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cases import CASES, GLOBAL, INCLUDED, POOL

PHP_FPM = shutil.which("php-fpm8.2") or "/usr/sbin/php-fpm8.2"
LWC_FPM = os.environ.get("LWC_FPM", str(Path(__file__).parents[3] / "build/fcgi-server/lwc-fpm"))
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CONFIG_TEST_VARIABLE": "from the environment"}


def plain(line):
    """Without the time, or without the time that syslog adds and with the level as in a file."""
    line = re.sub(r"^\[(DEBUG|NOTICE|WARNING|ERROR|ALERT)\] ", r"\1: ", line)
    return re.sub(r"^\[[^]]*\] (?=[A-Z]+: )", "", line)


def run(program, *arguments, cwd=None):
    done = subprocess.run([program, *arguments], capture_output=True, env=ENVIRONMENT, cwd=cwd, timeout=60)
    lines = done.stderr.decode("utf-8", "replace").split("\n")
    return done.returncode, [plain(line) for line in lines], done.stdout


OWN_LINE = re.compile(r"NOTICE: (\tlwc\.|events\.mechanism = \w+ has no effect)")


def our_lines_of(lines):
    return [line for line in lines if line and not line.startswith("DEBUG: ") and not OWN_LINE.match(line)]


def same_line(ours, theirs):
    if theirs.startswith("PHP:  syntax error"):
        return re.match(r"ERROR: \[[^]]+:\d+\] syntax error, unexpected ", ours) is not None
    return ours == theirs or ours.startswith(theirs + "; ")


def php_fpm_lines(lines):
    """Its lines, without debug messages, and without a second complaint about one line of the file."""
    kept = []
    for line in lines:
        line = re.sub(r"(?<=: )pid \d+, \w+\(\), line \d+: ", "", line)  # where, in debug mode
        again = line.startswith("PHP:  syntax error") and kept and kept[-1].startswith("ERROR: [")
        if line and not line.startswith("DEBUG: ") and not again:
            kept.append(line)
    return kept


def assert_same(path, *arguments):
    their_status, their_lines, _ = run(PHP_FPM, "-n", *arguments, "-y", str(path))
    our_status, our_lines, _ = run(LWC_FPM, "-n", *arguments, "-y", str(path))
    theirs = php_fpm_lines(their_lines)
    ours = our_lines_of(our_lines)
    context = "\n".join(["", "php-fpm:", *theirs, "lwc-fpm:", *ours, "file:", path.read_text(errors="replace")])
    assert len(ours) == len(theirs), context
    for our, their in zip(ours, theirs):
        assert same_line(our, their), f"{our!r} is not {their!r}{context}"
    assert our_status == their_status, context
    return our_status


@pytest.fixture
def place(tmp_path):
    """A directory that every user may enter, with what the cases expect in it."""
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    (tmp_path / "sub" / "inner").mkdir(parents=True)
    for name, text in INCLUDED.items():
        (tmp_path / name).write_text(text.replace("DIR", str(tmp_path)))
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_case(place, name):
    main = place / "main.conf"
    main.write_text(CASES[name].replace("DIR", str(place)), newline="")
    assert_same(main, "-tt")


def test_cases_are_accepted_and_refused(place):
    """The list above would prove little if php-fpm refused everything, or nothing."""
    statuses = []
    for name in ("smallest", "every global", "every pool entry", "unknown entry", "no listen"):
        main = place / "main.conf"
        main.write_text(CASES[name].replace("DIR", str(place)))
        statuses.append(run(PHP_FPM, "-n", "-t", "-y", str(main))[0])
    assert statuses == [0, 0, 0, 78, 78]


def test_every_directive_has_a_case(place):
    """Of all that php-fpm prints; of listen.* it prints those that this system has."""
    main = place / "main.conf"
    main.write_text(CASES["smallest"].replace("DIR", str(place)))
    lines = php_fpm_lines(run(PHP_FPM, "-n", "-tt", "-y", str(main))[1])
    names = [match.group(1) for match in (re.match(r"NOTICE: \t([\w.]+)(?:\[\])? = ", line) for line in lines) if match]
    assert len(names) > 50
    text = "\n".join(CASES.values())
    missing = [name for name in names if not re.search(rf"^{re.escape(name)}(\[\w*\])? =", text, flags=re.M)]
    assert not missing


@pytest.mark.parametrize("arguments", [("-t",), ("-tt",), ("-t", "-t"), ("-tt", "-F"), ("-tt", "-D"), ("-tt", "-R"),
                                       ("-tt", "-g", "other.pid"), ("-tt", "-p", "DIR/sub"), ("-tt", "-pDIR/sub"),
                                       ("-tt", "--prefix=DIR/sub"), ("-tt", "--pid", "/x.pid"), ("-t", "-p", "DIR/none"),
                                       ("-tt", "-d", "memory_limit=1M"), ("--test", "--nodaemonize"),
                                       ("-tt", "--allow-to-run-as-root"), ("-tt", "--force-stderr")])
def test_options(place, arguments):
    main = place / "main.conf"
    main.write_text((GLOBAL + "pid = run/x.pid\n" + POOL + "access.log = a.log\n").replace("DIR", str(place)))
    (place / "sub").mkdir(exist_ok=True)
    assert_same(main, *[word.replace("DIR", str(place)) for word in arguments])


DEBIANS = Path("/etc/php/8.2/fpm/php-fpm.conf")


@pytest.mark.skipif(not DEBIANS.exists(), reason="Debian's php8.2-fpm is not installed")
def test_debians_own_configuration():
    assert assert_same(DEBIANS, "-tt") == 0


@pytest.mark.parametrize("arguments", [("-h",), ("--help",), ("--usage",), ("--bogus",), ("-x",), ("word",), ("-y",),
                                       ("-t", "word"), ("--te",), ("--pre", "/"), ("-Fx",), ("-?",), ("--", "word"),
                                       ("-t", "-y", "/nonexistent"), ("-y=/nonexistent", "-t"), ("-ty", "/nonexistent")])
def test_exit_status(arguments):
    theirs, their_lines, their_text = run(PHP_FPM, "-n", *arguments)
    ours, our_lines, our_text = run(LWC_FPM, "-n", *arguments)
    assert ours == theirs
    assert our_text.startswith(b"Usage: ") == their_text.startswith(b"Usage: ")
    if not their_text:
        assert our_lines == their_lines


PIECES = ["a", "E_ALL", "12", "-3", ".5", " ", "  ", "\t", "'", '"', "\\", "\\\\", '\\"', "$", "${", "}", "${HOME}",
          "${CONFIG_TEST_VARIABLE}", "$pool", "(", ")", "!", "~", "|", "&", "^", "=", ";", "[", "]", "{", ",", ".", ":", "/",
          "yes", "no", "none", "null", "on", "true", "'x'", '"y"', "<", ">", "?", "@", "#", "%", "*", "+", "-", "\r", "é"]


def random_line(source):
    middle = "".join(source.choices(PIECES, k=source.randint(1, 6)))
    shape = source.choice(["php_value[a] = {}", "php_value[a]={}", "env[{}] = 1", "ping.response = {}", "[{}]", "{}", "{} = 1",
                           "php_value[a] = \"{}\"", "php_value[b] = '{}'", "chdir = {}", "clear_env = {}"])
    return shape.format(middle)


@pytest.mark.parametrize("seed", range(int(os.environ.get("LWC_CONFIG_SEEDS", "60"))))
def test_random_line(place, seed):
    line = random_line(random.Random(seed))
    if '"' in line and line.count('"') % 2 == 1 and "\r" in line:
        pytest.skip("an open quote over a carriage return")
    main = place / "main.conf"
    main.write_text((GLOBAL + POOL).replace("DIR", str(place)) + line + "\n", newline="")
    assert_same(main, "-tt")
