# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The durations of the stages of an unpack, for the return value stats.seconds. Used by unpack.py."""

from __future__ import annotations

import contextlib
import time
import typing as t

Stage = t.Literal["resolve", "download", "unpack", "publish"]


class Stopwatch:
    """Adds up the duration of each stage."""

    def __init__(self) -> None:
        self._spent: dict[Stage, float] = {"resolve": 0.0, "download": 0.0, "unpack": 0.0, "publish": 0.0}

    @contextlib.contextmanager
    def stage(self, name: Stage) -> t.Iterator[None]:
        """Add the duration of the block to a stage."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._spent[name] += time.monotonic() - begin

    @contextlib.contextmanager
    def downloading(self, opening: t.ContextManager[t.Iterator[bytes]]) -> t.Iterator[t.Iterator[bytes]]:
        """Yield the pieces of opening; add the time to open it and to wait for each piece to the stage download."""
        with contextlib.ExitStack() as stack:
            with self.stage("download"):
                pieces = stack.enter_context(opening)
            yield self._waiting(pieces)

    def _waiting(self, pieces: t.Iterator[bytes]) -> t.Iterator[bytes]:
        while True:
            with self.stage("download"):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def seconds(self) -> dict[str, float]:
        """Return the seconds by stage, rounded to milliseconds."""
        return {name: round(spent, 3) for name, spent in self._spent.items()}


__all__ = ("Stage", "Stopwatch")
