# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for one another: while the last has not begun none ends, so each is served by a worker of its own,
however slow one of these is."""

from __future__ import annotations

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor

from harness.fastcgi import Response

from .served import Served

# For a script. A request that cannot come, for it was lost, is not waited for without end.
MEET = """
    if (isset($_GET['place'])) {
        touch("$_GET[place]/$_GET[number]");
        for ($i = 0; count(scandir($_GET['place'])) < 2 + $_GET['count'] && $i < 10_000; $i++) usleep(1000);
    }
    """

_places = itertools.count()


def at_once(served: Served, script: str, count: int) -> list[Response]:
    """The answers to `count` requests for a script that has MEET in it."""
    place = served.root / f"meeting{next(_places)}"
    place.mkdir()
    place.chmod(0o777)

    def one(number: int) -> Response:
        return served.get(script, query=f"place={place}&number={number}&count={count}")

    try:
        with ThreadPoolExecutor(count) as clients:
            return list(clients.map(one, range(count)))
    finally:
        shutil.rmtree(place)
