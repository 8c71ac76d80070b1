# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Limits on the number of connections, in all processes and for each client address. Called by listeners.py."""

from __future__ import annotations

import collections
import typing as t

from ..config.addresses import network_of
from ..throttle import LogThrottle

if t.TYPE_CHECKING:
    from ..metrics.counters import Counters


class Admission:
    """The place of a connection under the limits, until release is called."""

    __slots__ = ("_connections", "_taken", "address")

    def __init__(self, connections: Connections, address: str | None) -> None:
        self._connections = connections
        self._taken = True
        self.address = address

    def release(self) -> None:
        """Release the place. Further calls do nothing."""
        if self._taken:
            self._taken = False
            self._connections.left(self.address)


class Connections:
    """Counter of open connections with two limits: limit for all processes, per_address within this process."""

    def __init__(self, counters: Counters, *, limit: int, per_address: int) -> None:
        self.counters = counters
        self._limit = limit
        self._per_address = per_address
        self._addresses: collections.Counter[str] = collections.Counter()
        self._open = 0
        self._throttle = LogThrottle()

    def admit(self, address: str | None) -> Admission | None:
        """Take a place for a connection. Returns None, after counting the refusal, when a limit is reached.

        Without an address, as on unix sockets, only the limit of all processes applies.
        """
        if self.counters.board.connections() >= self._limit:
            self.counters.add("refused", "total")
            self._throttle.log("refused a connection: the limit of %d connections is reached", self._limit)
            return None
        network = network_of(address)
        if network is not None and 0 < self._per_address <= self._addresses[network]:
            self.counters.add("refused", "address")
            self._throttle.log("refused a connection from %s: it already has %d", address, self._per_address)
            return None
        if network is not None:
            self._addresses[network] += 1
        self._open += 1
        self.counters.add("accepted")
        self.counters.put("open", self._open)
        return Admission(self, address)

    def left(self, address: str | None) -> None:
        """Count a connection as closed; called by Admission.release."""
        self._open -= 1
        self.counters.put("open", self._open)
        network = network_of(address)
        if network is not None:
            self._addresses[network] -= 1
            if not self._addresses[network]:
                del self._addresses[network]

    @property
    def open(self) -> int:
        """The number of open connections in this process."""
        return self._open


__all__ = ("Admission", "Connections")
