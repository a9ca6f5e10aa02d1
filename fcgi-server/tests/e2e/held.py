# SPDX-License-Identifier: Apache-2.0
"""A request that goes on for as long as the test wants: what shall happen to a slow one has then happened, however late.

Its script waits for the lock of WAIT; with WAIT_BUSY it does so without sleeping.
"""

import contextlib
import fcntl
from concurrent.futures import ThreadPoolExecutor

WAIT = "flock(fopen(__DIR__ . '/lock', 'r'), LOCK_EX);"
WAIT_BUSY = "$lock = fopen(__DIR__ . '/lock', 'r'); while (!flock($lock, LOCK_EX | LOCK_NB)) { strlen('x'); }"


@contextlib.contextmanager
def held(served, ask):
    """Calls ask() in the background, for a script beside the lock, which is kept for as long as the block lasts."""
    path = served.root / "lock"
    path.touch()
    with open(path) as lock, ThreadPoolExecutor(1) as client:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = client.submit(ask)
        try:
            yield answer
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
