# SPDX-License-Identifier: Apache-2.0
"""Tests that are steps of one story: when one fails, those after it have nothing to stand on."""

import shutil

import pytest


@pytest.fixture
def steps(request):
    module = request.module
    if getattr(module, "_broken_at", None):
        pytest.fail(f"the step before has failed: {module._broken_at}")
    module._broken_at = request.node.name
    yield
    if request.node.rep_call.passed:
        module._broken_at = None


def install(debian, deb):
    """`apt install ./lwc-fpm.deb`, keeping changed configuration files."""
    shutil.copy(deb, debian.path("/root/lwc-fpm.deb"))
    return debian.run("apt-get install -y --allow-downgrades -o Dpkg::Options::=--force-confold /root/lwc-fpm.deb 2>&1")
