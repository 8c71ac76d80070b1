# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Admin listener of the main process: /healthz, /readyz and /metrics. Called by supervisor.py."""

from __future__ import annotations

import typing as t

from ..connections.connections import Connections
from ..connections.listeners import Acceptor, start_listening
from ..connections.protocol import HttpServer, Limits
from ..content.summary import faults
from ..libraries import web
from ..metrics.counters import Board

if t.TYPE_CHECKING:
    import socket

    from ..identity import Peer
    from ..metrics.metrics import Metrics, State

_CONNECTIONS: t.Final = 64
_SECONDS: t.Final = 10.0


class AdminPages:
    """Handler of /healthz (this process is alive), /readyz (requests are answered) and /metrics."""

    def __init__(self, state: State, metrics: Metrics) -> None:
        self._state = state
        self._metrics = metrics

    async def handle(
        self, request: web.BaseRequest, *, zero_copy: bool = False, peer: Peer | None = None
    ) -> web.StreamResponse:
        """Answer a request; the interface is that of protocol.Handler."""
        path = request.raw_path.partition("?")[0]
        if request.method not in ("GET", "HEAD"):
            return _text_response(405, "This listener supports GET and HEAD only.", Allow="GET, HEAD")
        if path == "/healthz":
            return _text_response(200, "alive")
        if path == "/readyz":
            return self._readiness()
        if path == "/metrics":
            headers = {"Content-Type": self._metrics.content_type, "Cache-Control": "no-store"}
            return web.Response(body=self._metrics.text(), headers=headers)
        return _text_response(404, "Not found; this listener has /healthz, /readyz and /metrics.")

    def _readiness(self) -> web.Response:
        if not self._state.ready:
            return _text_response(503, "not ready")
        problems = "" if self._state.snapshot is None else faults(self._state.snapshot)
        return _text_response(200, f"ready; {problems}" if problems else "ready")


def _text_response(status: int, text: str, **headers: str) -> web.Response:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", **headers}
    return web.Response(status=status, body=f"{text}\n".encode(), headers=headers)


class AdminListener:
    """Listener of the admin pages on a bound socket. Raises ListenError."""

    def __init__(self, sock: socket.socket, pages: AdminPages) -> None:
        start_listening(sock)
        # a board of its own, because requests here must not count as requests to the registry
        counters = Board(1).take()
        limits = Limits(head_seconds=_SECONDS, idle_seconds=_SECONDS, stall_seconds=_SECONDS)
        self._http = HttpServer(pages, zero_copy=False, limits=limits, counters=counters, access_log="none")
        connections = Connections(counters, limit=_CONNECTIONS, per_address=0)
        self._acceptor = Acceptor(sock, self._http, connections, tls=None)

    def check(self) -> None:
        """Check the time limits of connections. Called about once per second."""
        self._http.check()

    async def close(self) -> None:
        """Close the listener and abort its requests."""
        self._acceptor.close()
        await self._http.close(0)


__all__ = ("AdminListener", "AdminPages")
