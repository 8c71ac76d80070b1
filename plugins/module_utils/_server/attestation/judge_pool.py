# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import asyncio
import concurrent.futures
import typing as t

from ..fair_queue import Full, Turns

if t.TYPE_CHECKING:
    from ..._ratls.appraisal.appraisal import Attestation
    from ..metrics.counters import Counters

# for each that is judged so many may wait, and half of them of one address
_WAITING_EACH: t.Final = 32


class TooSlow(Exception):
    """Judging took longer than it may."""


class Judges:
    """Has clients judged off the event loop, in few threads, for which they wait in turn.

    A thread cannot be stopped: one whose client has gone, or whose time is over, keeps its place until it is done.
    """

    def __init__(self, counters: Counters, *, at_once: int, seconds: float) -> None:
        self._counters = counters
        self._seconds = seconds
        waiting = at_once * _WAITING_EACH
        self._turns = Turns(at_once=at_once, waiting=waiting, waiting_of_one=waiting // 2)
        self._threads = concurrent.futures.ThreadPoolExecutor(at_once, thread_name_prefix="attestations")
        self._running: set[asyncio.Future[Attestation]] = set()

    async def judge(self, work: t.Callable[[], Attestation], *, address: str | None) -> Attestation:
        """What work says, which blocks. Raises what it raises, Full at once, and TooSlow, time to wait included."""
        try:
            return await asyncio.wait_for(self._judge(work, address), self._seconds)
        except asyncio.TimeoutError:
            raise TooSlow from None

    async def _judge(self, work: t.Callable[[], Attestation], address: str | None) -> Attestation:
        await self._turns.take(address)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            future = loop.run_in_executor(self._threads, work)
        except BaseException:
            # such as for want of threads; a place that is not given back would be missing until the server ends
            self._turns.give_back()
            raise
        self._running.add(future)

        def done(dummy: object) -> None:
            self._running.discard(future)
            if not future.cancelled():
                # asked for here, or else what nobody waits for any more would be reported as a fault
                future.exception()
            self._counters.attested(loop.time() - began)
            self._turns.give_back()

        future.add_done_callback(done)
        # whoever goes away does not take the place from the thread, nor give it to another one
        return await asyncio.shield(future)

    def close(self) -> None:
        """End the threads, without waiting for them."""
        self._threads.shutdown(wait=False)
        for future in tuple(self._running):
            # it may end when there is no loop any more to tell it to
            future.cancel()


__all__ = ("Full", "Judges", "TooSlow")
