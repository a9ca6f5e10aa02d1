# SPDX-License-Identifier: Apache-2.0
"""Every line of the leak matrix: request A changes something, request B on the same worker must not see it.

The engine comes from --engine (LWC_ENGINE), "php-fpm" being the real one; without it, what `auto` takes is tested.  Engines that isolate must hold every
case; for php-fpm and `none` the run must agree with the table in docs/leak-matrix.md.
"""

import os
import subprocess

import pytest

from harness import lwc_binary

from .matrix import MATRIX, LINES
from .run_case import ISOLATING, PHP_FPM, VARIANTS, run_case
from .table import committed

def automatic():
    """The engine that `auto` takes here."""
    lines = subprocess.run([lwc_binary(), "--probe"], check=True, capture_output=True, text=True).stdout.splitlines()
    return next(line.split()[0] for line in lines if line.endswith("(what auto takes)"))


ENGINE = os.environ.get("LWC_ENGINE") or automatic()
RUNS = [(case, variant) for case in MATRIX.cases for variant in (VARIANTS[:1] if ENGINE == PHP_FPM else VARIANTS)]


@pytest.mark.parametrize("case, variant", RUNS, ids=[f"{case.line}: {case.name} [{variant}]" for case, variant in RUNS])
def test_state_does_not_reach_the_next_request(space, case, variant):
    verdict = run_case(space, case, ENGINE, variant)
    if case.visible and not verdict.missing:
        assert verdict.proof != verdict.fresh, "request A changes nothing that could be seen: the case tests nothing"
    if ENGINE in ISOLATING:
        assert verdict.dirty == verdict.fresh
    else:
        assert verdict.word == committed()[case.line, case.name][f"{ENGINE} {variant}"]


def test_every_line_of_the_matrix_has_a_case():
    assert sorted(MATRIX.lines) == sorted(LINES)
    assert all(case.observe for case in MATRIX.cases)


@pytest.mark.skipif(ENGINE == PHP_FPM, reason="says something about lwc-fpm's engines")
def test_none_fails_most_of_the_committed_table():
    """From a plain script `none` ends the request as php-fpm does, which undoes what PHP knows of; from a snapshot
    nothing is undone. Taken together most cases must leak, and from a snapshot by far the most."""
    rows = committed().values()
    both = [row[f"none {variant}"] for row in rows for variant in VARIANTS]
    assert both.count("leaks") > both.count("holds")
    snapshot = [row["none snapshot"] for row in rows]
    assert snapshot.count("leaks") > 3 * snapshot.count("holds")
