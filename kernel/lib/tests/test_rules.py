# SPDX-License-Identifier: GPL-2.0-only
"""docs/kernel-rules.md names tests that there are, and leaves no rule out."""

import pathlib
import re

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SELFTESTS = REPOSITORY / "kernel/files/tools/testing/selftests/lwc"
TABLE = (REPOSITORY / "docs/kernel-rules.md").read_text(encoding="utf-8")
RULES = [f"S{number}" for number in range(1, 19)] + [f"X{number}" for number in range(1, 9)]


def test_every_rule_has_a_line():
    assert re.findall(r"^\| ([SX]\d+) \|", TABLE, re.M) == RULES


def test_every_test_named_exists():
    source = "".join(path.read_text(encoding="utf-8") for path in SELFTESTS.glob("*_test.c"))
    exists = set(re.findall(r"^(?:TEST|FIXTURE_VARIANT_ADD)\w*\((?:\w+, )?(\w+)", source, re.M))
    named = set(re.findall(r"`(\w+)`", TABLE)) - {"COPY", "SHARE", "UNMAP", "MAY_OVERLAY", "MADV_DONTNEED", "mremap"}
    errors = {word for word in named if re.fullmatch(r"E[A-Z0-9]+", word)}
    assert named - errors <= exists, named - errors - exists
