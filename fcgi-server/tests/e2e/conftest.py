# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: a daemon with a site of scripts, php-fpm and lwc-fpm alike.

The engine of lwc-fpm comes from --engine (LWC_ENGINE); with --engine php-fpm only the real php-fpm is tested, which
shows that the tests themselves are right.
"""

import os

import pytest

from harness import LwcFpm, PhpFpm, Workspace

from .served import Served

ENGINE = os.environ.get("LWC_ENGINE")
KINDS = [PhpFpm] if ENGINE == PhpFpm.name else [PhpFpm, LwcFpm]
OURS = pytest.mark.skipif(ENGINE == PhpFpm.name, reason="php-fpm has no snapshots")


def pytest_collection_modifyitems(items):
    """Tests of what only lwc-fpm has are left out when the engine under test is php-fpm itself."""
    for item in items:
        if "lwc" in item.fixturenames or "lwc_space" in item.fixturenames:
            item.add_marker(OURS)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def served(request):
    """One daemon for a module, two workers; each test writes scripts of its own."""
    with Workspace() as space:
        yield Served(space, request.param).start()


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def fresh(request):
    """A daemon for one test, not started yet: `fresh.start(children=..., ini=...)`."""
    with Workspace() as space:
        yield Served(space, request.param)


@pytest.fixture
def lwc():
    """lwc-fpm for one test, not started yet."""
    with Workspace() as space:
        yield Served(space, LwcFpm)
