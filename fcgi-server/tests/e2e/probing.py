# SPDX-License-Identifier: Apache-2.0
"""What lwc-fpm --probe tells of this machine."""

import re
import subprocess

from harness import lwc_binary


def probe(**more):
    """engine, (whether it can work here, what is said about it)."""
    output = subprocess.run([lwc_binary(), "--probe"], check=True, capture_output=True, text=True, **more).stdout
    rows = (re.match(r"(\w+) +(yes|no) +(.*)", line) for line in output.splitlines())
    return {row[1]: (row[2] == "yes", row[3]) for row in rows if row}


HERE = probe()
