# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Counters in shared memory: each process counts in a row of its own, the main process adds them up for the metrics."""

from __future__ import annotations

import bisect
import itertools
import mmap
import typing as t

METHODS: t.Final = ("GET", "HEAD", "other")
STATUSES: t.Final = (200, 206, 304, 400, 401, 403, 404, 405, 416, 431, 500, 503, 505)
BUCKETS: t.Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0)
CUT: t.Final = ("head", "slow", "drain", "stuck")
REFUSED: t.Final = ("total", "address", "descriptors")
# accepted and rejected clients; failed: could not be judged; busy: the queue was full
ATTESTED: t.Final = ("accepted", "rejected", "failed", "busy")

# (metric, label values); metrics in GAUGES are gauges, the others are counters
Slot = tuple[str, tuple[str, ...]]
GAUGES: t.Final = frozenset({"open", "heartbeat"})
SLOTS: t.Final[tuple[Slot, ...]] = (
    *(("requests", labels) for labels in itertools.product(METHODS, (*map(str, STATUSES), "other"))),
    *(("seconds_bucket", (str(limit),)) for limit in (*BUCKETS, "+Inf")),
    ("seconds_sum", ()),
    ("bytes", ()),
    ("accepted", ()),
    *(("refused", (why,)) for why in REFUSED),
    *(("cut", (why,)) for why in CUT),
    ("handshake_failures", ()),
    *(("attestations", (result,)) for result in ATTESTED),
    *(("attestation_bucket", (str(limit),)) for limit in (*BUCKETS, "+Inf")),
    ("attestation_sum", ()),
    ("open", ()),
    ("heartbeat", ()),
)
_PLACES: t.Final = {slot: place for place, slot in enumerate(SLOTS)}
_REQUEST_PLACES: t.Final = {
    (method, status): _PLACES["requests", (method, str(status))]
    for method in METHODS
    for status in (*STATUSES, "other")
}
_FIRST_BUCKET: t.Final = _PLACES["seconds_bucket", (str(BUCKETS[0]),)]
_SECONDS_SUM: t.Final = _PLACES["seconds_sum", ()]
_BYTES: t.Final = _PLACES["bytes", ()]
_FIRST_ATTESTATION_BUCKET: t.Final = _PLACES["attestation_bucket", (str(BUCKETS[0]),)]
_ROW: t.Final = len(SLOTS)


class Board:
    """Rows of counters in memory shared with later child processes; each row has one writer at a time.

    A value is eight bytes and written atomically, so that a reader sees either the old or the new value.
    """

    def __init__(self, rows: int) -> None:
        self._memory = mmap.mmap(-1, rows * _ROW * 8)
        self._values = memoryview(self._memory).cast("d")
        self._free = list(range(rows))
        self._past = [0.0] * _ROW

    @property
    def has_room(self) -> bool:
        """Whether a row is free."""
        return bool(self._free)

    def take(self) -> Counters:
        """Reserve a row of zeros for a new writer. Raises IndexError when no row is free."""
        row = self._free.pop()
        start = row * _ROW
        self._values[start : start + _ROW] = memoryview(bytearray(_ROW * 8)).cast("d")
        return Counters(self, self._values[start : start + _ROW], row)

    def give_back(self, counters: Counters) -> None:
        """Free the row of a writer that has ended. Its counters stay in the totals, its gauges do not."""
        for place, (name, dummy) in enumerate(SLOTS):
            if name not in GAUGES:
                self._past[place] += counters.values[place]
            counters.values[place] = 0
        self._free.append(counters.row)

    def totals(self) -> dict[Slot, float]:
        """Return the sums over all rows, including those of writers that have ended."""
        return {slot: self._past[place] + sum(self._values[place::_ROW]) for place, slot in enumerate(SLOTS)}

    def connections(self) -> int:
        """Return the number of open connections of all writers."""
        return int(sum(self._values[_PLACES["open", ()] :: _ROW]))


class Counters:
    """The counters of one process."""

    def __init__(self, board: Board, values: memoryview[float], row: int) -> None:
        self.board = board
        self.values = values
        self.row = row

    def add(self, name: str, *labels: str, amount: float = 1) -> None:
        """Add amount to a counter."""
        self.values[_PLACES[name, labels]] += amount

    def put(self, name: str, value: float) -> None:
        """Set a gauge."""
        self.values[_PLACES[name, ()]] = value

    def get(self, name: str, *labels: str) -> float:
        """Return the value of a counter or a gauge."""
        value: float = self.values[_PLACES[name, labels]]
        return value

    def request(self, method: str, status: int, *, size: int, seconds: float) -> None:
        """Count a request that was answered; size is the size of the body in bytes."""
        place = _REQUEST_PLACES.get((method, status))
        if place is None:
            known = method if method in METHODS else "other"
            place = _REQUEST_PLACES[known, status if status in STATUSES else "other"]
        values = self.values
        values[place] += 1
        values[_FIRST_BUCKET + bisect.bisect_left(BUCKETS, seconds)] += 1
        values[_SECONDS_SUM] += seconds
        values[_BYTES] += size

    def attested(self, seconds: float) -> None:
        """Count an appraisal that took so many seconds."""
        self.values[_FIRST_ATTESTATION_BUCKET + bisect.bisect_left(BUCKETS, seconds)] += 1
        self.values[_PLACES["attestation_sum", ()]] += seconds


__all__ = (
    "ATTESTED",
    "BUCKETS",
    "CUT",
    "GAUGES",
    "METHODS",
    "REFUSED",
    "SLOTS",
    "STATUSES",
    "Board",
    "Counters",
    "Slot",
)
