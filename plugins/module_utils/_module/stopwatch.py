# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""How long the stages of an unpack take, for the result stats.seconds. image_unpack.py and what it calls use it."""

from __future__ import annotations

import contextlib
import time
import typing as t

Stage = t.Literal["resolve", "download", "unpack", "publish"]


class Stopwatch:
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        self._spent: dict[Stage, float] = {"resolve": 0.0, "download": 0.0, "unpack": 0.0, "publish": 0.0}

    @contextlib.contextmanager
    def stage(self, name: Stage) -> t.Iterator[None]:
        """Count the time of the block."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._spent[name] += time.monotonic() - begin

    @contextlib.contextmanager
    def downloading(self, opening: t.ContextManager[t.Iterator[bytes]]) -> t.Iterator[t.Iterator[bytes]]:
        """Yield what opening yields, and count the time until it is open and that of waiting for each piece."""
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
        """Return the seconds by stage, to the millisecond."""
        return {name: round(spent, 3) for name, spent in self._spent.items()}


__all__ = ("Stage", "Stopwatch")
