# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Worker process: serves a snapshot on the shared sockets until it is retired or stopped. Called by fleet.py."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
import typing as t
from dataclasses import dataclass

from ..connections.connections import Connections
from ..connections.listeners import Acceptor
from ..connections.protocol import HttpServer, Limits

if t.TYPE_CHECKING:
    import socket

    from ..config.settings import Settings
    from ..content.snapshot import Snapshot
    from ..metrics.counters import Counters
    from .credentials import AccessFiles

_LOG: t.Final = logging.getLogger("attested.registry")
READY: t.Final = b"+"
CLOSED: t.Final = b"-"
RETIRE: t.Final = b"r"
STOP: t.Final = b"s"
_TICK_SECONDS: t.Final = 1.0
_POLL_SECONDS: t.Final = 0.1


@dataclass(frozen=True)
class Serving:
    """The content that a worker serves, and the files that decide who has access."""

    snapshot: Snapshot
    credentials: AccessFiles


def run_worker(
    settings: Settings,
    serving: Serving,
    *,
    sockets: t.Sequence[socket.socket],
    counters: Counters,
    control: socket.socket,
) -> int:
    """Serve until control receives RETIRE or STOP, or its other end closes; return the exit code.

    Sends READY on control when the worker is set up, and CLOSED when it has stopped accepting connections. RETIRE lets
    transfers in progress end, however long they take; STOP aborts transfers that take longer than drain_seconds.
    """
    asyncio.run(_Worker(settings, serving, sockets=sockets, counters=counters, control=control).run())
    return 0


class _Worker:
    def __init__(
        self,
        settings: Settings,
        serving: Serving,
        *,
        sockets: t.Sequence[socket.socket],
        counters: Counters,
        control: socket.socket,
    ) -> None:
        self._settings = settings
        self._serving = serving
        self._sockets = sockets
        self._counters = counters
        self._control = control
        self._connections = Connections(
            counters, limit=settings.connections, per_address=settings.connections_per_address
        )
        # made by run, because before Python 3.10 an event belongs to the event loop that exists when it is made
        self._told: asyncio.Event
        self._stop: asyncio.Event

    async def run(self) -> None:
        """Serve until the worker is retired or stopped."""
        self._told, self._stop = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        application, passwords = self._serving.credentials.application(self._serving.snapshot, self._settings)
        tls = self._serving.credentials.tls
        attesting = self._serving.credentials.attesting(self._counters, self._settings)
        server = HttpServer(
            application,
            zero_copy=tls is None and attesting is None,
            limits=limits_of(self._settings),
            counters=self._counters,
            passwords=passwords,
            access_log=self._settings.access_log,
        )
        acceptors = [Acceptor(sock, server, self._connections, tls=tls, attesting=attesting) for sock in self._sockets]
        ticking = loop.create_task(self._tick(server))
        self._control.setblocking(False)
        loop.add_reader(self._control.fileno(), self._receive)
        self._control.send(READY)
        await self._told.wait()
        for acceptor in acceptors:
            acceptor.close()
        with contextlib.suppress(OSError):
            self._control.send(CLOSED)
        await self._finish(server)
        for acceptor in acceptors:
            acceptor.cut()
        ticking.cancel()
        if passwords is not None:
            passwords.close()
        if attesting is not None:
            attesting.close()

    async def _finish(self, server: HttpServer) -> None:
        server.retire()
        while self._connections.open and not self._stop.is_set():
            await asyncio.sleep(_POLL_SECONDS)
        await server.close(self._settings.drain_seconds)

    async def _tick(self, server: HttpServer) -> None:
        while True:
            self._counters.put("heartbeat", time.monotonic())
            server.check()
            await asyncio.sleep(_TICK_SECONDS)

    def _receive(self) -> None:
        try:
            words = self._control.recv(16)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            words = b""
        if not words:
            _LOG.error("the main process has ended; stopping")
        if not words or STOP in words:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._stop_now()
        self._told.set()

    def _stop_now(self) -> None:
        self._stop.set()
        self._told.set()


def limits_of(settings: Settings) -> Limits:
    """Return the limits of the settings."""
    return Limits(
        head_seconds=settings.head_seconds,
        idle_seconds=settings.idle_seconds,
        stall_seconds=settings.stall_seconds,
        minimum_rate=settings.minimum_rate,
        handshake_seconds=settings.handshake_seconds,
    )


__all__ = ("CLOSED", "READY", "RETIRE", "STOP", "Serving", "limits_of", "run_worker")
