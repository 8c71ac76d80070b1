# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

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
# the service manager is told so often that starting goes on, and given so much more time
_EXTEND_EVERY: t.Final = 5.0
_EXTEND_SECONDS: t.Final = 30


class _Stopped(Exception):
    """The server was told to end."""


class Supervisor:
    """The main process: loads content, has workers serve it, and listens to signals. It answers no requests itself.

    SIGHUP reloads content, certificates, passwords and what attested clients are judged by; SIGTERM and SIGINT end the
    server when the answers under way are out, at most after drain_seconds, and at once when they come again.
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
        self._fleet = WorkerPool(settings, sockets, board=self._board, state=self._state)
        self._loader = Loader(settings)
        self._watch = Watch(settings.root) if settings.watch else None
        self._admin: AdminListener | None = None

    async def run(self) -> None:
        """Serve until told to end. Raises ServerError when it cannot begin."""
        self._stop, self._wanted = asyncio.Event(), asyncio.Event()
        self._listen_to_signals()
        if self._admin_socket is not None:
            metrics = Metrics(self._board, self._state, attesting=self._settings.tls == "ra-tls")
            self._admin = AdminListener(self._admin_socket, AdminPages(self._state, metrics))
        ticking = [asyncio.ensure_future(work()) for work in (self._tick, self._look)]
        try:
            with contextlib.suppress(_Stopped):
                await self._unless_stopped(self._begin())
                while True:
                    await self._unless_stopped(self._wanted.wait())
                    self._wanted.clear()
                    await self._unless_stopped(self._reload())
            await self._end()
        finally:
            for task in ticking:
                task.cancel()
            self._fleet.kill()
            if self._admin is not None:
                await self._admin.close()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        loop.add_signal_handler(signal.SIGHUP, self._wanted.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)

    def _told_to_stop(self) -> None:
        if self._stop.is_set():
            _LOG.warning("ending at once")
            self._fleet.kill()
        self._stop.set()

    def _reap(self) -> None:
        self._loader.reap()
        self._fleet.reap()

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

    async def _begin(self) -> None:
        extending = asyncio.ensure_future(self._extend())
        try:
            snapshot = await self._loader.load(None)
            await self._fleet.serve(Serving(snapshot, self._credentials))
        finally:
            extending.cancel()
        self._now_serves(snapshot)
        self._state.reloaded_at = time.time()
        text = summary(snapshot)
        sys.stdout.write(f"{' '.join(self._urls)} {text}\n")
        sys.stdout.flush()
        self._notifier.ready(text)

    def _now_serves(self, snapshot: Snapshot) -> None:
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
            _LOG.error("reloading: %s What was in use before stays in use.", problem)
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
            await self._fleet.serve(Serving(served, credentials))
        except ServerError as exc:
            problems.append(exc.message)
            return
        before, self._credentials = self._credentials, credentials
        self._state.certificate_expires = credentials.expires
        if credentials.relying_party != before.relying_party:
            credentials.warn()
        if snapshot is not None:
            self._now_serves(snapshot)

    async def _tick(self) -> None:
        watchdog = self._notifier.watchdog_seconds
        while True:
            self._fleet.check()
            if self._admin is not None:
                self._admin.check()
            if watchdog is not None:
                self._notifier.alive()
            await asyncio.sleep(_TICK_SECONDS if watchdog is None else min(_TICK_SECONDS, watchdog / 3))

    async def _look(self) -> None:
        while self._watch is not None:
            await asyncio.sleep(self._settings.watch)
            if self._watch.has_changed():
                _LOG.info("the content has changed")
                self._wanted.set()

    async def _end(self) -> None:
        _LOG.info("stopping")
        self._notifier.stopping("letting the answers under way end")
        for sock in self._sockets:
            sock.close()
        await self._fleet.stop()


def run_supervisor(supervisor: Supervisor) -> None:
    """Run it in an event loop of its own."""
    # SIGHUP means to end until there is a handler for it; one that comes early is for content that is read later
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asyncio.run(supervisor.run())


__all__ = ("Supervisor", "run_supervisor")
