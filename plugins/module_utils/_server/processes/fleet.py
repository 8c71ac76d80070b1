# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
import typing as t

from ..errors import ServerError
from ..fork import ending, fork, outside_of_tasks
from .worker import CLOSED, READY, RETIRE, STOP, Serving, run_worker

if t.TYPE_CHECKING:
    from ..config.settings import Settings
    from ..metrics.counters import Board, Counters
    from ..metrics.metrics import State

_LOG: t.Final = logging.getLogger("attested.registry")
# how many generations may still have transfers under way
MAX_RETIRED: t.Final = 8
_START_SECONDS: t.Final = 60.0
_HANG_SECONDS: t.Final = 30.0
_CLOSE_SECONDS: t.Final = 5.0
_KILL_SECONDS: t.Final = 5.0
_POLL_SECONDS: t.Final = 0.02
# one that lived for so long is replaced at once
_STEADY_SECONDS: t.Final = 10.0
_BACKOFF: t.Final = (0.1, 30.0)


class _Member:
    """A worker process, seen from its parent."""

    def __init__(self, pid: int, control: socket.socket, counters: Counters) -> None:
        self.pid = pid
        self.control = control
        self.counters = counters
        self.ready = False
        self.closed = False
        self.alive = True
        self.born = time.monotonic()

    def say(self, word: bytes) -> None:
        """Tell it something; one that has ended is not there to hear it."""
        with contextlib.suppress(OSError):
            self.control.send(word)

    def kill(self) -> None:
        """End it the hard way."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)


class _Generation:
    """The workers that serve the same content."""

    def __init__(self, content: Serving) -> None:
        self.content = content
        self.members: list[_Member] = []
        self.failures = 0
        self.retired = False


class WorkerPool:
    """The worker processes: starts them, replaces those that end, and puts new ones in place of all when told to."""

    def __init__(self, settings: Settings, sockets: t.Sequence[socket.socket], *, board: Board, state: State) -> None:
        self._settings = settings
        self._sockets = sockets
        self._board = board
        self._state = state
        self._current: _Generation | None = None
        self._generations: list[_Generation] = []
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, content: Serving) -> None:
        """Start workers with this content; when all are ready, the others let their transfers end. Raises ServerError.

        When it fails or is cancelled, all is as before.
        """
        await self._make_room()
        # the children share memory with this process as long as neither writes to it
        gc.collect()
        gc.freeze()
        generation = _Generation(content)
        self._generations.append(generation)
        try:
            for dummy in range(self._settings.workers):
                await self._start(generation)
            await self._until_ready(generation)
        except BaseException:
            self._drop(generation)
            raise
        before, self._current = self._current, generation
        if before is not None:
            self._retire(before, RETIRE)
            await self._until_closed(before)
        self._update()

    async def _make_room(self) -> None:
        while sum(item.retired for item in self._generations) >= MAX_RETIRED:
            oldest = next(item for item in self._generations if item.retired)
            _LOG.warning(
                "too many reloads wait for transfers to end: the oldest have %g s", self._settings.drain_seconds
            )
            await self._end([oldest])

    async def _start(self, generation: _Generation) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as exc:
            raise _no_start(exc) from None
        counters = self._board.take()
        # one that hangs before its first beat is found, too
        counters.put("heartbeat", time.monotonic())

        def run() -> int:
            return run_worker(
                self._settings, generation.content, sockets=self._sockets, counters=counters, control=theirs
            )

        keep = [theirs.fileno(), *(sock.fileno() for sock in self._sockets)]
        try:
            pid = await outside_of_tasks(lambda: fork(run, keep=keep))
        except OSError as exc:
            self._board.give_back(counters)
            ours.close()
            raise _no_start(exc) from None
        finally:
            theirs.close()
        member = _Member(pid, ours, counters)
        generation.members.append(member)
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, member)
        if generation.retired:
            # that was said to the others while this one was on its way
            member.say(STOP if self._stopping else RETIRE)

    def _hear(self, member: _Member) -> None:
        try:
            said = member.control.recv(16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            said = b""
        if READY in said:
            member.ready = True
            self._update()
        if CLOSED in said:
            member.closed = True
        if not said:
            asyncio.get_running_loop().remove_reader(member.control.fileno())

    async def _until_ready(self, generation: _Generation) -> None:
        deadline = time.monotonic() + _START_SECONDS
        wanted = self._settings.workers
        while sum(member.ready for member in generation.members) < wanted:
            if len(generation.members) < wanted or time.monotonic() > deadline:
                raise ServerError("Starting the worker processes failed: one did not get ready; its log says why.")
            await asyncio.sleep(_POLL_SECONDS)

    async def _until_closed(self, generation: _Generation) -> None:
        deadline = time.monotonic() + _CLOSE_SECONDS
        while not all(member.closed for member in generation.members) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)

    def _retire(self, generation: _Generation, word: bytes) -> None:
        generation.retired = True
        for member in generation.members:
            member.say(word)

    def _drop(self, generation: _Generation) -> None:
        generation.retired = True
        for member in generation.members:
            member.kill()

    def reap(self) -> None:
        """To be called when a child has ended."""
        for generation in list(self._generations):
            for member in list(generation.members):
                pid, status = os.waitpid(member.pid, os.WNOHANG)
                if pid:
                    self._gone(generation, member, status)
            if not generation.members and generation.retired:
                self._generations.remove(generation)
        self._update()

    def _gone(self, generation: _Generation, member: _Member, status: int) -> None:
        member.alive = False
        generation.members.remove(member)
        self._board.give_back(member.counters)
        asyncio.get_running_loop().remove_reader(member.control.fileno())
        member.control.close()
        if generation is not self._current or self._stopping:
            return
        self._state.restarts += 1
        steady = time.monotonic() - member.born > _STEADY_SECONDS
        generation.failures = 0 if steady else generation.failures + 1
        first, longest = _BACKOFF
        # there is an end to the numbers that a float can be
        delay = 0.0 if generation.failures < 2 else min(longest, first * 2 ** min(generation.failures, 16))
        _LOG.error("the worker %d %s; another one takes its place", member.pid, ending(status))
        self._spawn(self._replace(generation, delay))

    def _spawn(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, generation: _Generation, delay: float) -> None:
        await asyncio.sleep(delay)
        # by now there may be a newer one
        while generation is self._current and not self._stopping:
            try:
                return await self._start(generation)
            except ServerError as exc:
                _LOG.error("%s", exc.message)
                await asyncio.sleep(_BACKOFF[1])
        return None

    def check(self) -> None:
        """End workers that hang; to be called about every second."""
        # one that ended before its number was known has had its signal already
        self.reap()
        now = time.monotonic()
        for generation in self._generations:
            for member in generation.members:
                if now - member.counters.get("heartbeat") > _HANG_SECONDS:
                    _LOG.error("the worker %d hangs and is ended", member.pid)
                    member.kill()

    def _update(self) -> None:
        members = [] if self._current is None else self._current.members
        self._state.workers = sum(member.ready for member in members)
        self._state.ready = self._state.workers > 0 and not self._stopping

    async def stop(self) -> None:
        """Let the answers under way end for drain_seconds, then end all workers."""
        self._stopping = True
        self._update()
        await self._end(self._generations)

    async def _end(self, generations: t.Sequence[_Generation]) -> None:
        for generation in generations:
            self._retire(generation, STOP)
        deadline = time.monotonic() + self._settings.drain_seconds + _KILL_SECONDS
        while any(generation.members for generation in generations):
            if time.monotonic() > deadline:
                for generation in generations:
                    self._drop(generation)
            await asyncio.sleep(_POLL_SECONDS)

    def kill(self) -> None:
        """End all workers at once."""
        self._stopping = True
        for generation in self._generations:
            self._drop(generation)


def _no_start(exc: OSError) -> ServerError:
    return ServerError(f"Starting a worker process failed: {exc.strerror}; are memory or open files short?")


__all__ = ("MAX_RETIRED", "WorkerPool")
