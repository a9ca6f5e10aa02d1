# SPDX-License-Identifier: GPL-2.0-only
"""What every command of kernel/tool needs: places, errors, locks, and calling other programs."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

KERNEL = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("LWC_CACHE", "/var/cache/lwc-fpm")) / "kernel"
JOBS = int(os.environ.get("LWC_JOBS", os.cpu_count() or 1))


class ToolError(Exception):
    """Something the user must hear about, in one line."""


def note(text):
    print("kernel/tool: " + text, file=sys.stderr, flush=True)


def run(command, **options):
    """Runs a program; a failure of it is a ToolError."""
    try:
        return subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, **options)
    except FileNotFoundError as error:
        raise ToolError(f"{command[0]}: not installed") from error
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{' '.join(map(str, command[:4]))} ... failed with status {error.returncode}") from error


def output(command, **options):
    return run(command, stdout=subprocess.PIPE, text=True, **options).stdout


@contextlib.contextmanager
def locked(path, wait=True):
    """Holds an exclusive lock on `path`; yields False when somebody else has it and `wait` is not asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def installed_version(package):
    found = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package], capture_output=True, text=True, check=False)
    status, _, version = found.stdout.partition(" ")
    return version if status == "installed" else None


def need(*packages):
    """Installs the Debian packages that are missing."""
    missing = [package for package in packages if not installed_version(package)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise ToolError("missing packages: apt-get install " + " ".join(missing))
    note("installing " + " ".join(missing))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", *missing]
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    if subprocess.run(install, check=False, **quiet).returncode == 0:
        return
    run(["apt-get", "-q", "update"], env=environment, stdout=subprocess.DEVNULL)
    run(install, env=environment, stdout=subprocess.DEVNULL)


def replace_tree(path):
    """An empty directory in the place of whatever was there."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
