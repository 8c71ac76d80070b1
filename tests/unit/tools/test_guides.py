# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for alerts in the guides name metrics that the server has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_metrics_in_the_rules_for_alerts_are_those_of_the_server() -> None:
    source = (ROOT / "plugins" / "module_utils" / "_server" / "metrics" / "metrics.py").read_text()
    named = set(re.findall(r"\battested_registry_([a-z_]+)", (ROOT / "docs" / "operations.md").read_text()))
    assert named
    assert not {name for name in named if f'"{name.removesuffix("_total")}"' not in source}
