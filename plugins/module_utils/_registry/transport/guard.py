# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The limits of one exchange: time of each read and write, average rates, number of bytes.

connection.py reports every read, and every write of a body.
"""

from __future__ import annotations

import typing as t

from ..errors import REPORT, ProtocolBroken, TimedOut

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Operation
    from ..options import Timeouts

# the maximum of one read; larger pieces do not stay in processor caches
CHUNK: t.Final = 64 * 1024
# bytes of status lines and headers of one answer, interim answers included
HEAD_BUDGET: t.Final = 1024 * 1024


class Guard:
    """Limits time, rate and size of what one connection receives for one answer, and time and rate of what it sends.

    One instance belongs to one request. It is told of every read from the socket, so that neither a drip of header
    bytes nor an endless list of interim answers can go on for ever, and of every write of a body.
    """

    def __init__(
        self, operation: Operation, *, timeouts: Timeouts, deadline: float | None, clock: Callable[[], float]
    ) -> None:
        self.operation = operation
        self.clock = clock
        self._timeouts = timeouts
        self._deadline = deadline
        self._budget = HEAD_BUDGET
        self._waited = 0.0
        self._brought = 0
        self._started = False
        self._blocked = 0.0
        self._taken = 0

    def read_timeout(self) -> float:
        """Return the seconds that the next read may take. Raises TimedOut after the deadline of the operation."""
        if self._deadline is None:
            return self._timeouts.read
        return min(self._timeouts.read, self._remaining())

    def write_timeout(self) -> float:
        """Return the seconds that the next write may take. Raises TimedOut after the deadline of the operation."""
        return self.read_timeout()

    def connect_timeout(self) -> float:
        """Return the seconds that connecting may take. Raises TimedOut after the deadline of the operation."""
        if self._deadline is None:
            return self._timeouts.connect
        return min(self._timeouts.connect, self._remaining())

    def allow(self, count: int) -> None:
        """Permit count more bytes."""
        self._budget += count

    def received(self, count: int, waited: float) -> None:
        """Record a read. Raises TimedOut if the peer is too slow, ProtocolBroken if it sends too much."""
        self._budget -= count
        if self._budget < 0:
            raise self.operation.error(ProtocolBroken, "the answer exceeds its size limit", REPORT)
        if not self._started:
            # the time to the first byte is processing time of the server, which the read timeout limits
            self._started = True
            return
        self._waited += waited
        self._brought += count
        if self._waited >= self._timeouts.read:
            self._check_rate(self._brought, self._waited, "arrived")
            self._waited = 0.0
            self._brought = 0

    def sent(self, count: int, waited: float) -> None:
        """Record a write of a body. Raises TimedOut if the peer takes the body too slowly."""
        self._blocked += waited
        self._taken += count
        if self._blocked >= self._timeouts.read:
            self._check_rate(self._taken, self._blocked, "were accepted")
            self._blocked = 0.0
            self._taken = 0

    def timed_out(self) -> TimedOut:
        """Return the error for a read that took too long."""
        return self._silence_error("no data arrived")

    def write_timed_out(self) -> TimedOut:
        """Return the error for a write that took too long."""
        return self._silence_error("the peer accepted no data")

    def _silence_error(self, what: str) -> TimedOut:
        if self._deadline is not None and self.clock() >= self._deadline:
            return self._deadline_error()
        return self.operation.error(
            TimedOut,
            f"{what} for {self._timeouts.read:g} seconds",
            "check the network and the registry, or raise the option timeout",
            transient=True,
        )

    def _check_rate(self, count: int, seconds: float, verb: str) -> None:
        rate = count / seconds
        if rate < self._timeouts.minimum_rate:
            raise self.operation.error(
                TimedOut,
                f"only {rate:.0f} bytes per second {verb} during {seconds:.0f} seconds",
                "check the network and the registry, raise the option timeout, or lower minimum_throughput",
                transient=True,
            )

    def _remaining(self) -> float:
        remaining = (self._deadline or 0.0) - self.clock()
        if remaining <= 0:
            raise self._deadline_error()
        return remaining

    def _deadline_error(self) -> TimedOut:
        return self.operation.error(
            TimedOut,
            f"it took longer than the {self._timeouts.total or 0:g} seconds of its time limit",
            "check the network and the registry, or raise the option total_timeout",
        )


__all__ = ("CHUNK", "HEAD_BUDGET", "Guard")
