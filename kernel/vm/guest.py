# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is made of: its initramfs and QEMU's command line."""

import hashlib
import os
import pathlib
import stat
import struct
import subprocess
import tempfile

import tsc

_PAGE = 4096
HERE = pathlib.Path(__file__).resolve().parent


class GuestError(Exception):
    """The guest could not be put together; the message is for the user."""


def _cpio_entry(name, mode, data=b"", rdev=(0, 0)):
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(path), 0)
    entry = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    entry += b"\0" * (-len(entry) % 4)
    return entry + data + b"\0" * (-len(data) % 4)


def _archive(entries):
    blob = b"".join(_cpio_entry(*entry) for entry in entries) + _cpio_entry("TRAILER!!!", 0)
    return blob + b"\0" * (-len(blob) % 512)


def build_init(cache):
    """Compiles the guest's first process unless the cache has it, and returns its path."""
    sources = [HERE / "init.c", HERE / "command.c"]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in [HERE / "init.h", *sources])).hexdigest()[:16]
    program = cache / "vm" / f"init-{key}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
            built = pathlib.Path(scratch) / "init"
            done = subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", built, *sources], check=False, stdin=subprocess.DEVNULL)
            if done.returncode:
                raise GuestError("cannot compile kernel/vm/init.c and command.c (needs gcc and libc6-dev)")
            built.rename(program)
    return program


def initramfs(init, spec, modules):
    """The bytes of the initramfs: init, what it is to run, and for a modular kernel its modules in the order to load them."""
    directory = stat.S_IFDIR | 0o755
    entries = [("dev", directory), ("proc", directory), ("sys", directory),
               ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
               ("init", stat.S_IFREG | 0o755, init.read_bytes()),
               ("spec", stat.S_IFREG | 0o600, b"".join(f"{key}={value}".encode(errors="surrogateescape") + b"\0" for key, value in spec))]
    if modules:
        entries.append(("modules", directory))
        entries.append(("modules/list", stat.S_IFREG | 0o644, "".join(module.name + "\n" for module in modules).encode()))
        entries += [("modules/" + module.name, stat.S_IFREG | 0o644, module.read_bytes()) for module in modules]
    return _archive(entries)


def _quote(value):
    """QEMU's option lists separate with commas; a comma in a value is written twice."""
    return str(value).replace(",", ",,")


def qemu_command(image, options, scratch):
    """QEMU's arguments for one run; `scratch` holds the initramfs and the sockets of the streams."""
    console = "console=ttyS0 earlyprintk=ttyS0" if options.verbose else "console=ttyS0"
    # With -icount the counter advances by one a nanosecond.
    clock = "" if options.kvm else "tsc_early_khz=%d" % (1_000_000 if options.icount else tsc.frequency_khz())
    # kmemleak notes every allocation with its stack from the start: half of the debug kernel's boot.
    leaks = "kmemleak=off" if options.no_leak_check else ""
    # A guest stands still when its host is busy or stopped: not what the detectors of lockups are for.
    patience = "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"
    # QEMU translates code anew at each other address that it runs at: where nothing is moved at random, much of what processes run is
    # translated already.
    fixed = "nokaslr norandmaps"
    line = f"{console} loglevel=7 panic=-1 oops=panic reboot=t {fixed} mitigations=off random.trust_cpu=on tsc=reliable {patience} {clock} {leaks} {options.append}".strip()
    if options.kvm:
        accelerator = ["-accel", "kvm", "-cpu", "host"]
    elif options.icount:
        # A string instruction counts once for each repetition. Without ERMS the kernel clears and copies pages by words, not bytes, so that a page
        # counts as 512.
        accelerator = ["-accel", "tcg,thread=single", "-cpu", "max,la57=off,erms=off,fsrm=off", "-icount", "shift=0"]
    else:
        # One thread for all processors, unless asked otherwise: with one each, a processor may go on running what another has overwritten already
        # (https://gitlab.com/qemu-project/qemu/-/work_items/4669), and the kernel dies of a breakpoint that it has removed.
        accelerator = ["-accel", "tcg,thread=" + ("multi" if options.parallel else "single"), "-cpu", "max,la57=off"]
    # The tables that a kernel without ACPI reads (MP) list one processor a socket.
    command = ["setpriv", "--pdeathsig", "KILL", "--", "qemu-system-x86_64", "-nodefaults", "-no-user-config",
               "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-display", "none", "-no-reboot",
               "-M", "q35", *accelerator, "-smp", f"{options.cpus},sockets={options.cpus},cores=1,threads=1", "-m", options.mem,
               "-kernel", str(image), "-initrd", str(scratch / "initramfs"), "-append", line,
               "-chardev", f"file,id=log,path={_quote(scratch / 'kernel.log')}", "-serial", "chardev:log",
               "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap", "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
               "-device", "virtio-serial-pci"]
    for port in ("control", "stdin", "stdout", "stderr"):
        command += ["-chardev", f"socket,id={port},path={_quote(scratch / port)}", "-device", f"virtserialport,chardev={port},name=lwc.{port}"]
    for index, directory in enumerate(options.write):
        command += ["-fsdev", f"local,id=share{index},path={_quote(directory)},security_model=none,multidevs=remap",
                    "-device", f"virtio-9p-pci,fsdev=share{index},mount_tag=share{index}"]
    if options.swap:
        command += ["-drive", f"file={_quote(scratch / 'swap')},format=raw,if=none,id=swap,cache=unsafe", "-device", "virtio-blk-pci,drive=swap"]
    if options.gdb:
        command += ["-gdb", f"tcp:127.0.0.1:{options.gdb}", "-S"]
    if options.port:
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in options.port)
        command += ["-netdev", f"user,id=net,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=net"]
    return command


def make_swap(path, size):
    """An empty swap area as mkswap makes one: see union swap_header in include/linux/swap.h."""
    pages = size // _PAGE
    header = bytearray(_PAGE)
    struct.pack_into("<III", header, 1024, 1, pages - 1, 0)
    header[-10:] = b"SWAPSPACE2"
    with open(path, "wb") as area:
        area.write(header)
        area.truncate(pages * _PAGE)


def scratch_directory():
    base = os.environ.get("TMPDIR", "/tmp")
    return tempfile.TemporaryDirectory(prefix="lwc-vm-", dir=base)
