# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that come as packages: Debian 12's own, on which the engines for stock kernels have to stand, and those of `kernel/tool deb`."""

import hashlib
import pathlib
import re
import subprocess
import tempfile

import package
from common import CACHE, ToolError, locked, need, note, output, run

# Not the cloud flavour, which is the same but for drivers: it has no 9p.
META_PACKAGE = "linux-image-amd64"
ROOT = CACHE / "debian"


def image():
    """Debian's image, then the modules to load in their order; None when it was not fetched."""
    found = sorted(ROOT.glob(f"linux-image-*,{package.KEY}"))
    return package.contents(found[-1]) if found else None


def fetch():
    """Unpacks the package that linux-image-amd64 stands for, unless that was done; returns the image."""
    with locked(CACHE / "debian.lock"):
        if not image():
            need("kmod")
            depends = re.search(r"Depends: (linux-image-\S+)", output(["apt-cache", "depends", META_PACKAGE]))
            if not depends:
                raise ToolError(f"apt does not know what {META_PACKAGE} depends on (apt-get update?)")
            ROOT.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="debian-") as name:
                package.unpack(_download(depends[1], name), pathlib.Path(name)).rename(ROOT / f"{depends[1]},{package.KEY}")
        return image()[0]


def _download(name, directory):
    note(f"downloading {name}")
    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", name], cwd=directory, stdout=subprocess.DEVNULL)
    return next(pathlib.Path(directory).glob("*.deb"))


def from_file(archive):
    """The same for a package file, kept by its content."""
    if not archive.is_file():
        raise ToolError(f"{archive}: no such file")
    need("kmod")
    kept = CACHE / "packages" / f"{hashlib.sha256(archive.read_bytes()).hexdigest()[:16]},{package.KEY}"
    with locked(CACHE / "debian.lock"):
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="package-") as name:
                package.unpack(archive.resolve(), pathlib.Path(name)).rename(kept)
    return package.contents(kept)
