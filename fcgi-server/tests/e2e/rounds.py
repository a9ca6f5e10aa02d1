# SPDX-License-Identifier: Apache-2.0
"""The same again and again, by several clients at once: LWC_FAULT_ROUNDS times (the suite faults-long: ten thousand)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from .meeting import MEET, at_once
from .served import LONGER_THAN_A_STALL, Served

ROUNDS = int(os.environ.get("LWC_FAULT_ROUNDS", "200"))
CLIENTS = 4
# Rounds that last until a time limit: seconds of the limit, workers, and what a script does first. With so many workers ten
# thousand go by in minutes; they wait until their time is nearly over, or their endless loops would leave no time to others.
LIMIT = LONGER_THAN_A_STALL
WORKERS_FOR_LIMITS, FIRST = (100, f"usleep({LIMIT}_000_000 - 100_000);") if ROUNDS >= 1000 else (4, "")


def many(one_round: Callable[[int], object], rounds: int = ROUNDS, clients: int = CLIENTS) -> None:
    """Calls it with 0, 1, 2, ...; the first failure is raised when the rounds under way have ended."""
    with ThreadPoolExecutor(clients) as pool:
        for _ in pool.map(one_round, range(rounds)):
            pass


def everyday_state(served: Served, good: str, workers: int) -> None:
    """Has every worker serve: one that has never served is a little smaller, and a child that engine fork has forked while
    another one served holds two descriptors more until its request comes."""
    def one_round(_: int) -> None:
        assert served.get(good).text.startswith("good")

    many(one_round, rounds=10 * workers, clients=workers)
    meeting = served.root / "meeting.php"
    if not meeting.exists():
        served.script(MEET + "echo 'met';", meeting.name)
    assert [answer.text for answer in at_once(served, str(meeting), workers)] == ["met"] * workers
