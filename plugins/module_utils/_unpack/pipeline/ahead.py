# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Run an iterator of byte pieces in a thread, a bounded amount ahead of its consumer.

layers.py downloads ahead with it, _module/copy/target.py reads ahead of an upload. Decompressing has no thread of its
own, nor has passing on what comes out: a piece is copied into the ring while it is in the cache of the processor, and
each hand-over between threads of Python costs a switch, 37,000 of them in an image of 470 MB.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import typing as t

# The size of a batch that one thread passes to the next: smaller ones cost more thread switches.
BATCH_BYTES: t.Final = 512 * 1024

# What a piece counts besides its bytes: a batch of tiny pieces would take twenty times its size in memory.
PIECE_OVERHEAD: t.Final = 64

# How many batches a thread may be ahead of the next one; with BATCH_BYTES, this bounds the memory of a stage.
BATCHES_AHEAD: t.Final = 8

# How many seconds one stage waits for another after a failure: for its end, or for an error that explains more.
PATIENCE: t.Final = 5.0

# Seconds between two calls of meanwhile() while a stage waits.
_CHECK_SECONDS: t.Final = 0.1


class _End(t.NamedTuple):
    """The end of a stage, with the error if it failed."""

    error: BaseException | None


class Ahead:
    """Runs an iterator of byte pieces in a thread, a bounded amount ahead of its consumer.

    It yields lists of pieces, each of about BATCH_BYTES except the last, and at most batches of them wait for the
    consumer. An error of the iterator is raised here, after the pieces before it.
    """

    def __init__(self, pieces: t.Iterator[bytes], *, name: str, batches: int = BATCHES_AHEAD) -> None:
        self._pieces = pieces
        self._queue: queue.Queue[list[bytes] | _End] = queue.Queue(batches)
        self._stopping = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> t.Iterator[list[bytes]]:
        return self.batches()

    def batches(self, meanwhile: t.Callable[[], None] | None = None) -> t.Iterator[list[bytes]]:
        """Yield the batches; while none is ready, call meanwhile from time to time, which may raise."""
        while True:
            try:
                batch = self._take(None if meanwhile is None else _CHECK_SECONDS)
            except queue.Empty:
                t.cast("t.Callable[[], None]", meanwhile)()
                continue
            if batch is None:
                return
            yield batch

    def drain(self) -> None:
        """Read to the end, for PATIENCE seconds at most, to raise the error that may be there."""
        patience = time.monotonic() + PATIENCE
        with contextlib.suppress(queue.Empty):
            while self._take(max(0.0, patience - time.monotonic())) is not None:
                pass

    def _take(self, timeout: float | None = None) -> list[bytes] | None:
        if self._ended:
            return None
        item = self._queue.get(timeout=timeout)
        if not isinstance(item, _End):
            return item
        self._ended = True
        if item.error is not None:
            raise item.error
        return None

    def stop(self) -> None:
        """Tell the thread to stop, without waiting for it."""
        self._stopping = True

    def close(self, *, until: float | None = None) -> None:
        """Stop the thread and close the iterator in it; a consumer that still iterates sees an end.

        Waits until a time of time.monotonic(), by default for PATIENCE seconds: an iterator that waits for the network
        stops when data arrives or at its own timeout, and the error that caused the stop must not wait for that.
        """
        self._stopping = True
        patience = time.monotonic() + PATIENCE if until is None else until
        while self._thread.is_alive() and time.monotonic() < patience:
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.05)
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(_End(None))

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with contextlib.closing(self._batches()) as found:
                for batch in found:
                    self._queue.put(batch)
        except BaseException as raised:  # raised again in the thread of the consumer
            error = raised
        self._queue.put(_End(error))

    def _batches(self) -> t.Generator[list[bytes], None, None]:
        batch: list[bytes] = []
        size = 0
        for piece in self._pieces:
            if self._stopping:
                break
            batch.append(piece)
            size += len(piece) + PIECE_OVERHEAD
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
        if batch:
            yield batch


def flatten(groups: t.Iterable[list[bytes]]) -> t.Iterator[bytes]:
    """Yield the pieces of all lists, without empty ones."""
    for group in groups:
        for piece in group:
            if piece:
                yield piece


__all__ = ("BATCHES_AHEAD", "BATCH_BYTES", "PATIENCE", "Ahead", "flatten")
