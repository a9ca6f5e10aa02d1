# SPDX-License-Identifier: Apache-2.0
"""What a case of the leak matrix is."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """Request A runs `change`, then request B on the same worker evaluates `observe`.

    B must see what the same expression gives in a fresh process.  A evaluates `observe` too, after its
    change, and must see something else: otherwise the case would test nothing.  `visible=False` is for
    changes that end the request (a crash) or only take effect after it.
    """

    line: str  # the line of the matrix it belongs to
    name: str
    change: str  # PHP statements
    observe: str  # a PHP expression, any JSON value
    visible: bool = True
    ini: dict[str, str] = dataclasses.field(default_factory=dict)
    pool: dict[str, str] = dataclasses.field(default_factory=dict)
    params: dict[str, str] = dataclasses.field(default_factory=dict)  # FastCGI params of request A only
    body: bytes = b""  # body of request A only
    content_type: str = ""
    answer: str = "any"  # what A's client must get: "any" answer with status 200, or any "end" at all
    fresh_first: bool = False  # ask the fresh worker before A runs: A changes what the workers share
    needs: str = ""  # a PHP function without which the case cannot be run


@dataclasses.dataclass
class Line:
    """Collects the cases of one line of the matrix."""

    line: str
    cases: list[Case] = dataclasses.field(default_factory=list)

    def add(self, name: str, change: str, observe: str, **more: object) -> "Line":
        self.cases.append(Case(self.line, name, change, observe, **more))
        return self


class Table:
    def __init__(self) -> None:
        self._lines: list[Line] = []

    @staticmethod
    def joined(*tables: "Table") -> "Table":
        whole = Table()
        whole._lines = [line for table in tables for line in table._lines]
        return whole

    def line(self, text: str) -> Line:
        """The line of that name, made where there is none."""
        for line in self._lines:
            if line.line == text:
                return line
        self._lines.append(Line(text))
        return self._lines[-1]

    @property
    def lines(self) -> list[str]:
        return [line.line for line in self._lines]

    @property
    def cases(self) -> list[Case]:
        return [case for line in self._lines for case in line.cases]
