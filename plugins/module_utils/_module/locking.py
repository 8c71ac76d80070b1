# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import fcntl
import time
import typing as t

_POLL_SECONDS: t.Final = 0.05  # flock(2) has no time limit of its own


def lock(descriptor: int, *, timeout: float) -> bool:
    """Waits at most C(timeout) seconds for the lock on an open file; tells whether it has been got. Raises OSError."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(_POLL_SECONDS)


__all__ = ("lock",)
