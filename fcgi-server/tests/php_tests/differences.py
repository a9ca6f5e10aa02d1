# SPDX-License-Identifier: Apache-2.0
"""Which of PHP's tests docs/differences-from-php-fpm.md names."""

import re

from run_tests import ROOT

PAGE = ROOT / "docs/differences-from-php-fpm.md"


def named_tests():
    """Every `NAME.phpt` on the page."""
    return set(re.findall(r"`([\w./-]+\.phpt)`", PAGE.read_text()))


def is_named(test, names):
    return any(test == name or test.endswith("/" + name) for name in names)
