# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Pool of the worker processes: starts, replaces, retires and stops them. Called by supervisor.py."""

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
# limit of retired generations that still have transfers in progress
MAX_RETIRED: t.Final = 8
_START_SECONDS: t.Final = 60.0
_HANG_SECONDS: t.Final = 30.0
_CLOSE_SECONDS: t.Final = 5.0
_KILL_SECONDS: t.Final = 5.0
_POLL_SECONDS: t.Final = 0.02
# a worker that lived so long is replaced at once
_STEADY_SECONDS: t.Final = 10.0
_BACKOFF: t.Final = (0.1, 30.0)


class _Member:
    """A worker process, from the view of its parent."""

    def __init__(self, pid: int, control: socket.socket, counters: Counters) -> None:
        self.pid = pid
        self.control = control
        self.counters = counters
        self.ready = False
        self.closed = False
        self.alive = True
        self.born = time.monotonic()

    def send(self, word: bytes) -> None:
        """Send a word to the worker; does nothing if it has ended."""
        with contextlib.suppress(OSError):
            self.control.send(word)

    def kill(self) -> None:
        """Kill the worker."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)


class _Generation:
    """The workers that serve the same snapshot with the same access files."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.members: list[_Member] = []
        self.failures = 0
        self.retired = False


class WorkerPool:
    """The worker processes of the server, in generations that serve the same content."""

    def __init__(self, settings: Settings, sockets: t.Sequence[socket.socket], *, board: Board, state: State) -> None:
        self._settings = settings
        self._sockets = sockets
        self._board = board
        self._state = state
        self._current: _Generation | None = None
        self._generations: list[_Generation] = []
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, serving: Serving) -> None:
        """Start a generation of workers and, when all are ready, retire the previous one. Raises ServerError.

        On failure or cancellation the new workers are killed, and the previous generation continues.
        """
        await self._make_room()
        # keeps the garbage collector from writing to memory that children share with this process
        gc.collect()
        gc.freeze()
        generation = _Generation(serving)
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
                "too many reloads wait for transfers to end: the oldest workers must end within %g s",
                self._settings.drain_seconds,
            )
            await self._stop_generations([oldest])

    async def _start(self, generation: _Generation) -> None:
        try:
            ours, theirs = socket.socketpair()
        except OSError as exc:
            raise _start_error(exc) from None
        counters = self._board.take()
        # so that a worker that hangs before its first heartbeat is detected too
        counters.put("heartbeat", time.monotonic())

        def run() -> int:
            return run_worker(
                self._settings, generation.serving, sockets=self._sockets, counters=counters, control=theirs
            )

        keep = [theirs.fileno(), *(sock.fileno() for sock in self._sockets)]
        try:
            pid = await outside_of_tasks(lambda: fork(run, keep=keep))
        except OSError as exc:
            self._board.give_back(counters)
            ours.close()
            raise _start_error(exc) from None
        finally:
            theirs.close()
        member = _Member(pid, ours, counters)
        generation.members.append(member)
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive, member)
        if generation.retired:
            # the generation was retired while this worker started
            member.send(STOP if self._stopping else RETIRE)

    def _receive(self, member: _Member) -> None:
        try:
            words = member.control.recv(16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            words = b""
        if READY in words:
            member.ready = True
            self._update()
        if CLOSED in words:
            member.closed = True
        if not words:
            asyncio.get_running_loop().remove_reader(member.control.fileno())

    async def _until_ready(self, generation: _Generation) -> None:
        deadline = time.monotonic() + _START_SECONDS
        wanted = self._settings.workers
        while sum(member.ready for member in generation.members) < wanted:
            if len(generation.members) < wanted or time.monotonic() > deadline:
                raise ServerError(
                    "Starting the worker processes failed: a worker did not become ready; see its log lines."
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _until_closed(self, generation: _Generation) -> None:
        deadline = time.monotonic() + _CLOSE_SECONDS
        while not all(member.closed for member in generation.members) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)

    def _retire(self, generation: _Generation, word: bytes) -> None:
        generation.retired = True
        for member in generation.members:
            member.send(word)

    def _drop(self, generation: _Generation) -> None:
        generation.retired = True
        for member in generation.members:
            member.kill()

    def reap(self) -> None:
        """Collect workers that have ended, and replace those of the current generation. Called after SIGCHLD."""
        for generation in list(self._generations):
            for member in list(generation.members):
                pid, status = os.waitpid(member.pid, os.WNOHANG)
                if pid:
                    self._handle_exit(generation, member, status)
            if not generation.members and generation.retired:
                self._generations.remove(generation)
        self._update()

    def _handle_exit(self, generation: _Generation, member: _Member, status: int) -> None:
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
        # the exponent is bounded, because floats overflow
        delay = 0.0 if generation.failures < 2 else min(longest, first * 2 ** min(generation.failures, 16))
        _LOG.error("worker %d %s; starting another one", member.pid, ending(status))
        self._spawn(self._start_replacement(generation, delay))

    def _spawn(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_replacement(self, generation: _Generation, delay: float) -> None:
        await asyncio.sleep(delay)
        # a newer generation may have replaced this one meanwhile
        while generation is self._current and not self._stopping:
            try:
                return await self._start(generation)
            except ServerError as exc:
                _LOG.error("%s", exc.message)
                await asyncio.sleep(_BACKOFF[1])
        return None

    def check(self) -> None:
        """Kill workers that hang. Called about once per second."""
        # SIGCHLD of a worker may have come before its process ID was known
        self.reap()
        now = time.monotonic()
        for generation in self._generations:
            for member in generation.members:
                if now - member.counters.get("heartbeat") > _HANG_SECONDS:
                    _LOG.error("worker %d hangs; killing it", member.pid)
                    member.kill()

    def _update(self) -> None:
        members = [] if self._current is None else self._current.members
        self._state.workers = sum(member.ready for member in members)
        self._state.ready = self._state.workers > 0 and not self._stopping

    async def stop(self) -> None:
        """Let responses in progress end for drain_seconds, then stop all workers."""
        self._stopping = True
        self._update()
        await self._stop_generations(self._generations)

    async def _stop_generations(self, generations: t.Sequence[_Generation]) -> None:
        for generation in generations:
            self._retire(generation, STOP)
        deadline = time.monotonic() + self._settings.drain_seconds + _KILL_SECONDS
        while any(generation.members for generation in generations):
            if time.monotonic() > deadline:
                for generation in generations:
                    self._drop(generation)
            await asyncio.sleep(_POLL_SECONDS)

    def kill(self) -> None:
        """Kill all workers."""
        self._stopping = True
        for generation in self._generations:
            self._drop(generation)


def _start_error(exc: OSError) -> ServerError:
    return ServerError(f"Starting a worker process failed: {exc.strerror}; check the limits of memory and open files.")


__all__ = ("MAX_RETIRED", "WorkerPool")
