# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The clock, the sleep and the randomness of this package, which tests replace."""

from __future__ import annotations

import random
import time
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Effects:
    """The side effects of this package besides the network; tests substitute their own.

    clock returns monotonic seconds, now returns seconds since 1970, jitter a number in [0, 1).
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


__all__ = ("Effects",)
