# SPDX-License-Identifier: GPL-2.0-only
"""Installable kernel packages, made by the kernel's own bindeb-pkg."""

import lzma
import pathlib
import shutil
import subprocess

import build
import source
from common import KERNEL, ToolError, installed_version, need, note

PACKAGES = ("debhelper", "dpkg-dev", "libssl-dev", "dwarves", *build.BUILD_PACKAGES)
CONFIG_PACKAGE = f"linux-config-{source.SERIES}"
CLOUD_CONFIG = pathlib.Path(f"/usr/src/{CONFIG_PACKAGE}/config.amd64_none_cloud-amd64.xz")


def _configure_cloud(space, objects):
    """Debian's cloud configuration with config/deb over it."""
    need(CONFIG_PACKAGE)
    objects.mkdir(parents=True, exist_ok=True)
    fragment = KERNEL / "config" / "deb"
    (objects / ".config").write_bytes(lzma.decompress(CLOUD_CONFIG.read_bytes()) + fragment.read_bytes())
    build.make(space, objects, "olddefconfig", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    build.check_config(objects / ".config", [fragment])


def deb(reduced, directory):
    """Builds the packages and moves them to `directory`; returns the image package."""
    need(*PACKAGES)
    flavour = "deb-reduced" if reduced else "deb"
    directory.mkdir(parents=True, exist_ok=True)
    with source.workspace() as space:
        base = space.path / flavour
        objects = base / "objects"
        if reduced:
            build.configure(space, flavour, objects)
        else:
            _configure_cloud(space, objects)
        for left in base.glob("*.deb"):
            left.unlink()
        note(f"building packages in {objects}; " + ("some minutes" if reduced else "hours on two processors"))
        version = f"{installed_version(source.PACKAGE)}+lwc1"
        build.make(space, objects, "bindeb-pkg", f"KDEB_PKGVERSION={version}", stdout=subprocess.DEVNULL)
        packages = sorted(base.glob("*.deb"))
        images = [path.name for path in packages if path.name.startswith("linux-image-")]
        if len(images) != 1:
            raise ToolError(f"bindeb-pkg made {[path.name for path in packages]}")
        for path in packages:
            shutil.move(path, directory / path.name)
    return directory / images[0]
