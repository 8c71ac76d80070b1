# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long parameters do not become names of tests: keys among them differ from process to process."""

from __future__ import annotations

import pytest

_LONG = 30


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Names long values by their argument: they may hold a key that is made anew in every process."""
    return argname if isinstance(val, (bytes, str)) and len(val) > _LONG else None
