# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The durations of the stages of an unpack, for the return value stats.seconds. Used by unpack.py."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

Stage = t.Literal["resolve", "download", "unpack", "publish"]


class Stopwatch:
    """Adds up the duration of each stage. The time in which several threads are in a stage counts once."""

    def __init__(self) -> None:
        self._spent: dict[Stage, float] = {"resolve": 0.0, "download": 0.0, "unpack": 0.0, "publish": 0.0}
        self._lock = threading.Lock()
        # how many threads are in a stage, and since when there have been any
        self._inside: dict[Stage, int] = dict.fromkeys(self._spent, 0)
        self._since: dict[Stage, float] = dict(self._spent)

    @contextlib.contextmanager
    def stage(self, name: Stage) -> t.Iterator[None]:
        """Add the duration of the block to a stage."""
        self._change(name, 1)
        try:
            yield
        finally:
            self._change(name, -1)

    def _change(self, name: Stage, by: int) -> None:
        with self._lock:
            now = time.monotonic()
            if self._inside[name]:
                self._spent[name] += now - self._since[name]
            self._since[name] = now
            self._inside[name] += by

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
