# SPDX-License-Identifier: Apache-2.0
"""docs/leak-matrix.md: written from a real run, read back by the tests.

    fcgi-server/tests/leak_matrix/write-table [ENGINE...]     (default: every engine that the table has)
    kernel/vm/run --timeout 0 --mem 3G --write docs -- fcgi-server/tests/leak_matrix/write-table kernel

Columns of engines that are not named are kept as they stand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness import Workspace

from .matrix import MATRIX
from .run_case import ISOLATING, PHP_FPM, VARIANTS, run_case

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/leak-matrix.md"
ENGINES = (PHP_FPM, "none", "fork", "rollback", "kernel")
HEAD = ["Kind of state", "Case"]
Rows = dict[tuple[str, str], dict[str, str]]

INTRODUCTION = """# The leak matrix

Request A changes something, request B on the same worker looks. *holds*: B sees what it would see in a fresh process.
*leaks*: it sees something else, or gets no answer. *n/a*: this PHP has no such function (Debian's php-fpm is built
without pcntl). *base* is a plain script, *snapshot* a front controller that called `lwc_snapshot()`. The columns are
engines of lwc-fpm; php-fpm is there for comparison, `none` to show that the tests can fail.

Memory that is shared on purpose (opcache, APCu) and files are not undone by anybody and not in the table.

Written by `fcgi-server/tests/leak_matrix/write-table`; `fcgi-server/tests/run leak-matrix --engine ENGINE` checks it.
"""


def columns(engines: tuple[str, ...] = ENGINES) -> list[str]:
    return [f"{engine} {variant}" for engine in engines
            for variant in (VARIANTS[:1] if engine == PHP_FPM else VARIANTS)]


def committed() -> Rows:
    """The table as it stands in docs/."""
    rows: Rows = {}
    head: list[str] = []
    for line in DOCUMENT.read_text().splitlines() if DOCUMENT.exists() else []:
        cells = [cell.strip().replace("\\|", "|") for cell in line.strip("|").split(" |")]
        if not line.startswith("|") or set(line) <= set("|- "):
            continue
        if not head:
            head = cells
        else:
            rows[cells[0], cells[1]] = dict(zip(head[2:], cells[2:]))
    return rows


def measure(engine: str, variant: str) -> dict[tuple[str, str], str]:
    words = {}
    for case in MATRIX.cases:
        with Workspace() as space:
            words[case.line, case.name] = run_case(space, case, engine, variant).word
        print(f"{engine} {variant}: {case.line}: {case.name}: {words[case.line, case.name]}", flush=True)
    return words


def render(rows: Rows) -> str:
    shown = [column for column in columns() if all(column in row for row in rows.values())]
    lines = ["| " + " | ".join(HEAD + shown) + " |", "|" + "---|" * (len(HEAD) + len(shown))]
    for (line, name), row in rows.items():
        lines.append("| " + " | ".join([line, name] + [row[column] for column in shown]) + " |")
    total = []
    for column in shown:
        words = [row[column] for row in rows.values()]
        total.append(f"- {column}: {words.count('holds')} hold, {words.count('leaks')} leak")
    return INTRODUCTION + "\n" + "\n".join(total) + "\n\n" + "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    before = committed()
    rows: Rows = {(case.line, case.name): dict(before.get((case.line, case.name), {})) for case in MATRIX.cases}
    for column in columns(tuple(arguments) or ENGINES):
        engine, variant = column.rsplit(" ", 1)
        for key, word in measure(engine, variant).items():
            rows[key][column] = word
    DOCUMENT.write_text(render(rows))
    leaks = [key for key, row in rows.items() for column in row
             if column.split()[0] in ISOLATING and row[column] == "leaks"]
    print(f"{DOCUMENT}: {len(rows)} cases, {len(leaks)} leaks on engines that isolate")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
