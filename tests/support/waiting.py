# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait for what another thread or process does, for as long as a busy machine may need."""

from __future__ import annotations

import time
import typing as t

# Seconds that no test waits unless it fails.
_LONG: t.Final = 30


def comes(condition: t.Callable[[], bool]) -> bool:
    """Wait until a condition holds. Return whether it did so in time."""
    patience = time.monotonic() + _LONG
    while not (found := condition()) and time.monotonic() < patience:
        time.sleep(0.01)
    return found


__all__ = ("comes",)
