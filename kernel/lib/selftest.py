# SPDX-License-Identifier: GPL-2.0-only
"""Runs kernel/files/tools/testing/selftests/lwc in the guest, on each kernel asked for.

The directory follows the kernel's own convention: its Makefile sets TEST_GEN_PROGS and includes lib.mk, and each program prints TAP. All programs
of a kernel run in one guest, one after the other; when one of them takes the guest down, a new guest goes on with those after it.
"""

import fnmatch
import os
import re
import subprocess
import sys
import tempfile

import build
import source
from common import CACHE, JOBS, KERNEL, ToolError, note, output, run

sys.path.insert(0, str(KERNEL / "vm"))
# pylint: disable=wrong-import-position
import verdict  # noqa: E402

SELFTESTS = "tools/testing/selftests/lwc"
PROGRAM_TIMEOUT = {"lwc": 1800, "lwc-debug": 3600}
BOOT_TIMEOUT = 120

# $1: seconds for each program. The marks in the kernel's log tell which program a report belongs to.
RUNNER = r"""
limit=$1; shift
for program; do
    name=${program##*/}
    echo "<6>selftest: $name" > /dev/kmsg
    echo "@begin $name"
    timeout -k 5 "$limit" "$program" 2>&1 < /dev/null
    echo "@end $name $?"
done
"""


class Program:
    """What one test program said and what the kernel said meanwhile."""

    def __init__(self, name):
        self.name = name
        self.lines = []
        self.status = None
        self.reports = []

    def results(self):
        """Pairs (outcome, name): one for each TAP line, or one for the program when it printed none."""
        found = []
        for line in self.lines:
            match = re.match(r"(not )?ok\s+\d+\s*-?\s*(.*)", line)
            if match:
                skipped = re.search(r"#\s*SKIP", match[2], re.I)
                found.append(("failed" if match[1] else "skipped" if skipped else "passed", match[2]))
        whole = self._whole(found)
        return found + ([whole] if whole else [])

    def _whole(self, found):
        """What is wrong with the program as a whole, beside its single results."""
        if self.reports:
            return "failed", "the kernel complained"
        if self.status is None:
            return "failed", "the guest went down"
        if self.status == 124:
            return "failed", "timed out"
        planned = [int(match[1]) for match in (re.match(r"1\.\.(\d+)", line) for line in self.lines) if match]
        if planned and planned[-1] > len(found):
            return "failed", f"{len(found)} of {planned[-1]} planned results"
        if self.status not in (0, 4) and not any(outcome == "failed" for outcome, _ in found):
            return "failed", f"exit status {self.status}"
        if not found:
            return ("skipped", "skipped") if self.status == 4 else ("failed", "no results printed")
        return None


def compile_programs():
    """Builds the programs; returns their paths."""
    target = CACHE / "selftests" / source.source_key(source.version())[:16]
    if not (KERNEL / "files" / SELFTESTS).exists():
        raise ToolError(f"there is no kernel/files/{SELFTESTS}")
    with source.workspace() as space:
        objects = space.objects("lwc")
        build.configure(space, "lwc", objects)
        build.make(space, objects, "headers", stdout=subprocess.DEVNULL)
        target.mkdir(parents=True, exist_ok=True)
        command = ["make", "-s", "-C", space.tree / SELFTESTS, f"-j{JOBS}", f"OUTPUT={target}", f"KHDR_INCLUDES=-isystem {objects}/usr/include", "USERLDFLAGS=-static"]
        run([*command, "all"], stdout=subprocess.DEVNULL)
        names = [line.partition(":")[2] for line in output([*command, "emit_tests"]).splitlines() if ":" in line]
    return [target / name for name in names]


def _boot(kernel, programs, limit):
    """One guest; returns the Programs that it began, in order."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        races = [] if kernel not in build.FLAVOURS or build.patches_itself(kernel) else ["--parallel"]
        command = [KERNEL / "vm" / "run", "--kernel", kernel, *races, "--log", log.name, "--swap", "256M", "--timeout", BOOT_TIMEOUT + limit * len(programs), "--",
                   "sh", "-c", RUNNER, "sh", limit, *programs]
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        kernel_log = open(log.name, encoding="utf-8", errors="replace").read()  # pylint: disable=consider-using-with
    began = _parse(done.stdout.decode(errors="replace"))
    if not began:
        raise ToolError(f"the guest with kernel {kernel} ran nothing:\n" + done.stderr.decode(errors="replace"))
    _assign_reports(kernel_log, began)
    if done.returncode and all(program.status is not None and not program.reports for program in began) and len(began) == len(programs):
        began[-1].reports.append(done.stderr.decode(errors="replace").strip())
    return began


def _parse(text):
    began = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "@begin":
            began.append(Program(rest))
        elif word == "@end":
            began[-1].status = int(rest.rpartition(" ")[2])
        elif began:
            began[-1].lines.append(line)
    return began


def _assign_reports(log, programs):
    """The part of the log after a program's mark is its own; what comes before the first belongs to the first."""
    parts = re.split(r"selftest: (\S+)\n", log)
    by_name = {program.name: program for program in programs}
    programs[0].reports += verdict.complaints(parts[0])
    for name, part in zip(parts[1::2], parts[2::2]):
        if name in by_name:
            by_name[name].reports += verdict.complaints(part)


def _run_all(kernel, programs):
    limit = PROGRAM_TIMEOUT.get(kernel, 1800)
    left = list(programs)
    while left:
        began = _boot(kernel, left, limit)
        yield from began
        left = left[len(began):]


def _print(kernel, program, verbose):
    failed = False
    for outcome, text in program.results():
        failed |= outcome == "failed"
        print(f"{_color(outcome)} {kernel} {program.name}: {text}")
    if failed or verbose:
        for line in program.lines:
            print("    " + line)
        for report in program.reports:
            print("    " + report.replace("\n", "\n    "))
    sys.stdout.flush()


def _color(outcome):
    codes = {"passed": "32", "failed": "31", "skipped": "33"}
    return f"\033[{codes[outcome]}m{outcome}\033[0m" if os.isatty(1) else outcome


def test(kernels, patterns, verbose):
    """Runs the programs that match on every kernel; returns whether none failed."""
    for kernel in kernels:
        if kernel in build.FLAVOURS:
            build.build(kernel)
    programs = [path for path in compile_programs() if not patterns or any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)]
    if not programs:
        raise ToolError("no selftest of that name")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for kernel in kernels:
        note(f"{len(programs)} selftests on {kernel}")
        for program in _run_all(kernel, programs):
            _print(kernel, program, verbose)
            for outcome, _ in program.results():
                counts[outcome] += 1
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return counts["failed"] == 0 and counts["passed"] > 0
