# SPDX-License-Identifier: GPL-2.0-only
"""Takes a kernel package of Debian's kind apart, so that the guest can boot what is in it without installing it."""

import hashlib
import lzma
import pathlib
import struct
import subprocess
import zlib

from common import ToolError, output, replace_tree, run

# What init needs before it can mount the host's files and open its streams.
MODULES = ("virtio_pci", "virtio_console", "virtio_net", "virtio_blk", "9pnet_virtio", "9p", "overlay")
# Names what unpack() keeps, for caches.
KEY = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()[:8]


def contents(directory):
    """The image, then the modules to load in their order, of a directory that unpack() made."""
    return [directory / "vmlinux", *sorted(directory.glob("*.ko"))]


def _uncompressed(image):
    """The ELF image inside a bzImage: QEMU starts that directly (PVH), and unpacking it under emulation takes seconds.

    See Documentation/arch/x86/boot.rst for the header.
    """
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset:][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31).decompress(payload)
    raise ToolError("the kernel in the package is compressed with neither xz nor gzip")


def _load_order(root, release):
    """Paths of MODULES and what they depend on; what is built in needs no loading."""
    paths = []
    for name in MODULES:
        for line in output(["modprobe", "-d", root, "-S", release, "--show-depends", name]).splitlines():
            word, _, path = line.strip().partition(" ")
            if word == "insmod" and path not in paths:
                paths.append(path)
    return [pathlib.Path(path) for path in paths]


def unpack(archive, scratch):
    """Returns a directory below `scratch` with the image and the few modules that the guest needs, numbered in the order to load them."""
    root = scratch / "root"
    run(["dpkg", "-x", archive, root])
    images = list((root / "boot").glob("vmlinuz-*"))
    if not images:
        raise ToolError(f"{archive}: no kernel in it")
    release = images[0].name.removeprefix("vmlinuz-")
    run(["depmod", "-b", root, release], stderr=subprocess.DEVNULL)
    kept = replace_tree(scratch / "kept")
    (kept / "vmlinux").write_bytes(_uncompressed(images[0].read_bytes()))
    for number, path in enumerate(_load_order(root, release)):
        path.rename(kept / f"{number:02}-{path.name}")
    kept.chmod(0o755)
    return kept
