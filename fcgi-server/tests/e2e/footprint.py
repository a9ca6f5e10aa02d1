# SPDX-License-Identifier: Apache-2.0
"""Everything that a daemon holds on the machine, to see that faults leave nothing behind.

The daemon runs in namespaces of its own (mount and System V IPC), so that what is found there is its own.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import Callable, TypeVar

from harness.processes import all_asleep, process_tree, wait_until

from .served import PATIENCE, Served

Seen = TypeVar("Seen")
ZOMBIES_A_WORKER = 5  # children that may wait to be collected

# A private /dev/shm, /var/tmp and IPC namespace; exec keeps the process id.
PRIVATE = ["unshare", "--mount", "--ipc", "--propagation", "private", "sh", "-c",
           'mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /var/tmp && exec "$@"', "sh"]


def private(kind: type) -> type:
    """The daemon `kind`, run in namespaces of its own."""
    return type(kind.__name__, (kind,), {"command": lambda self: PRIVATE + kind.command(self)})


@dataclasses.dataclass
class Footprint:
    processes: int
    zombies: int
    descriptors: list[int]  # how many, for each process
    shared_mappings: list[int]
    shared_memory: list[str]
    system_v: list[str]
    files: list[str]

    @staticmethod
    def of(served: Served) -> "Footprint":
        living, zombies = _family(served.daemon.pid)
        root = Path(f"/proc/{served.daemon.pid}/root")
        seen = subprocess.run(["nsenter", "-t", str(served.daemon.pid), "-i", "cat", "/proc/sysvipc/shm",
                               "/proc/sysvipc/sem", "/proc/sysvipc/msg"], stdout=subprocess.PIPE, text=True, check=True)
        return Footprint(
            len(living), len(zombies), sorted(_count(pid, "fd") for pid in living),
            sorted(_shared_mappings(pid) for pid in living),
            sorted(os.listdir(root / "dev/shm")), [line for line in seen.stdout.splitlines() if "key" not in line],
            sorted(os.listdir(served.data)) + sorted(os.listdir(root / "var/tmp")))


def _family(pid: int) -> tuple[list[int], list[int]]:
    tree = process_tree()
    living, zombies, todo = [pid], [], [pid]
    while todo:
        parent = todo.pop()
        for child, (its_parent, state, _) in tree.items():
            if its_parent == parent:
                (zombies if state == "Z" else living).append(child)
                todo.append(child)
    return living, zombies


def _count(pid: int, what: str) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/{what}"))
    except OSError:
        return 0


def _shared_mappings(pid: int) -> int:
    try:
        return sum(line.split()[1].endswith("s") for line in Path(f"/proc/{pid}/maps").read_text().splitlines())
    except OSError:
        return 0


def settled(served: Served) -> Footprint:
    """The footprint once what is just ending or being forked ahead has come to rest."""
    return unchanging(served, lambda: Footprint.of(served))


def unchanging(served: Served, look: Callable[[], Seen]) -> Seen:
    """What is seen three times in turn while every process of the daemon waits: one that has something left to do and does not
    come to it changes nothing either."""
    seen: list[tuple[bool, Seen]] = []

    def at_rest() -> bool:
        seen.append((all_asleep(served.processes()), look()))
        return len(seen) > 2 and seen[-1][0] and seen[-1] == seen[-2] == seen[-3]

    assert wait_until(at_rest, PATIENCE, 0.1), seen[-3:]
    return seen[-1][1]


def assert_unchanged(served: Served, before: Footprint) -> None:
    """Waits for what is just ending to be gone, then compares everything.

    Children that have ended are collected when the next one is made: a few zombies may wait for that.
    """
    def now() -> Footprint:
        return dataclasses.replace(Footprint.of(served), zombies=before.zombies)

    wait_until(lambda: now() == before, PATIENCE, 0.1)
    after = now()
    assert after == before, f"{after} instead of {before}"
    assert Footprint.of(served).zombies <= ZOMBIES_A_WORKER * served.daemon.pools[0].children
