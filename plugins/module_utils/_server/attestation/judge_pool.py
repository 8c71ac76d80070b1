# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Thread pool that judges attested clients, with a fair queue in front of it. Called by attesting.py."""

from __future__ import annotations

import asyncio
import concurrent.futures
import typing as t

from ..fair_queue import FairQueue, QueueFull

if t.TYPE_CHECKING:
    from ..._ratls.appraisal.appraisal import Attestation
    from ..metrics.counters import Counters

# length of the queue for each thread; one address may take half of the queue
_WAITING_EACH: t.Final = 32


class JudgeTimeout(Exception):
    """The wait and the appraisal together took longer than the limit."""


class JudgePool:
    """A pool of few threads that judge clients off the event loop; a FairQueue admits the clients.

    A thread cannot be stopped: after a timeout or when its client disconnects, it keeps its place until it is done.
    """

    def __init__(self, counters: Counters, *, at_once: int, seconds: float) -> None:
        self._counters = counters
        self._seconds = seconds
        waiting = at_once * _WAITING_EACH
        self._turns = FairQueue(at_once=at_once, waiting=waiting, waiting_of_one=waiting // 2)
        self._threads = concurrent.futures.ThreadPoolExecutor(at_once, thread_name_prefix="attestations")
        self._running: set[asyncio.Future[Attestation]] = set()

    async def judge(self, work: t.Callable[[], Attestation], *, address: str | None) -> Attestation:
        """Run work, which blocks, in a thread and return its result.

        Raises what work raises; QueueFull at once; JudgeTimeout when the wait and the work together take too long.
        """
        try:
            return await asyncio.wait_for(self._run_in_turn(work, address), self._seconds)
        except asyncio.TimeoutError:
            raise JudgeTimeout from None

    async def _run_in_turn(self, work: t.Callable[[], Attestation], address: str | None) -> Attestation:
        await self._turns.take(address)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            future = loop.run_in_executor(self._threads, work)
        except BaseException:
            # no thread could start, for example; a place that is not given back would be lost
            self._turns.give_back()
            raise
        self._running.add(future)

        def done(dummy: object) -> None:
            self._running.discard(future)
            if not future.cancelled():
                # asyncio logs exceptions that are never retrieved
                future.exception()
            self._counters.attested(loop.time() - began)
            self._turns.give_back()

        future.add_done_callback(done)
        # shielded, so that the thread keeps its place when the client disconnects
        return await asyncio.shield(future)

    def close(self) -> None:
        """Shut the threads down, without waiting for them."""
        self._threads.shutdown(wait=False)
        for future in tuple(self._running):
            # the thread may end after the event loop is closed, when no result can be delivered
            future.cancel()


__all__ = ("JudgePool", "JudgeTimeout", "QueueFull")
