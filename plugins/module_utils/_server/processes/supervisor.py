# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Main process of the server: loads content, runs the workers, and handles signals. Called by main.py.

Process model: the main process answers no requests of registry clients, only those of the second listener. It binds the
sockets, and forks everything else, so that a fault or a leak in another process cannot stop the service. Content is
loaded in a child process (loader.py), which returns an immutable snapshot and exits; the main process has no threads,
as forking requires. Workers are forked with the snapshot and the access files in memory and share the listening
sockets, so they start without reading anything, and their memory is shared. Settings never change. A reload (SIGHUP, or
watch) loads a new snapshot and access files and forks a new generation of workers. Only when all of them are ready is
the old generation retired: it stops accepting connections, finishes its responses however long they take, and exits. If
a part of a reload fails, that part stays as it was, so the service never gets worse by a reload. The main process
replaces workers that exit, with a growing delay if they fail repeatedly, and kills workers whose heartbeat (a counter
in shared memory) stops. SIGTERM and SIGINT stop all generations after at most drain_seconds; a worker that loses the
control socket to the main process stops too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
import typing as t

from ..content.loader import Loader
from ..content.summary import summary
from ..content.watch import Watch
from ..errors import ServerError
from ..metrics.counters import Board
from ..metrics.metrics import Metrics, State
from .admin import AdminListener, AdminPages
from .credentials import AccessFiles, keep_served
from .fleet import MAX_RETIRED, WorkerPool
from .worker import Serving

if t.TYPE_CHECKING:
    import socket

    from ..config.settings import Settings
    from ..content.snapshot import Snapshot
    from .notify import Notifier

_LOG: t.Final = logging.getLogger("attested.registry")
_T = t.TypeVar("_T")
_TICK_SECONDS: t.Final = 1.0
# interval at which the time limit of the start is extended, and by how much
_EXTEND_EVERY: t.Final = 5.0
_EXTEND_SECONDS: t.Final = 30


class _Stopped(Exception):
    """A signal has stopped the server."""


class Supervisor:
    """The main process of the server.

    SIGHUP reloads content, certificates, passwords and materials of attestation. SIGTERM and SIGINT stop the server
    after the responses in progress, at most after drain_seconds; a second signal stops it at once.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: AccessFiles,
        *,
        sockets: t.Sequence[socket.socket],
        urls: t.Sequence[str],
        admin: socket.socket | None,
        notifier: Notifier,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._sockets = sockets
        self._urls = urls
        self._admin_socket = admin
        self._notifier = notifier
        self._state = State(certificate_expires=credentials.expires)
        self._board = Board(settings.workers * (MAX_RETIRED + 3))
        self._workers = WorkerPool(settings, sockets, board=self._board, state=self._state)
        self._loader = Loader(settings)
        self._watch = Watch(settings.root) if settings.watch else None
        self._admin: AdminListener | None = None
        # made by run, because before Python 3.10 an event belongs to the event loop that exists when it is made
        self._stop: asyncio.Event
        self._wanted: asyncio.Event

    async def run(self) -> None:
        """Serve until a signal stops the server. Raises ServerError when the start fails."""
        self._stop, self._wanted = asyncio.Event(), asyncio.Event()
        self._listen_to_signals()
        if self._admin_socket is not None:
            metrics = Metrics(self._board, self._state, attesting=self._settings.tls == "ra-tls")
            self._admin = AdminListener(self._admin_socket, AdminPages(self._state, metrics))
        ticking = [asyncio.ensure_future(work()) for work in (self._tick, self._poll_content)]
        try:
            with contextlib.suppress(_Stopped):
                await self._unless_stopped(self._start())
                while True:
                    await self._unless_stopped(self._wanted.wait())
                    self._wanted.clear()
                    await self._unless_stopped(self._reload())
            await self._shut_down()
        finally:
            for task in ticking:
                task.cancel()
            self._workers.kill()
            if self._admin is not None:
                await self._admin.close()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        loop.add_signal_handler(signal.SIGHUP, self._wanted.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._handle_stop_signal)

    def _handle_stop_signal(self) -> None:
        if self._stop.is_set():
            _LOG.warning("stopping at once")
            self._workers.kill()
        self._stop.set()

    def _reap(self) -> None:
        self._loader.reap()
        self._workers.reap()

    async def _unless_stopped(self, work: t.Coroutine[t.Any, t.Any, _T]) -> _T:
        task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            task.cancel()
            await asyncio.wait({task})
            raise _Stopped
        finally:
            stopped.cancel()

    async def _start(self) -> None:
        extending = asyncio.ensure_future(self._extend())
        try:
            snapshot = await self._loader.load(None)
            await self._workers.serve(Serving(snapshot, self._credentials))
        finally:
            extending.cancel()
        self._record_snapshot(snapshot)
        self._state.reloaded_at = time.time()
        text = summary(snapshot)
        sys.stdout.write(f"{' '.join(self._urls)} {text}\n")
        sys.stdout.flush()
        self._notifier.ready(text)

    def _record_snapshot(self, snapshot: Snapshot) -> None:
        self._state.snapshot, self._state.loaded_at = snapshot, time.monotonic()
        for warning in snapshot.warnings:
            _LOG.warning("%s", warning)
        for left in snapshot.left_out:
            _LOG.warning("left out %s: %s", left.name, left.reason)

    async def _extend(self) -> None:
        while True:
            self._notifier.working("loading the content", seconds=_EXTEND_SECONDS)
            await asyncio.sleep(_EXTEND_EVERY)

    async def _reload(self) -> None:
        self._notifier.reloading()
        _LOG.info("reloading")
        problems: list[str] = []
        snapshot = await self._new_snapshot(problems)
        credentials = self._credentials.renewed(self._settings, problems)
        if snapshot is not None or credentials != self._credentials:
            await self._switch(snapshot, credentials, problems)
        for problem in problems:
            _LOG.error("reloading: %s The previous state stays in use.", problem)
        self._state.reloaded_at, self._state.reload_failed = time.time(), bool(problems)
        self._state.reloads_failed += bool(problems)
        self._state.reloads_done += not problems
        served = self._state.snapshot
        text = summary(served) if served is not None else ""
        if not problems:
            _LOG.info("reloaded: %s", text)
        self._notifier.ready(f"{problems[0]} Still {text}" if problems else text)

    async def _new_snapshot(self, problems: list[str]) -> Snapshot | None:
        old = self._state.snapshot
        try:
            return keep_served(old, await self._loader.load(old))
        except ServerError as exc:
            problems.append(exc.message)
            return None

    async def _switch(self, snapshot: Snapshot | None, credentials: AccessFiles, problems: list[str]) -> None:
        served = snapshot or self._state.snapshot
        if served is None:
            return
        try:
            await self._workers.serve(Serving(served, credentials))
        except ServerError as exc:
            problems.append(exc.message)
            return
        before, self._credentials = self._credentials, credentials
        self._state.certificate_expires = credentials.expires
        if credentials.relying_party != before.relying_party:
            credentials.warn()
        if snapshot is not None:
            self._record_snapshot(snapshot)

    async def _tick(self) -> None:
        watchdog = self._notifier.watchdog_seconds
        while True:
            self._workers.check()
            if self._admin is not None:
                self._admin.check()
            if watchdog is not None:
                self._notifier.alive()
            await asyncio.sleep(_TICK_SECONDS if watchdog is None else min(_TICK_SECONDS, watchdog / 3))

    async def _poll_content(self) -> None:
        while self._watch is not None:
            await asyncio.sleep(self._settings.watch)
            if self._watch.has_changed():
                _LOG.info("the content has changed")
                self._wanted.set()

    async def _shut_down(self) -> None:
        _LOG.info("stopping")
        self._notifier.stopping("finishing the responses in progress")
        for sock in self._sockets:
            sock.close()
        await self._workers.stop()


def run_supervisor(supervisor: Supervisor) -> None:
    """Run the supervisor in a new event loop."""
    # without a handler, SIGHUP would end the process; an early one needs no reload, as content is loaded later
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(supervisor.run())


__all__ = ("Supervisor", "run_supervisor")
