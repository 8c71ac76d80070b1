# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The threads between the stages of an unpack: download, decompress and hash run ahead of each other, bounded.

layers.py connects them.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
import typing as t

from ..._oci.digest import Digest
from ..errors import DiffIdMismatch
from ..limits import Budget
from .decompress import CompressedInput, Compression, decompress

if t.TYPE_CHECKING:
    from ..._base.text import Warn


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


class DiffIdHash:
    """Hashes the decompressed layer in a thread while another one reads it, and compares the digest at the end."""

    def __init__(self, diff_id: Digest) -> None:
        self._diff_id = diff_id
        self._hash = hashlib.new(diff_id.algorithm)
        self._queue: queue.Queue[bytes | None] = queue.Queue(BATCHES_AHEAD)
        self._thread = threading.Thread(target=self._run, name="diff_id", daemon=True)
        self._thread.start()

    def add(self, piece: bytes) -> None:
        """Hash the next bytes; block while the thread is too far behind."""
        self._queue.put(piece)

    def close(self) -> None:
        """Stop the thread and wait for its end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def check(self) -> None:
        """Raise DiffIdMismatch unless all bytes together have the expected digest."""
        self.close()
        actual = Digest(self._diff_id.algorithm, self._hash.hexdigest())
        if actual != self._diff_id:
            raise DiffIdMismatch(
                f"The decompressed layer has the digest {actual}, but the image config names {self._diff_id}:"
                " the image is damaged or forged; nothing of it was used.",
                expected=str(self._diff_id),
                actual=str(actual),
            )

    def _run(self) -> None:
        while True:
            piece = self._queue.get()
            if piece is None:
                return
            self._hash.update(piece)


def inflate_layer(
    pieces: t.Iterator[bytes], *, declared: Compression | None, budget: Budget, warn: Warn
) -> t.Iterator[bytes]:
    """Yield the decompressed layer; raise LimitExceeded as soon as it is too large for its compressed size."""
    source = CompressedInput(pieces)
    total = 0
    budget.begin_layer()
    for piece in decompress(source, declared=declared, warn=warn):
        total += len(piece)
        budget.check_ratio(compressed=source.consumed, unpacked=total)
        yield piece


__all__ = ("BATCHES_AHEAD", "BATCH_BYTES", "Ahead", "DiffIdHash", "flatten", "inflate_layer")
