# SPDX-License-Identifier: Apache-2.0
"""A Debian of its own, and the package under test to put in it."""

import os
from pathlib import Path

import pytest

from harness import Workspace
from harness.daemons import ROOT
from harness.debian import Debian


@pytest.fixture(scope="session")
def deb():
    """$LWC_DEB, or what packaging/build-deb has left."""
    found = sorted(ROOT.glob("build/deb/lwc-fpm_*.deb"))
    path = Path(os.environ["LWC_DEB"]) if os.environ.get("LWC_DEB") else found and found[-1]
    assert path, "no package: run packaging/build-deb first"
    return path


@pytest.fixture(scope="module")
def debian():
    with Workspace() as space, Debian(space) as system:
        system.run("apt-get update")
        yield system


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item):
    """Lets the fixture `steps` know how its test ended."""
    outcome = yield
    report = outcome.get_result()
    setattr(item, "rep_" + report.when, report)
