# SPDX-License-Identifier: Apache-2.0
"""The same again and again, by several clients at once: LWC_FAULT_ROUNDS times (the suite faults-long: ten thousand)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

from .served import Served

ROUNDS = int(os.environ.get("LWC_FAULT_ROUNDS", "200"))
CLIENTS = 4
# Rounds that last until a time limit: workers, seconds of the limit, and what a script does first. With so many workers ten
# thousand go by in minutes; they wait until their time is nearly over, or their endless loops would leave no time to others.
WORKERS_FOR_LIMITS, LIMIT, FIRST = (100, 5, "usleep(4_900_000);") if ROUNDS >= 1000 else (2, 1, "")


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
