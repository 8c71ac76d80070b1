# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Limit the rate of all downloads of a task together. _module/registry/connection.py makes one for all registries."""

from __future__ import annotations

import threading
import typing as t

if t.TYPE_CHECKING:
    from .options import Effects


class RateLimit:
    """Delays the threads that download, so that together they receive at most rate bytes per second on average.

    The time without downloads is not made up for afterwards.
    """

    def __init__(self, rate: int, effects: Effects) -> None:
        self._rate = rate
        self._effects = effects
        self._lock = threading.Lock()
        self._free_at = effects.clock()

    def received(self, size: int) -> None:
        """Wait until size more bytes are within the rate. Each caller waits for its own bytes and those before."""
        with self._lock:
            now = self._effects.clock()
            self._free_at = max(self._free_at, now) + size / self._rate
            pause = self._free_at - now
        self._effects.sleep(pause)


__all__ = ("RateLimit",)
