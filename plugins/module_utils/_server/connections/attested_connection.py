# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import asyncio
import select
import typing as t

from ..._ratls.challenge import Challenge
from ..._tls13.serving import TlsServerProtocol
from ..._tls13.state import TlsState
from ..attestation.attesting import AttestationRejected

if t.TYPE_CHECKING:
    from ..._tls13.errors import TlsError
    from ..._tls13.events import PeerCertificate
    from ..._tls13.server import ServerEngine
    from ..access.attested_client import AttestedClient
    from ..attestation.attesting import Attesting
    from .connections import Admission
    from .protocol import HttpServer

# while a client is judged nothing is read from it, so somebody has to look whether it is still there
_LOOK_SECONDS: t.Final = 0.5


class AttestedConnection(TlsServerProtocol):
    """A connection on whose other end there has to be an attested client, before it gets to the server."""

    def __init__(self, attesting: Attesting, server: HttpServer, admission: Admission) -> None:
        self._attesting = attesting
        self._server = server
        self._admission = admission
        self._realm: AttestedClient | None = None
        self._challenge = Challenge()
        self._time_left = attesting.handshake_seconds
        self._has_grace = False
        self._since = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        super().__init__(
            attesting.config_for(self._challenge),
            self._attested,
            judge=self._find_out,
            report=self._ended,
            # the clock below is stopped meanwhile; this one never is
            deadline=attesting.handshake_seconds + 2 * attesting.attestation_seconds + _LOOK_SECONDS,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection is there."""
        super().connection_made(transport)
        self._attesting.handshakes.add(self)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and its place is free."""
        failed = self.inner is None and self._error is None
        super().connection_lost(exc)
        self._stop_clock()
        self._stop_looking()
        self._attesting.handshakes.discard(self)
        self._admission.release()
        # what refers to this object in a circle would keep its buffers and keys until garbage is collected
        self._judge, self._report, self._inner_factory = None, None, asyncio.Protocol
        if failed:
            self._attesting.counters.add("handshake_failures")

    def abort(self) -> None:
        """End the connection now."""
        self._below.abort()

    def _attested(self) -> asyncio.Protocol:
        """The protocol of the server, for a client that was judged."""
        self._stop_clock()
        self._attesting.handshakes.discard(self)
        if self._realm is None:
            raise AttestationRejected("Nobody has judged the client.")
        return self._server.connect(self._admission, realm=self._realm)

    async def _find_out(self, event: PeerCertificate, dummy: ServerEngine) -> None:
        self._stop_clock()
        self._look()
        try:
            self._realm = await self._attesting.judge(event.chain[0], self._challenge, address=self._admission.address)
        finally:
            self._stop_looking()
            if not self._below.is_closing():
                self._start_clock()

    def _ended(self, error: TlsError, dummy: object) -> None:
        self._stop_clock()
        if self.inner is None:
            self._attesting.ended(error, self._admission.address)

    def _start_clock(self) -> None:
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        self._clock = loop.call_later(self._time_left, self._stalled)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
            self._time_left = max(0.0, self._time_left - (asyncio.get_running_loop().time() - self._since))

    def _stalled(self) -> None:
        attesting = self._attesting
        if self.engine.state is TlsState.WAIT_CERT and not self._has_grace:
            # a client may have to make its evidence now, which takes longer than all the rest of a handshake
            self._has_grace = True
            self._time_left = attesting.attestation_seconds
            self._start_clock()
            return
        if self.engine.state is TlsState.WAIT_CERT:
            attesting.log.silent(self._admission.address, attesting.handshake_seconds + attesting.attestation_seconds)
        self._on_deadline()
        # what it did not take is not kept for it
        self._below.abort()

    def _look(self) -> None:
        if _has_left(self._below.get_extra_info("socket")):
            self._below.abort()
        else:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None


def _has_left(sock: t.Any) -> bool:
    """Whether the other end has closed or reset the connection, be there bytes before that or not."""
    try:
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True


__all__ = ("AttestedConnection",)
