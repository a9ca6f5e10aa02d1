# SPDX-License-Identifier: GPL-2.0-only
"""Without CONFIG_LWC our tree makes the same kernel as Debian's: compares the machine code of every file that a patch touches, by function."""

import re
import subprocess

import build
import source
from common import CACHE, note, output, run

# Files that no patch touches, but that see a header which one does.
BESIDE = ("arch/x86/entry/common.o", "arch/x86/entry/syscall_64.o", "arch/x86/entry/syscall_32.o", "kernel/sched/fair.o", "mm/vmscan.o", "mm/rmap.o")
# Functions that do differ, and why.
KNOWN = {
    "arch/x86/entry/common.o": (r"do_syscall_64|do_int80_emulation|__do_fast_syscall_32", "the last call has a higher number"),
    "arch/x86/entry/syscall_64.o": (r"x64_sys_call", "there are six calls more, and exit may return"),
    "arch/x86/entry/syscall_32.o": (r"ia32_sys_call", "exit may return"),
    "kernel/seccomp.o": (r"\w*(seccomp|get_nth_filter|recv_wait_event)\w*", "a filter has a bitmap with a bit for each call"),
    "kernel/sys_ni.o": (r"__(x64|ia32)_sys_lwc_\w+", "six calls more are answered with ENOSYS"),
    "mm/memory.o": (r"copy_page_(sub)?range", "its range has become an argument"),
}


def _objects():
    touched = {path for patch in source.patches() for path in re.findall(r"^\+\+\+ b/(\S+)\.c$", patch.read_text(encoding="utf-8"), re.M)}
    return sorted({f"{path}.o" for path in touched} | set(BESIDE))


def _compile(tree, name, wishes):
    directory = CACHE / "unchanged" / name
    directory.mkdir(parents=True, exist_ok=True)
    make = ["make", "-s", "-C", tree, f"O={directory}", "-j2"]
    run([*make, f"KCONFIG_ALLCONFIG={wishes}", "allnoconfig"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run([*make, "prepare"])
    run([*make, *_objects()])
    return directory


def _normal(line):
    """One line of a disassembly without what says where things lie, which shifts with every string and every line of source."""
    line = re.sub(r"^\s*[0-9a-f]+:\s*", "", line)
    line = re.sub(r"\b[0-9a-f]+ (<)", r"\1", line)
    line = re.sub(r"\.(rodata|data|bss|init|text|altinstr|ref|sched|discard|meminit|static|__\w+)[\w.]*([+-]0x[0-9a-f]+)?", "SECTION", line)
    line = re.sub(r"(__UNIQUE_ID_\w+?|__key\.|__func__\.|__already_done\.|\.LC)\d+", r"\1", line)
    return re.sub(r"\.(isra|part|constprop|cold)\.\d+", r".\1", line)


def functions(text):
    """The instructions of each function in what objdump printed."""
    found, current = {}, None
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if head:
            current = found.setdefault(re.sub(r"\.\d+$", "", head[1]), [])
        elif current is not None and re.match(r"\s+[0-9a-f]+:", line):
            line = _normal(line)
            # What fills up to the next boundary
            if not re.match(r"(nop|nopw|nopl|cs nopw|data16|int3|xchg\s+%ax,%ax)\b", line):
                current.append(line)
    return found


def _read(path):
    return functions(output(["objdump", "-dr", "--no-show-raw-insn", path]))


def unchanged():
    """Compiles and compares; prints a line for each file and returns whether nothing differs but what is known to."""
    good = True
    with source.workspace() as space:
        wishes = CACHE / "unchanged" / "wishes"
        wishes.parent.mkdir(parents=True, exist_ok=True)
        # A tree that does not know CONFIG_LWC cannot be asked to leave it out.
        lines = [line for path in build.fragments("stock") for line in path.read_text(encoding="utf-8").splitlines() if "CONFIG_LWC" not in line]
        wishes.write_text("\n".join(lines) + "\n", encoding="utf-8")
        note("compiling what patches touch, from Debian's tree and from ours without CONFIG_LWC")
        theirs = _compile(source.pristine(source.version()), "debian", wishes)
        ours = _compile(space.tree, "ours", wishes)
        for path in _objects():
            before, after = _read(theirs / path), _read(ours / path)
            differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            pattern, why = KNOWN.get(path, ("", ""))
            fine = all(re.fullmatch(pattern, name.split(".")[0]) for name in differ)
            good = good and fine
            print(f"{'passed' if fine else 'failed'} {path}: {len(before)} functions, " +
                  (f"but for {' '.join(differ)} the same" + (f": {why}" if fine else "") if differ else "the same"), flush=True)
    return good
