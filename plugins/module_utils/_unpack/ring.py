# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import mmap
import os
import select
import struct
import typing as t

SLOT_BYTES = 1024 * 1024
SLOTS = 8
"""The memory that the two processes share."""

_LENGTH = struct.Struct("=I")
_TAKEN = b"t"
_DONE = b"d"


class Closed(Exception):
    """The process at the other end has closed the ring, or has ended."""


class Ring:
    """A bounded way for bytes from one process to one that it forks: what is sent is copied into memory that both
    share, which is ten times faster than a pipe.

    To be made before the fork; after it each side takes its end, by making its Sender or its Receiver. Raises OSError.
    """

    def __init__(self) -> None:
        with contextlib.ExitStack() as stack:
            self.memory = stack.enter_context(mmap.mmap(-1, SLOTS * SLOT_BYTES))
            self.sent = os.pipe()
            stack.callback(_close, self.sent)
            self.taken = os.pipe()
            stack.pop_all()

    def close(self) -> None:
        """Gives up a ring that no process has taken an end of."""
        self.memory.close()
        _close(self.sent + self.taken)


def _close(descriptors: t.Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class Sender:
    """The end of a Ring that sends. Raises Closed."""

    def __init__(self, ring: Ring) -> None:
        self._memory = ring.memory
        self._sent = ring.sent[1]
        self._taken = ring.taken[0]
        self._next = 0
        self._free = SLOTS
        _close((ring.sent[0], ring.taken[1]))

    def close(self) -> None:
        """Lets the receiver find the ring closed, if it is not yet."""
        if not self._memory.closed:
            _close((self._sent, self._taken))
            self._memory.close()

    def send(self, data: bytes) -> None:
        """Copies data into the ring, waiting for room."""
        for start in range(0, len(data), SLOT_BYTES):
            piece = data[start : start + SLOT_BYTES]
            while not self._free:
                self._hear()
            place = self._next * SLOT_BYTES
            self._memory[place : place + len(piece)] = piece
            self._announce(len(piece))
            self._free -= 1
            self._next = (self._next + 1) % SLOTS

    def end(self) -> None:
        """Marks the end of what belongs together, and waits until the receiver is done with it."""
        self._announce(0)
        while not self._hear():
            pass

    def check(self) -> None:
        """Raises Closed if the receiver has closed the ring."""
        poll = select.poll()
        poll.register(self._taken, 0)
        if poll.poll(0):
            raise Closed

    def _announce(self, length: int) -> None:
        try:
            os.write(self._sent, _LENGTH.pack(length))
        except BrokenPipeError:
            raise Closed from None

    def _hear(self) -> bool:
        """Takes the next word of the receiver; tells whether it was the last one."""
        word = os.read(self._taken, 1)
        if not word:
            raise Closed
        self._free += word == _TAKEN
        return word == _DONE


class Receiver:
    """The end of a Ring that receives."""

    def __init__(self, ring: Ring) -> None:
        self._memory = ring.memory
        self._sent = ring.sent[0]
        self._taken = ring.taken[1]
        self._next = 0
        _close((ring.sent[1], ring.taken[0]))

    def close(self) -> None:
        """Lets the sender find the ring closed."""
        _close((self._sent, self._taken))

    def groups(self) -> t.Iterator[t.Iterator[bytes]]:
        """Yields what is sent up to each end, which is to be taken before the next; ends when the ring is closed
        between two of them. The sender waits after each end until the next one is asked for."""
        while True:
            length = self._heard()
            if length is None:
                return
            yield self._pieces(length)
            self._say(_DONE)

    def _pieces(self, length: int | None) -> t.Iterator[bytes]:
        while length:
            place = self._next * SLOT_BYTES
            piece = self._memory[place : place + length]
            self._next = (self._next + 1) % SLOTS
            self._say(_TAKEN)
            yield piece
            length = self._heard()
        if length is None:
            raise Closed

    def _heard(self) -> int | None:
        data = os.read(self._sent, _LENGTH.size)  # whole: a pipe never splits a write as short as this one
        return int(_LENGTH.unpack(data)[0]) if data else None

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # then the next thing to be heard is that the ring is closed
            os.write(self._taken, word)


__all__ = ("SLOTS", "SLOT_BYTES", "Closed", "Receiver", "Ring", "Sender")
