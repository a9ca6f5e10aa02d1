# SPDX-License-Identifier: Apache-2.0
"""scripts/demo in a Debian that has nothing else, as somebody runs it who has just cloned the repository.

The tests are steps of one story and run in their order.
"""

import re
import shlex
import socket
import subprocess

import pytest

from harness import HttpClient, unused_port
from harness.daemons import ROOT

from .steps import steps  # noqa: F401  (a fixture)

CLONE = "/root/lwc-fpm"
DIRECTORY = "/var/lib/lwc-fpm-demo"


@pytest.fixture(scope="module")
def clone(debian):
    """The files under version control, as they are now."""
    files = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], stdout=subprocess.PIPE, check=True).stdout
    there = [name for name in files.split(b"\0") if name and (ROOT / name.decode()).exists()]
    debian.path(CLONE).mkdir(parents=True)
    packed = subprocess.Popen(["tar", "-C", str(ROOT), "--null", "-T", "-", "-cf", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    unpacked = subprocess.Popen(["tar", "-C", str(debian.path(CLONE)), "-xf", "-"], stdin=packed.stdout)
    packed.stdout.close()
    packed.stdin.write(b"\0".join(there))
    packed.stdin.close()
    assert packed.wait() == 0 and unpacked.wait() == 0


@pytest.fixture(scope="module")
def port():
    """One that is free. The system has the network of this one."""
    return unused_port()


def demo(debian, *arguments):
    """Its exit status and everything it said."""
    done = subprocess.run(debian.command([f"{CLONE}/scripts/demo", *map(str, arguments)]), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def processes(debian):
    """The processes of the demo: those that have its directory in their command line, and its daemon's."""
    listed = debian.run("for p in /proc/[0-9]*; do echo $(readlink $p/exe) $(tr '\\0' ' ' <$p/cmdline); done 2>/dev/null")
    return [line for line in listed.splitlines() if f"{CLONE}/build" in line or DIRECTORY in line]


def assert_nothing_is_left(debian, port):
    assert processes(debian) == []
    assert not debian.path(DIRECTORY).exists()
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0, "somebody still listens"


def assert_pages_were_fetched(said):
    assert "/ says: A small library" in said
    assert "/plain says: Hello World" in said


def test_once(steps, debian, clone, port):
    status, said = demo(debian, "--once", "--port", port)
    assert status == 0, said[-4000:]
    assert_pages_were_fetched(said)
    table = said[said.index("Requests per second"):]
    assert re.search(r"php-fpm", table), table
    for page in ("hello", "symfony"):
        figures = re.search(rf"(?m)^{page}\b.*", table)
        assert figures and len(re.findall(r"\d", figures[0])) >= 4, table
    assert said.rstrip().endswith("All went well; stopping.")
    assert_nothing_is_left(debian, port)


def test_left_running_and_stopped_as_printed(steps, debian, port):
    status, said = demo(debian, "--no-measure", "--port", port)
    assert status == 0, said[-4000:]
    assert_pages_were_fetched(said)
    url = f"http://127.0.0.1:{port}"
    assert re.findall(r"http://\S+$", said, re.MULTILINE)[-2:] == [f"{url}/", f"{url}/plain"]
    client = HttpClient(("127.0.0.1", port))
    assert "A small library" in client.get("/").text
    assert "Hello World" in client.get("/plain").text
    assert len(processes(debian)) > 2
    stop = re.search(r"(?m)^stop: +(.*)$", said)[1]
    assert debian.run(shlex.join(shlex.split(stop))).strip() == "Stopped."
    assert_nothing_is_left(debian, port)


def test_again_over_one_that_runs(steps, debian, port):
    for _ in range(2):
        status, said = demo(debian, "--no-measure", "--port", port)
        assert status == 0, said[-4000:]
    assert demo(debian, "--stop") == (0, "Stopped.\n")
    assert_nothing_is_left(debian, port)


def test_port_that_is_taken(steps, debian):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, said = demo(debian, "--no-measure", "--port", port)
    assert status != 0
    assert f"is port {port} taken? --port chooses another" in said.splitlines()[-1]
    assert_nothing_is_left(debian, port)
