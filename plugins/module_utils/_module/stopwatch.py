# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The stages of a task: their durations, for the return value stats.seconds, and the progress of downloads.

Used by image/unpack.py and layout/run.py.
"""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

from .progress import STAGES, ProgressFile, Stage


class Stopwatch:
    """Adds up the duration of each stage, and tells progress which stage runs and which bytes have arrived.

    The time in which several threads are in a stage counts once.
    """

    def __init__(self, progress: ProgressFile | None = None) -> None:
        self._progress = progress or ProgressFile()
        self._spent: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()
        # how many threads are in a stage, and since when there have been any
        self._inside: dict[Stage, int] = dict.fromkeys(STAGES, 0)
        self._since: dict[Stage, float] = dict(self._spent)

    @contextlib.contextmanager
    def stage(self, name: Stage) -> t.Iterator[None]:
        """Add the duration of the block to a stage."""
        self._progress.begin(name)
        with self._timed(name):
            yield

    def expect(self, sizes: t.Iterable[int]) -> None:
        """Set the number of bytes of each layer that will pass through counted()."""
        self._progress.expect(sizes)

    def resume(self, size: int) -> None:
        """Take bytes of a layer that an earlier run downloaded from what expect() set."""
        self._progress.resume(size)

    def skip(self, size: int) -> None:
        """Take a layer that is not downloaded from what expect() set."""
        self._progress.resume(size)
        self._progress.end_layer()

    @contextlib.contextmanager
    def downloading(self, opening: t.ContextManager[t.Iterator[bytes]]) -> t.Iterator[t.Iterator[bytes]]:
        """Yield the pieces of opening; add the time to open it and to wait for each piece to the stage download."""
        with contextlib.ExitStack() as stack:
            with self._timed("download"):
                pieces = stack.enter_context(opening)
            yield self._waiting(pieces)

    def counted(self, pieces: t.Iterable[bytes]) -> t.Iterator[bytes]:
        """Yield the pieces of a layer; count them for the progress."""
        for piece in pieces:
            self._progress.add(len(piece))
            yield piece
        self._progress.end_layer()

    @contextlib.contextmanager
    def _timed(self, name: Stage) -> t.Iterator[None]:
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

    def _waiting(self, pieces: t.Iterator[bytes]) -> t.Iterator[bytes]:
        while True:
            with self._timed("download"):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def seconds(self, *stages: Stage) -> dict[str, float]:
        """Return the seconds of the stages, rounded to milliseconds."""
        return {name: round(self._spent[name], 3) for name in stages}


__all__ = ("Stopwatch",)
