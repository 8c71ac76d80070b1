# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""One deadline for all steps of a verification by Veraison."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from .ear import veraison_error

if t.TYPE_CHECKING:
    from ..errors import VeraisonFailed


@dataclass(frozen=True)
class Clock:
    """The system's clocks and sleep, replaceable in tests."""

    # seconds since the epoch
    now: t.Callable[[], float] = time.time
    # seconds of a clock that never goes back
    monotonic: t.Callable[[], float] = time.monotonic
    wait: t.Callable[[float], None] = time.sleep

    def deadline(self, seconds: float) -> Deadline:
        """Return the deadline that ends in this many seconds."""
        return Deadline(self, self.monotonic() + seconds, seconds)


@dataclass(frozen=True)
class Deadline:
    """The time by which a verification must end."""

    clock: Clock
    at: float
    # the original duration
    seconds: float

    def left(self) -> float:
        """Return the seconds left, more than 0. Raises VeraisonFailed after the deadline."""
        left = self.at - self.clock.monotonic()
        if left <= 0:
            raise deadline_error(self.seconds)
        return left

    def wait(self, seconds: float) -> None:
        """Sleep for this many seconds or until the deadline. Raises VeraisonFailed after the deadline."""
        self.clock.wait(min(seconds, self.left()))


def deadline_error(seconds: float) -> VeraisonFailed:
    """Return the error for a missed deadline, for the caller to raise."""
    return veraison_error(f"it took more than {seconds:g} seconds", "check whether the service is overloaded")


__all__ = ("Clock", "Deadline", "deadline_error")
