# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import collections
import typing as t

from ..config.addresses import network_of
from ..throttle import LogThrottle

if t.TYPE_CHECKING:
    from ..metrics.counters import Counters


class Admission:
    """The place that a connection takes up until release is called."""

    __slots__ = ("_connections", "_taken", "address")

    def __init__(self, connections: Connections, address: str | None) -> None:
        self._connections = connections
        self._taken = True
        self.address = address

    def release(self) -> None:
        """Give it up; the second time does nothing."""
        if self._taken:
            self._taken = False
            self._connections.left(self.address)


class Connections:
    """Who is connected, and how many may be: in all processes together, and from one address in this one."""

    def __init__(self, counters: Counters, *, limit: int, per_address: int) -> None:
        self.counters = counters
        self._limit = limit
        self._per_address = per_address
        self._addresses: collections.Counter[str] = collections.Counter()
        self._open = 0
        self._throttle = LogThrottle()

    def admit(self, address: str | None) -> Admission | None:
        """Take up a place; None, counted, when there is none left. Without an address only the first limit holds."""
        if self.counters.board.connections() >= self._limit:
            self.counters.add("refused", "total")
            self._throttle.log("a connection was closed: all %d are taken", self._limit)
            return None
        network = network_of(address)
        if network is not None and 0 < self._per_address <= self._addresses[network]:
            self.counters.add("refused", "address")
            self._throttle.log("a connection of %s was closed: it has %d already", address, self._per_address)
            return None
        if network is not None:
            self._addresses[network] += 1
        self._open += 1
        self.counters.add("accepted")
        self.counters.put("open", self._open)
        return Admission(self, address)

    def left(self, address: str | None) -> None:
        """A connection is gone."""
        self._open -= 1
        self.counters.put("open", self._open)
        network = network_of(address)
        if network is not None:
            self._addresses[network] -= 1
            if not self._addresses[network]:
                del self._addresses[network]

    @property
    def open(self) -> int:
        """How many there are in this process."""
        return self._open


__all__ = ("Admission", "Connections")
