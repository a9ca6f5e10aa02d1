# SPDX-License-Identifier: GPL-2.0-only
"""Builds kernels and keeps the finished images, keyed by a hash of everything that went into them."""

import hashlib
import os
import re
import resource
import shutil
import subprocess
import time

import source
from common import CACHE, JOBS, KERNEL, ToolError, need, note, run

# A flavour is everything off but what these fragments ask for; a later one overrides an earlier one.
FLAVOURS = {
    "lwc": ("lwc",),
    "lwc-debug": ("lwc", "debug"),
    "stock": ("lwc", "stock"),
    "lwc-gdb": ("lwc", "gdb"),
    "deb-reduced": ("deb-reduced",),
}
BUILD_PACKAGES = ("gcc", "libc6-dev", "make", "flex", "bison", "bc", "libelf-dev", "kmod", "cpio", "rsync", "qemu-system-x86")
KEPT_IMAGES = 4


def fragments(flavour):
    try:
        return [KERNEL / "config" / name for name in FLAVOURS[flavour]]
    except KeyError:
        raise ToolError(f"no such kernel: {flavour} (there are {', '.join(FLAVOURS)})") from None


def image_directory(flavour):
    key = hashlib.sha256(source.source_key(source.version(), only_compiled=True).encode())
    for fragment in fragments(flavour):
        key.update(fragment.read_bytes())
    return CACHE / "images" / f"{flavour}-{key.hexdigest()[:16]}"


def image(flavour):
    """The finished image, or None when these sources have not been built."""
    path = image_directory(flavour) / "vmlinux"
    return path if path.exists() else None


def patches_itself(flavour):
    """Does the finished kernel patch its own code while it runs? vm/run --parallel is not for such a one."""
    config = image_directory(flavour) / "config"
    return _settings(config.read_text(encoding="utf-8")).get("CONFIG_JUMP_LABEL") == "y"


def _settings(text):
    settings = {}
    for line in text.splitlines():
        found = re.match(r"(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set", line)
        if found:
            settings[found[1] or found[3]] = found[2] if found[1] else "n"
    return settings


def check_config(config, wanted_files):
    """A wish that Kconfig dropped without a word would make a test mean less than it says."""
    wanted, actual = {}, _settings(config.read_text(encoding="utf-8"))
    for path in wanted_files:
        wanted.update(_settings(path.read_text(encoding="utf-8")))
    lost = [f"{name}={value}" for name, value in wanted.items() if actual.get(name, "n") != value]
    if not (source.KERNEL / "files" / "kernel" / "lwc").exists():
        lost = [wish for wish in lost if not wish.startswith("CONFIG_LWC=")]
    if lost:
        raise ToolError("not granted by Kconfig: " + " ".join(lost))


def make(space, objects, *targets, **options):
    """make in the workspace's tree, as reproducible as it goes."""
    environment = dict(os.environ, KBUILD_BUILD_TIMESTAMP="1970-01-01", KBUILD_BUILD_USER="lwc", KBUILD_BUILD_HOST="lwc", KBUILD_BUILD_VERSION="1")
    run(["make", "-s", "-C", space.tree, f"O={objects}", f"-j{JOBS}", *targets], env=environment, **options)


def configure(space, flavour, objects):
    """Makes .config afresh when the fragments or any Kconfig file of ours changed."""
    objects.mkdir(parents=True, exist_ok=True)
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in fragments(flavour)))
    for path in sorted(space.tree / name for name in space.changed("Kconfig")):
        stamp.update(path.read_bytes())
    stamp_file = objects / ".lwc-stamp"
    if stamp_file.exists() and stamp_file.read_text(encoding="utf-8") == stamp.hexdigest():
        return
    stamp_file.unlink(missing_ok=True)
    wishes = objects / "wishes"
    wishes.write_text(f'CONFIG_LOCALVERSION="-{flavour}"\n' + "".join(path.read_text(encoding="utf-8") for path in fragments(flavour)), encoding="utf-8")
    # What is not wished for is off, also where Kconfig's own default is on.
    make(space, objects, f"KCONFIG_ALLCONFIG={wishes}", "allnoconfig", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check_config(objects / ".config", fragments(flavour))
    stamp_file.write_text(stamp.hexdigest(), encoding="utf-8")


def build(flavour):
    """Builds one flavour unless its image is there; returns the image."""
    found = image(flavour)
    if found:
        return found
    need(*BUILD_PACKAGES)
    with source.workspace() as space:
        directory = image_directory(flavour)
        objects = space.objects(flavour)
        started = time.monotonic(), _processor_time()
        note(f"building {flavour} in {objects}")
        configure(space, flavour, objects)
        make(space, objects, "vmlinux")
        _publish(objects, directory)
        note(f"built {flavour} in {time.monotonic() - started[0]:.0f} s, {_processor_time() - started[1]:.0f} s of processor time")
    _prune(flavour, directory)
    return directory / "vmlinux"


def _processor_time():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _publish(objects, directory):
    scratch = directory.with_name(directory.name + f".{os.getpid()}")
    scratch.mkdir(parents=True)
    run(["objcopy", "--strip-debug", objects / "vmlinux", scratch / "vmlinux"])
    shutil.copyfile(objects / ".config", scratch / "config")
    shutil.copyfile(objects / "System.map", scratch / "System.map")
    shutil.rmtree(directory, ignore_errors=True)
    scratch.rename(directory)


def _prune(flavour, newest):
    """Old images are small but many."""
    pattern = re.compile(re.escape(flavour) + r"-[0-9a-f]{16}$")
    images = [path for path in newest.parent.iterdir() if pattern.match(path.name)]
    for path in sorted(images, key=lambda path: path.stat().st_mtime)[:-KEPT_IMAGES]:
        shutil.rmtree(path, ignore_errors=True)
