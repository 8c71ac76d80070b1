# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repeated log lines are suppressed for a while, and the next line states how many were."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.throttle import LogThrottle


def test_repeated_lines_are_suppressed_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    throttle = LogThrottle(lambda: now)
    for dummy in range(5):
        throttle.log("it is %s", "full")
    now = 11.0
    throttle.log("it is %s", "full")
    assert [record.getMessage() for record in caplog.records] == [
        "it is full",
        "it is full (4 more since the last such line)",
    ]
