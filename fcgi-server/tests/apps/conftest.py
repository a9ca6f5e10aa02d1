# SPDX-License-Identifier: Apache-2.0
"""Every test that asks for `comparison` runs once for each application."""

import pytest
from applications import APPLICATIONS
from comparison import Comparison

from harness import Workspace


def pytest_generate_tests(metafunc):
    if "comparison" in metafunc.fixturenames:
        needs_point = metafunc.definition.get_closest_marker("needs_snapshot_point")
        apps = [app for app in APPLICATIONS if app.warmup or not needs_point]
        params = [pytest.param(app, id=app.label or app.name, marks=[pytest.mark.more] if app.more else []) for app in apps]
        metafunc.parametrize("comparison", params, indirect=True, scope="module")


@pytest.fixture(scope="module")
def comparison(request):
    with Workspace() as space:
        yield Comparison(space, request.param)
