# SPDX-License-Identifier: Apache-2.0
"""What native code in one request finds of everything else: hostile.php looks, with FFI, for descriptors, memory, other contexts and processes.

The pool is made as open as it can be (process.dumpable), so that what is refused is refused by the engine.
"""

import json
from pathlib import Path

import pytest

from harness import LwcFpm, Pool, Workspace

from .served import PATIENCE, Served

HOSTILE = Path(__file__).with_name("hostile.php")
OWN = "TOPSECRET-own"


@pytest.fixture(scope="module")
def open_pool():
    """Two workers beside another pool, with secrets in its configuration."""
    with Workspace() as space:
        served = Served(space, LwcFpm)
        other = Pool("other", 1, settings={"env[PASSWORD]": "TOPSECRET-environment", "access.log": str(served.data / "other.log"),
                                           "php_admin_value[mail.log]": "/tmp/TOPSECRET-setting"})
        served.prepare(2, pools=(other,), ini={"ffi.enable": "1", "memory_limit": "-1", "opcache.enable": "0"},
                       settings={"process.dumpable": "yes", "access.log": str(served.data / "access.log")}).start()
        served.hostile = served.script(HOSTILE.read_text(), "hostile.php")
        yield served


def look(served, **more):
    answer = served.get(served.hostile, HTTP_COOKIE=OWN, timeout=10 * PATIENCE, **more)
    assert answer.status == 200, f"{answer}\n{served.daemon.logs()}"
    found = json.loads(answer.text)
    assert OWN in found["secrets"], "it does not find what is there"
    return found


def test_other_pools_configuration_is_not_in_memory(open_pool):
    assert look(open_pool)["secrets"] == [OWN]
