# SPDX-License-Identifier: Apache-2.0
"""What keeps a daemon from starting: both say the same in the log and end with the same status."""

import os
import re
import socket

import pytest

from harness import LwcFpm, PhpFpm, Workspace

from .conftest import OURS
from .served import PATIENCE, Served

pytestmark = [OURS, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

# settings of [global], settings of the pool. DIR is the daemon's directory, PORT one that is in use.
REASONS = {
    "port in use": ({}, {"listen": "127.0.0.1:PORT"}),
    "socket in use": ({}, {"listen": "DIR/used.sock"}),
    "no directory for the socket": ({}, {"listen": "DIR/none/x.sock"}),
    "address of another machine": ({}, {"listen": "192.0.2.1:9000"}),
    "unknown host": ({}, {"listen": "no-such-host.invalid:9000"}),
    "port 0": ({}, {"listen": "127.0.0.1:0"}),
    "port too large": ({}, {"listen": "127.0.0.1:99999"}),
    "no port": ({}, {"listen": "127.0.0.1:http"}),
    "no directory for the pid file": ({"pid": "DIR/none/x.pid"}, {}),
    "pid file is a directory": ({"pid": "DIR/www"}, {}),
    "root": ({}, {"user": "root", "group": "root"}),
    "unknown user": ({}, {"user": "nobody-of-that-name"}),
    "unknown group": ({}, {"group": "none-of-that-name"}),
    "unknown owner": ({}, {"listen.owner": "nobody-of-that-name"}),
    "unknown name in a list": ({}, {"listen.acl_users": "nobody-of-that-name"}),
    "limit of files": ({"rlimit_files": 2_000_000_000}, {}),
    "slow log": ({}, {"slowlog": "DIR/none/slow.log", "request_slowlog_timeout": 1}),
    "access log": ({}, {"access.log": "DIR/www"}),
    "access format": ({}, {"access.log": "DIR/a.log", "access.format": "%Z"}),
    "chroot": ({}, {"chroot": "DIR/none"}),
    "chdir": ({}, {"chdir": "DIR/used.sock"}),
}


@pytest.fixture(scope="module")
def in_use():
    """A directory with a Unix socket that somebody listens on, and a TCP port likewise."""
    with Workspace() as space, socket.socket() as tcp, socket.socket(socket.AF_UNIX) as local:
        tcp.bind(("127.0.0.1", 0))
        local.bind(str(space.path / "used.sock"))
        for one in (tcp, local):
            one.listen()
        yield space, str(tcp.getsockname()[1])


def outcome(space, kind, port, reason):
    """(exit status, log) of a start; times and pids are taken out."""
    fill = lambda settings: {key: str(value).replace("DIR", str(space.path)).replace("PORT", port) for key, value in settings.items()}
    of_daemon, of_pool = map(fill, REASONS[reason])
    served = Served.__new__(Served)  # on the directory that is there
    served.space, served.kind, served.data = space, kind, space.path
    served.prepare(1, global_settings=of_daemon, settings=of_pool)
    served.daemon.launch()
    status = served.daemon.wait(PATIENCE)
    lines = re.findall(r"^\[.*?\] (.*)$", served.daemon.log(), re.MULTILINE)
    return status, lines


@pytest.mark.parametrize("reason", REASONS)
def test_refused_as_by_php_fpm(in_use, reason):
    space, port = in_use
    (space.path / "www").mkdir(exist_ok=True)
    status, theirs = outcome(space, PhpFpm, port, reason)
    assert status == 78 and theirs[-1] == "ERROR: FPM initialization failed"
    our_status, ours = outcome(space, LwcFpm, port, reason)
    assert our_status == status
    # A line of ours may go on behind php-fpm's words, and leaves out an errno that is none.
    theirs = [line.removesuffix(": Success (0)") for line in theirs]
    assert len(ours) == len(theirs) and all(our.startswith(their) for our, their in zip(ours, theirs)), (ours, theirs)
