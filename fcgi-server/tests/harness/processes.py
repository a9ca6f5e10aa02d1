# SPDX-License-Identifier: Apache-2.0
"""Starting a daemon in the foreground, waiting for it, stopping it, and finding what it left behind.

The test process becomes a "child subreaper": whatever a daemon leaves behind, setsid() or not, turns into our child,
so a leaked process cannot hide.
"""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)


class NotReady(Exception):
    """A daemon ended or stayed silent instead of becoming ready; the message holds the end of its log."""


class Leak(Exception):
    """A process outlived the daemon it belonged to."""


def become_subreaper():
    if LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_with_parent():
    """For a daemon before its exec: when the tests themselves are killed, it is told to stop."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _stat(pid):
    """(parent, state, name) of a process, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, rest = text[text.index("(") + 1:].rsplit(")", 1)
    state, parent = rest.split()[:2]
    return int(parent), state, name


def process_tree():
    """Every process as {pid: (parent, state, name)}."""
    stats = ((int(entry), _stat(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return {pid: stat for pid, stat in stats if stat}


def children_of(pid):
    """Living children (zombies left out), oldest first."""
    return sorted(child for child, (parent, state, _) in process_tree().items() if parent == pid and state != "Z")


# x86-64's numbers of the system calls that tests wait for.
SYSCALLS = {"poll": 7, "accept4": 288}


def waits_in(pid, call):
    """Whether a process sleeps in this system call. One that has ended does not."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text().startswith(f"{SYSCALLS[call]} ")
    except OSError:
        return False


def all_asleep(pids):
    """Whether each of them waits for something or has ended: nobody has work that it only did not come to yet."""
    return all(stat is None or stat[1] in "SZ" for stat in map(_stat, pids))


def descendants_of(pid):
    tree = process_tree()
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        below = [child for child, stat in tree.items() if stat[0] == parent and stat[1] != "Z"]
        found += below
        todo += below
    return sorted(found)


def open_descriptors(pid):
    """{descriptor: what it points at} of a process."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
        except OSError:
            pass  # closed while we were looking
    return found


def describe(pid):
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = "gone"
    return f"{pid} ({command or (_stat(pid) or (0, '', '?'))[2]})"


def wait_until(condition, seconds, step=0.02):
    """The first true value of condition(), or the last false one when the time is over."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(step)
    return value


class Service:
    """One daemon in the foreground. Subclasses say what its command is and what being ready means."""

    name = "service"
    start_seconds = 30
    stop_seconds = 60
    stop_signal = signal.SIGTERM

    def __init__(self, space, name=None):
        self.space = space
        self.name = space.unique_name(name or self.name)
        self.output_path = space.path / f"{self.name}.out"
        self.process = None
        self.environment = dict(os.environ)
        self.process_options = {}  # of subprocess.Popen

    def command(self):
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    def logs(self):
        """Everything the daemon said, for assertions and for error messages."""
        return self.output_path.read_text(errors="replace") if self.output_path.exists() else ""

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self, wait=True):
        self.launch()
        if wait and not wait_until(lambda: not self.running() or self.ready(), self.start_seconds):
            raise self._not_ready("not ready in time")
        if wait and not self.running():
            raise self._not_ready(f"ended with status {self.process.returncode}")
        return self

    def launch(self):
        """Starts the process without waiting for it to be ready."""
        with open(self.output_path, "ab") as output:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=self.environment, cwd=self.space.path, start_new_session=True,
                                            **{"preexec_fn": end_with_parent} | self.process_options)
        self.space.adopt(self)
        return self

    def _not_ready(self, why):
        return NotReady(f"{self.name}: {why}: {' '.join(map(str, self.command()))}\n{self.logs()[-4000:]}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=None):
        """Waits for the daemon to end by itself; its exit status, or None when it still runs."""
        try:
            return self.process.wait(seconds or self.stop_seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, how=None):
        """Stops the daemon; its exit status. Raises Leak when it or a process of its had to be killed."""
        if self.process is None:
            return None
        family = descendants_of(self.pid) if self.running() else []
        if self.running():
            self.signal(how or self.stop_signal)
        status = self.wait()
        stubborn = []
        if status is None:
            stubborn.append(f"{self.name} itself, {describe(self.pid)}, did not stop\n{self.logs()[-2000:]}")
            self.process.kill()
            status = self.process.wait()
        self.space.disown(self)
        wait_until(lambda: not [pid for pid in family if _alive(pid)], self.space.grace)
        for pid in filter(_alive, family):
            stubborn.append(describe(pid))
            _kill(pid)
        if stubborn:
            raise Leak(f"{self.name} left behind: " + ", ".join(stubborn))
        return status


def _alive(pid):
    stat = _stat(pid)
    return stat is not None and stat[1] != "Z"


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap_orphans(known, newer_than, grace):
    """Kills children of ours that nobody started on purpose; describes them. Zombies are reaped without complaint, and
    what is ending has `grace` seconds for it."""
    def orphans():
        return [(pid, state) for pid, (parent, state, _) in process_tree().items()
                if parent == os.getpid() and pid not in known and pid not in newer_than]

    wait_until(lambda: all(state == "Z" for _, state in orphans()), grace)
    leaked = [(pid, describe(pid)) for pid, state in orphans() if state != "Z"]
    for pid, _ in leaked:
        _kill(pid)
    # Whichever is ready: the first process of a PID namespace waits until all others of it are reaped.
    wait_until(lambda: all([_reap(pid) for pid, _ in orphans()]), grace)
    return [text for _, text in leaked]


def _reap(pid):
    """Whether an ended child is gone now."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
