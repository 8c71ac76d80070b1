# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Check the decompressed content of a layer as it passes: its size against the compressed size, and its digest.

layers.py and _module/layer/file.py use this.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import typing as t

from ..._oci.digest import Digest
from ..errors import DiffIdMismatch
from ..limits import Budget
from .decompress import CompressedInput, Compression, decompress
from .ring import HASH_BEHIND

if t.TYPE_CHECKING:
    from ..._base.text import Warn


class DiffIdHash:
    """Hashes the decompressed layer in a thread while another one reads it, and compares the digest at the end.

    A thread of its own, because the digest of a layer takes about half the time of decompressing it: so the work of the
    first process is spread over two cores where the writer leaves one of them idle. Pieces should be large.
    """

    def __init__(self, diff_id: Digest) -> None:
        self._diff_id = diff_id
        self._hash = hashlib.new(diff_id.algorithm)
        # besides those in the queue, one is being hashed
        self._queue: queue.Queue[bytes | memoryview | None] = queue.Queue(HASH_BEHIND - 1)
        self._thread = threading.Thread(target=self._run, name="diff_id", daemon=True)
        self._thread.start()

    def add(self, piece: bytes | memoryview) -> None:
        """Hash the next bytes; block while more than HASH_BEHIND pieces, this one included, are not hashed."""
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


__all__ = ("DiffIdHash", "inflate_layer")
