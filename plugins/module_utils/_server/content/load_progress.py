# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Progress reports of loading. Called by loading.py through the checker of _layout."""

from __future__ import annotations

import threading
import typing as t

_STEP: t.Final = 1024**3


class LoadProgress:
    """Reporter of the amount of content that was read, once for each GiB."""

    def __init__(self, report: t.Callable[[str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._read = 0

    def advance(self, count: int) -> None:
        """Count bytes that were read. Can be called from any thread."""
        with self._lock:
            before, self._read = self._read, self._read + count
            if before // _STEP != self._read // _STEP:
                self._report(f"Verifying content: {self._read // _STEP} GiB read so far.")


__all__ = ("LoadProgress",)
