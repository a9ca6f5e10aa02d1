# SPDX-License-Identifier: Apache-2.0
"""A Debian 12 of its own in a folder, with nothing in it but what apt puts there, and services run as their unit files say.

The system has mounts and process ids of its own, so that nothing of it outlives it, and the host's network: its sites
listen on Unix sockets, which are reached from outside as files.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from .daemons import ROOT
from .processes import wait_until
from .service_manager import ServiceManager

BASE = ROOT / "build/chroot/bookworm.tar"
MIRROR = "http://deb.debian.org/debian"
INIT = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t sysfs -o ro sysfs "$1/sys" || exit 1
echo up
while sleep 1; do :; done
"""


def make_base():
    """The minimal system as a tar file; made once."""
    if BASE.exists():
        return
    BASE.parent.mkdir(parents=True, exist_ok=True)
    folder = BASE.with_suffix(".new")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(folder), MIRROR], check=True,
                   stdout=subprocess.DEVNULL)
    (folder / "etc/apt/sources.list").write_text(
        f"deb {MIRROR} bookworm main\ndeb {MIRROR}-security bookworm-security main\n")
    (folder / "etc/apt/apt.conf.d/99tests").write_text(
        'APT::Install-Recommends "false";\nDpkg::Use-Pty "false";\nQuiet "1";\n')
    # Documentation in other languages is not what is tested; sync() of each file is slow.
    (folder / "etc/dpkg/dpkg.cfg.d/tests").write_text("force-unsafe-io\n")
    subprocess.run(["tar", "-C", str(folder), "-cf", str(BASE) + ".part", "."], check=True)
    os.rename(str(BASE) + ".part", BASE)
    shutil.rmtree(folder)


class Debian:
    """A context manager: the system is there within it."""

    def __init__(self, space):
        self.space = space
        self.root = space.path / "debian"

    def __enter__(self):
        make_base()
        self.root.mkdir()
        subprocess.run(["tar", "-C", str(self.root), "-xf", str(BASE)], check=True)
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(name, self.path(name))
        self._init = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", INIT, "init", str(self.root)],
            stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._init.stdout.readline() == "up\n", "the system could not be started"
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text()
        self._inside = children.split()[0]
        return self

    def __exit__(self, *_):
        self._init.kill()
        self._init.wait()

    def path(self, inside):
        """A file of the system, as seen from here."""
        return self.root / str(inside).lstrip("/")

    def command(self, words, environment=None):
        """The command line that runs `words` in there."""
        variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
                     "DEBIAN_FRONTEND": "noninteractive"} | (environment or {})
        return ["nsenter", "--target", self._inside, "--mount", "--pid", "chroot", str(self.root),
                "/usr/bin/env", "-i", *(f"{key}={value}" for key, value in variables.items()), *words]

    def run(self, command, check=True):
        """Runs a shell command line as root; its whole output."""
        done = subprocess.run(self.command(["bash", "-c", command]), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout

    def succeeds(self, command):
        return subprocess.run(self.command(["bash", "-c", command]), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def read(self, name):
        path = self.path(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def files(self):
        """All files, links and folders of the system itself."""
        listed = self.run("find / -xdev ! -path '/tmp/*' ! -path '/var/cache/*' ! -path '/var/lib/apt/*' "
                          "! -path '/var/lib/dpkg/*' ! -path '/run/*' ! -path '/root/*'")
        return set(listed.splitlines())


class Unit:
    """A service of the system: started, reloaded and stopped as its unit file says, and heard as systemd would."""

    def __init__(self, debian, name):
        self.debian, self.name = debian, name
        self.manager = None
        self.process = None
        self.pid = None

    def settings(self):
        """{key: [values]} of the installed unit file."""
        found = {}
        text = self.debian.read(f"/lib/systemd/system/{self.name}.service")
        for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
            found.setdefault(key, []).append(value)
        return found

    def start(self):
        address = f"/run/{self.name}.notify"
        self.manager = self.manager or ServiceManager(self.debian.space, address=self.debian.path(address))
        command = shlex.split(self.settings()["ExecStart"][0])
        before = self._ready()
        self.process = subprocess.Popen(self.debian.command(command, {"NOTIFY_SOCKET": address}),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        assert self._wait_for_ready(before), f"{self.name} did not become ready"
        # php-fpm does not say which process it is.
        told = self.manager.heard("READY")[-1].get("MAINPID")
        self.pid = told or self.debian.run("pgrep -o -f 'php-fpm: master'").strip()
        return self

    def _ready(self):
        return len(self.manager.heard("READY", "1"))

    def _wait_for_ready(self, before):
        wait_until(lambda: self._ready() > before or self.process.poll() is not None, 120)
        return self._ready() > before

    def reload(self):
        """`systemctl reload`: False when a step of it fails, as systemctl would tell."""
        before = self._ready()
        for step in self.settings()["ExecReload"]:
            if not self.debian.succeeds(step.replace("$MAINPID", self.pid)):
                return False
        assert self._wait_for_ready(before), f"{self.name} did not become ready after the reload"
        return True

    def stop(self, how=None):
        kill = how or self.settings().get("KillSignal", ["SIGTERM"])[0]
        self.debian.run(f"kill -{kill.removeprefix('SIG')} {self.pid}")
        assert self.process.wait(60) == 0, f"{self.name} ended with {self.process.returncode}"

    def running(self):
        return self.process is not None and self.process.poll() is None


def newer_package(deb, folder, version):
    """The same package under another version, as an upgrade brings it."""
    tree = folder / "repacked"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", str(deb), str(tree)], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    # A default that has changed: what an administrator has not touched follows.
    with open(tree / "etc/lwc-fpm/lwc-fpm.conf", "a") as conf:
        conf.write(f"; defaults of {version}\n")
    made = folder / f"lwc-fpm_{version}_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(made)], check=True, stdout=subprocess.DEVNULL)
    return made
