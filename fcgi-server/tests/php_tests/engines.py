# SPDX-License-Identifier: Apache-2.0
"""The daemon under test, and its engines that this machine can run."""

import os
import subprocess

from run_tests import ROOT

LWC_FPM = os.environ.get("LWC_FPM", str(ROOT / "build/fcgi-server/lwc-fpm"))


def engines_here():
    """Those that isolate."""
    listed = subprocess.run([LWC_FPM, "--probe"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [row[0] for row in rows if row[1] == "yes" and row[0] != "none"]
