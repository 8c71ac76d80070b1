# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A ring buffer in memory that two processes share, ten times faster than a pipe.

writer_process.py sends the bytes of layers through it. Nothing is copied out of the ring: the receiver reads the slots
in place, and so does the thread of the sender that hashes the layer. A slot is filled again only when both are done
with it: the receiver says so through a pipe, and the hash is never more than HASH_BEHIND slots behind.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import struct
import typing as t

# The memory that the two processes share: SLOTS * SLOT_BYTES.
SLOT_BYTES: t.Final = 1024 * 1024
SLOTS: t.Final = 8
# The most slots that were sent and are not hashed yet. One slot of the ring is being filled.
HASH_BEHIND: t.Final = SLOTS - 1

_LENGTH: t.Final = struct.Struct("=I")
_TAKEN: t.Final = b"t"
_DONE: t.Final = b"d"


class Closed(Exception):
    """The process at the other end has closed the ring, or has ended."""


class Ring:
    """A bounded channel for bytes from a process to its child: data is copied once, into memory that both share.

    Make the ring before the fork. After it, each process takes its end by making a Sender or a Receiver. Raises
    OSError.
    """

    def __init__(self) -> None:
        with contextlib.ExitStack() as stack:
            self.memory = mmap.mmap(-1, SLOTS * SLOT_BYTES)
            self.sent = os.pipe()
            stack.callback(_close, self.sent)
            self.taken = os.pipe()
            stack.pop_all()

    def close(self) -> None:
        """Release a ring when no process has taken an end."""
        self.memory.close()
        _close(self.sent + self.taken)


def _close(descriptors: t.Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class Sender:
    """The sending end of a Ring. Raises Closed."""

    def __init__(self, ring: Ring) -> None:
        self._memory = ring.memory
        self._sent = ring.sent[1]
        self._taken = ring.taken[0]
        self._slot = 0
        self._filled = 0
        self._free = SLOTS
        self._closed = False
        _close((ring.sent[0], ring.taken[1]))

    def close(self) -> None:
        """Close this end, so that the receiver finds the ring closed. A second call does nothing.

        The memory is released when nothing refers to it any more: another thread may still hash a slot.
        """
        if not self._closed:
            self._closed = True
            _close((self._sent, self._taken))

    def send(self, data: bytes | memoryview, hash_slot: t.Callable[[memoryview], None]) -> None:
        """Copy data into the ring and pass on the slots that are full; block while the ring is full.

        hash_slot gets each slot that is passed on. It may keep HASH_BEHIND of them until it returns, as views.
        """
        begin = 0
        while begin < len(data):
            if not self._filled:
                self._wait_for_slot()
            end = min(len(data), begin + SLOT_BYTES - self._filled)
            place = self._slot * SLOT_BYTES + self._filled
            self._memory[place : place + end - begin] = data[begin:end]
            self._filled += end - begin
            begin = end
            if self._filled == SLOT_BYTES:
                self.flush(hash_slot)

    def flush(self, hash_slot: t.Callable[[memoryview], None]) -> None:
        """Pass on what has been copied, as send() does."""
        if not self._filled:
            return
        self._announce(self._filled)
        place = self._slot * SLOT_BYTES
        hash_slot(memoryview(self._memory)[place : place + self._filled])
        self._free -= 1
        self._slot = (self._slot + 1) % SLOTS
        self._filled = 0

    def end(self) -> None:
        """Mark the end of a group after flush(), and wait until the receiver has processed it."""
        self._announce(0)
        while not self._read_reply():
            pass

    def check(self) -> None:
        """Raise Closed if the receiver has closed the ring."""
        poll = select.poll()
        poll.register(self._taken, 0)
        if poll.poll(0):
            raise Closed

    def _wait_for_slot(self) -> None:
        while not self._free:
            self._read_reply()

    def _announce(self, length: int) -> None:
        try:
            os.write(self._sent, _LENGTH.pack(length))
        except BrokenPipeError:
            raise Closed from None

    def _read_reply(self) -> bool:
        """Read one reply of the receiver; return whether it has processed the group."""
        word = os.read(self._taken, 1)
        if not word:
            raise Closed
        self._free += word == _TAKEN
        return word == _DONE


class Receiver:
    """The receiving end of a Ring."""

    def __init__(self, ring: Ring) -> None:
        self._memory = memoryview(ring.memory).toreadonly()
        self._sent = ring.sent[0]
        self._taken = ring.taken[1]
        self._next = 0
        _close((ring.sent[1], ring.taken[0]))

    def close(self) -> None:
        """Close this end, so that the sender finds the ring closed."""
        _close((self._sent, self._taken))

    def groups(self) -> t.Iterator[t.Iterator[memoryview]]:
        """Yield each group as an iterator over its pieces, to be exhausted before the next.

        A piece is valid until the next one is requested: then the sender writes over it. The sender waits after each
        group until the next one is requested. Ends when the ring is closed between two groups; raises Closed when it is
        closed within one.
        """
        while True:
            length = self._read_length()
            if length is None:
                return
            yield self._pieces(length)
            self._reply(_DONE)

    def _pieces(self, length: int | None) -> t.Iterator[memoryview]:
        while length:
            place = self._next * SLOT_BYTES
            with self._memory[place : place + length] as piece:
                yield piece
            self._next = (self._next + 1) % SLOTS
            self._reply(_TAKEN)
            length = self._read_length()
        if length is None:
            raise Closed

    def _read_length(self) -> int | None:
        data = os.read(self._sent, _LENGTH.size)  # complete: a pipe does not split a write as short as this one
        return int(_LENGTH.unpack(data)[0]) if data else None

    def _reply(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # then the next read finds the ring closed
            os.write(self._taken, word)


__all__ = ("HASH_BEHIND", "SLOTS", "SLOT_BYTES", "Closed", "Receiver", "Ring", "Sender")
