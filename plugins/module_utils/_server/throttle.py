# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Rate limit for log lines that clients can cause. Used by connections/ and attestation/."""

from __future__ import annotations

import logging
import time
import typing as t

_LOG: t.Final = logging.getLogger("attested.registry")
_INTERVAL_SECONDS: t.Final = 10.0


class LogThrottle:
    """Log at most one line per interval; the next line reports how many were suppressed."""

    def __init__(self, clock: t.Callable[[], float] = time.monotonic, *, level: int = logging.WARNING) -> None:
        self._clock = clock
        self._level = level
        self._until = float("-inf")
        self._suppressed = 0

    def log(self, message: str, *arguments: object) -> None:
        """Log the message, or count it if the interval has not passed."""
        now = self._clock()
        if now < self._until:
            self._suppressed += 1
            return
        self._until = now + _INTERVAL_SECONDS
        more = f" ({self._suppressed} more since the last such line)" if self._suppressed else ""
        self._suppressed = 0
        _LOG.log(self._level, message + more, *arguments)


__all__ = ("LogThrottle",)
