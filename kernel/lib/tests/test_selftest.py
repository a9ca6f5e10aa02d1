# SPDX-License-Identifier: GPL-2.0-only
"""What the selftests print is read right: a program cannot pass by printing less than it should."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import selftest  # noqa: E402  pylint: disable=wrong-import-position

GOOD = "@begin switch\nTAP version 13\n1..2\nok 1 registers\nok 2 floating point # SKIP no AVX\n@end switch 0\n"


def results(text):
    (program,) = selftest._parse(text)  # pylint: disable=protected-access
    return program.results()


def test_each_line_is_a_result():
    assert results(GOOD) == [("passed", "registers"), ("skipped", "floating point # SKIP no AVX")]


@pytest.mark.parametrize("text, reason", [
    (GOOD.replace("ok 1", "not ok 1").replace("switch 0", "switch 1"), "registers"),
    (GOOD.replace("1..2", "1..3"), "2 of 3 planned results"),
    (GOOD.replace("switch 0", "switch 139"), "exit status 139"),
    (GOOD.replace("switch 0", "switch 124"), "timed out"),
    (GOOD.replace("@end switch 0\n", ""), "the guest went down"),
    ("@begin switch\n@end switch 0\n", "no results printed"),
])
def test_a_failure_is_seen(text, reason):
    assert ("failed", reason) in results(text)


def test_a_program_may_skip_as_a_whole():
    assert results("@begin switch\nTAP version 13\n1..0 # SKIP no lwCs\n@end switch 4\n") == [("skipped", "skipped")]


def test_the_kernels_report_counts_against_the_program_that_ran():
    programs = selftest._parse("@begin a\nok 1 a\n@end a 0\n@begin b\nok 1 b\n@end b 0\n")  # pylint: disable=protected-access
    log = "[ 1.0] boot\n[ 2.0] selftest: a\n[ 2.5] fine\n[ 3.0] selftest: b\n[ 3.5] BUG: KASAN: use-after-free in lwc_put\n"
    selftest._assign_reports(log, programs)  # pylint: disable=protected-access
    assert programs[0].results() == [("passed", "a")]
    assert programs[1].results() == [("passed", "b"), ("failed", "the kernel complained")]
