# SPDX-License-Identifier: GPL-2.0-only
"""Debian 12's own kernel, unpacked beside ours: the ground that the engines for stock kernels have to stand on."""

import lzma
import pathlib
import re
import struct
import subprocess
import tempfile

from common import CACHE, ToolError, locked, need, note, output, replace_tree, run

# Not the cloud flavour, which is the same but for drivers: it has no 9p.
META_PACKAGE = "linux-image-amd64"
# What init needs before it can mount the host's files and open its streams.
MODULES = ("virtio_pci", "virtio_console", "virtio_net", "9pnet_virtio", "9p", "overlay")
ROOT = CACHE / "debian"


def image():
    """The image, then the modules to load in their order; None when it was not fetched."""
    found = sorted(ROOT.glob("*/vmlinux"))
    if not found:
        return None
    return [found[-1], *sorted(found[-1].parent.glob("*.ko"))]


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
                _unpack(depends[1], pathlib.Path(name)).rename(ROOT / depends[1])
        return image()[0]


def _uncompressed(image):
    """The ELF image inside: QEMU can start that (PVH), and unpacking it under emulation takes seconds. See Documentation/arch/x86/boot.rst."""
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset:][:length]
    if not payload.startswith(b"\xfd7zXZ\0"):
        raise ToolError("Debian's kernel is not compressed with xz any more")
    return lzma.LZMADecompressor().decompress(payload)


def _unpack(package, scratch):
    """Returns a directory with the image and the few modules needed, numbered in the order to load them."""
    note(f"downloading {package}")
    run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], cwd=scratch, stdout=subprocess.DEVNULL)
    (archive,) = scratch.glob("*.deb")
    root = scratch / "root"
    run(["dpkg", "-x", archive, root])
    vmlinuz = next((root / "boot").glob("vmlinuz-*"))
    release = vmlinuz.name.removeprefix("vmlinuz-")
    run(["depmod", "-b", root, release])
    modules = []
    for name in MODULES:
        for line in output(["modprobe", "-d", root, "-S", release, "--show-depends", name]).splitlines():
            word, _, path = line.strip().partition(" ")
            if word == "insmod" and path not in modules:
                modules.append(path)
    kept = replace_tree(scratch / "kept")
    (kept / "vmlinux").write_bytes(_uncompressed(vmlinuz.read_bytes()))
    for number, path in enumerate(map(pathlib.Path, modules)):
        path.rename(kept / f"{number:02}-{path.name}")
    kept.chmod(0o755)
    return kept
