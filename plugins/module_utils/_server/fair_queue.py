# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Fair queue for scarce workers, such as threads. Called by passwords.py and judge_pool.py."""

from __future__ import annotations

import asyncio
import collections

from .config.addresses import network_of


class QueueFull(Exception):
    """Too many clients wait, in all or from this address."""


class FairQueue:
    """A semaphore that admits waiters round-robin by client address, so that one client cannot starve the others.

    When the queue is full, an address with fewer waiters takes the last place of the address with the most. IPv6
    addresses count by their /64, because one client can own all of it. Waiters without an address, as on unix sockets,
    count as one address, which may fill the whole queue.
    """

    def __init__(self, *, at_once: int, waiting: int, waiting_of_one: int) -> None:
        self._free = at_once
        self._limit = waiting
        self._limit_of_one = waiting_of_one
        self._count = 0
        self._queues: collections.OrderedDict[str | None, collections.deque[asyncio.Future[None]]] = (
            collections.OrderedDict()
        )

    @property
    def waiting(self) -> int:
        """The number of waiters."""
        return self._count

    async def take(self, address: str | None) -> None:
        """Wait for a turn, which the caller must end with give_back; a cancelled waiter has no turn.

        Raises QueueFull, at once or later when an address with fewer waiters needs the place.
        """
        if self._free:
            self._free -= 1
            return
        address = network_of(address)
        self._make_room(address)
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(address, collections.deque()).append(turn)
        self._count += 1
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.done() or turn.cancelled():
                self._remove(address, turn)
            elif turn.exception() is None:
                # the turn was granted just before the cancellation; otherwise QueueFull was set
                self.give_back()
            raise

    def _make_room(self, address: str | None) -> None:
        of_this = len(self._queues.get(address, ()))
        if address is not None and of_this >= self._limit_of_one:
            raise QueueFull
        if self._count < self._limit:
            return
        longest = max(self._queues, key=lambda key: len(self._queues[key]), default=address)
        if len(self._queues.get(longest, ())) <= of_this + 1:
            raise QueueFull
        # the last waiter, which would wait the longest
        turn = self._queues[longest][-1]
        self._remove(longest, turn)
        if not turn.done():
            turn.set_exception(QueueFull())

    def _remove(self, address: str | None, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(address)
        if queue is None or turn not in queue:
            # give_back has already removed the cancelled waiter
            return
        queue.remove(turn)
        self._count -= 1
        if not queue:
            del self._queues[address]

    def give_back(self) -> None:
        """End a turn and grant the next one to the address that has waited longest for a turn."""
        while self._queues:
            address, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            self._count -= 1
            if queue:
                self._queues.move_to_end(address)
            else:
                del self._queues[address]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


__all__ = ("FairQueue", "QueueFull")
