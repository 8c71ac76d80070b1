# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell patterns match whole names; * crosses slashes, and case counts."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.patterns import matches_any


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        (("*",), "team/app", True),
        (("team/*",), "team/app/web", True),
        (("team/*",), "other/team/app", False),
        (("app",), "app2", False),
        (("x", "a?p"), "app", True),
        (("[ab]pp",), "app", True),
        (("App",), "app", False),
        ((), "app", False),
    ],
)
def test_matches_any(patterns: tuple[str, ...], text: str, expected: bool) -> None:
    assert matches_any(patterns, text) is expected
