# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from .ear import veraison_error

if t.TYPE_CHECKING:
    from ..errors import VeraisonFailed


@dataclass(frozen=True)
class Clock:
    """Time, and waiting for it to pass."""

    # seconds since the epoch
    now: t.Callable[[], float] = time.time
    # seconds since some moment, which nobody sets back
    monotonic: t.Callable[[], float] = time.monotonic
    wait: t.Callable[[float], None] = time.sleep

    def deadline(self, seconds: float) -> Deadline:
        """The moment in so many seconds."""
        return Deadline(self, self.monotonic() + seconds, seconds)


@dataclass(frozen=True)
class Deadline:
    """When something has to be done."""

    clock: Clock
    at: float
    # how long it was when it was set
    seconds: float

    def left(self) -> float:
        """The seconds that are left, more than 0. Raises VeraisonFailed when there are none."""
        left = self.at - self.clock.monotonic()
        if left <= 0:
            raise deadline_error(self.seconds)
        return left

    def wait(self, seconds: float) -> None:
        """Wait so long, or until it is over. Raises VeraisonFailed when it is over already."""
        self.clock.wait(min(seconds, self.left()))


def deadline_error(seconds: float) -> VeraisonFailed:
    """The error that says that something took longer than it may, for the caller to raise."""
    return veraison_error(f"it took more than {seconds:g} seconds", "check whether the service is overloaded")


__all__ = ("Clock", "Deadline", "deadline_error")
