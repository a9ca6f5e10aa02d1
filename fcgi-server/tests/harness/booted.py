# SPDX-License-Identifier: Apache-2.0
"""The Debian of debian.py, booted: systemd is its first process, and services are its own business."""

import os
import re
import subprocess
from pathlib import Path

from .debian import Debian
from .processes import wait_until

# The root of a container as systemd wants it: https://systemd.io/CONTAINER_INTERFACE
INIT = r"""
set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for one in null zero full random urandom tty; do touch dev/$one; mount --bind /dev/$one dev/$one; done
mkdir -p dev/pts dev/shm outside
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
pivot_root . outside
umount -l /outside
exec env -i container=lwc-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
"""


def control_groups():
    """Where version 2 of control groups is mounted here, or None."""
    match = re.search(r"^(?:\S+ ){4}(\S+) [^-]*- cgroup2 ", Path("/proc/self/mountinfo").read_text(), re.MULTILINE)
    return Path(match.group(1)) if match and os.access(match.group(1), os.W_OK) else None


class BootedDebian(Debian):
    """Install what is needed first (systemd-sysv, too), then boot()."""

    _group = None

    def boot(self):
        self._init.kill()
        self._init.wait()
        self._group = control_groups() / f"lwc-test-{os.getpid()}"
        self._group.mkdir()
        enter = f'echo $$ > {self._group}/cgroup.procs; exec "$@"'
        self._init = subprocess.Popen(
            ["bash", "-c", enter, "enter", "unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork",
             "--kill-child", "bash", "-c", INIT, "init", str(self.root)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children")
        assert wait_until(lambda: children.read_text().split(), 10), "systemd was not started"
        self._inside = children.read_text().split()[0]
        assert wait_until(self._is_up, 240), "the system does not come up"

    def _is_up(self):
        return self._init.poll() is None and \
            self.run("systemctl is-system-running 2>&1", check=False).strip() in ("running", "degraded")

    def __exit__(self, *_):
        super().__exit__()
        if self._group:
            events = self._group / "cgroup.events"
            assert wait_until(lambda: "populated 0" in events.read_text(), 20), "a process of the system is still there"
            for folder, *_ in os.walk(self._group, topdown=False):
                os.rmdir(folder)

    def path(self, inside):
        """Also below mounts of its own, such as /run."""
        return Path(f"/proc/{self._inside}/root", str(inside).lstrip("/")) if self._group else super().path(inside)

    def command(self, words, environment=None):
        if not self._group:
            return super().command(words, environment)
        inside = super().command(words, environment)
        words = inside[inside.index("/usr/bin/env"):]
        return ["nsenter", "--target", self._inside, "--mount", "--pid", "--ipc", "--uts", "--cgroup", *words]
