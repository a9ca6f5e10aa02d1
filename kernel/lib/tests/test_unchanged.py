# SPDX-License-Identifier: GPL-2.0-only
"""Two disassemblies are the same if only places in them differ, and not if an instruction does."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import unchanged  # noqa: E402  pylint: disable=wrong-import-position

THEIRS = """
0000000000000010 <copy.part.3>:
      10:\tpush   %rbx
      11:\ttest   %rdi,%rdi
      14:\tje     20 <copy.part.3+0x10>
      16:\tmov    $0x0,%rsi
\t\t\t19: R_X86_64_32S\t.rodata.str1.8+0x40
      1d:\tnopl   (%rax)
      20:\tret
"""
MOVED = THEIRS.replace("      1", "      3").replace("      20:", "      40:").replace(" 20 <", " 40 <").replace("+0x40", "+0x58").replace("part.3", "part.7")


def test_places_do_not_count():
    assert unchanged.functions(THEIRS) == unchanged.functions(MOVED) != {}


def test_an_instruction_counts():
    assert unchanged.functions(THEIRS) != unchanged.functions(MOVED.replace("je ", "jne"))
    assert unchanged.functions(THEIRS) != unchanged.functions(MOVED.replace("      31:\ttest   %rdi,%rdi\n", ""))
    assert unchanged.functions(THEIRS) != unchanged.functions(MOVED.replace(".rodata.str1.8+0x58", "other_symbol"))
