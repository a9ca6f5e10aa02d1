# SPDX-License-Identifier: Apache-2.0
"""Real applications behind nginx: what lwc-fpm answers is what php-fpm answers, cold and from a snapshot."""

import pytest
from applications import APPLICATIONS
from comparison import Comparison, difference


def assert_equal(expected, found):
    if found != expected:
        pytest.fail(difference(expected, found), pytrace=False)


def test_the_masks_cover_all_that_varies(comparison):
    """Two runs on php-fpm are equal. Otherwise a difference between the daemons would say nothing."""
    assert_equal(comparison.reference, comparison.php_fpm_again())


def test_cold(comparison):
    assert_equal(comparison.reference, comparison.lwc_cold())
    assert not [uri for uri, snapshot in comparison.served_from_snapshot() if snapshot]


@pytest.mark.needs_snapshot_point
def test_from_a_snapshot(comparison):
    assert_equal(comparison.reference, comparison.lwc_from_snapshot())
    served = comparison.served_from_snapshot()
    assert served, "the probe saw no request"
    cold = [uri for uri, snapshot in served if not snapshot]
    assert not cold, f"not served from the snapshot: {cold}\n{comparison.log}"


def test_a_difference_is_found(space):
    """The comparison itself: a byte changed in a page, a header or a status shows, and nothing else does."""
    app = next(app for app in APPLICATIONS if app.name == "hello")
    comparison = Comparison(space, app)
    script = comparison.pristine / app.script
    original = script.read_text()
    expected = comparison.reference
    for change in ("echo 'x';", "header('X-Own: 1');", "header_remove('Content-Type'); header('Content-Type: text/plain');"):
        script.write_text(original + change)
        found = difference(expected, comparison.php_fpm_again())
        assert sum(line.startswith(("+", "-")) for line in found.splitlines()) > 2, f"{change} went unseen"
    script.write_text(original)
    assert not difference(expected, comparison.php_fpm_again())
