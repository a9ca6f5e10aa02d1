# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all end-to-end suites."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Workspace  # noqa: E402  (the path above comes first)


@pytest.fixture
def space():
    """A temp dir for one test; daemons started in it are stopped and checked for left-over processes."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture(scope="module")
def module_space():
    """The same for one module, for tests that share a daemon."""
    with Workspace() as workspace:
        yield workspace
