# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""RA-TLS connection of the server: TLS handshake with attestation, then the HTTP protocol of protocol.py.

Made by listeners.py for each socket. A timer limits the handshake; it pauses while the client is judged.
"""

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

# nothing is read from a client while it is judged, so its disconnection must be polled
_POLL_SECONDS: t.Final = 0.5


class AttestedConnection(TlsServerProtocol):
    """A connection that reaches the HTTP server only after its client was attested."""

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
        self._poll_timer: asyncio.TimerHandle | None = None
        super().__init__(
            attesting.config_for(self._challenge),
            self._make_http_protocol,
            judge=self._judge_client,
            report=self._report_failure,
            # the timer below pauses while the client is judged; this limit includes the pause
            deadline=attesting.handshake_seconds + 2 * attesting.attestation_seconds + _POLL_SECONDS,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit of the handshake."""
        super().connection_made(transport)
        self._attesting.handshakes.add(self)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers and release the place of the connection."""
        failed = self.inner is None and self._error is None
        super().connection_lost(exc)
        self._stop_clock()
        self._stop_polling()
        self._attesting.handshakes.discard(self)
        self._admission.release()
        # break reference cycles, which would keep buffers and keys until garbage collection
        self._judge, self._report, self._inner_factory = None, None, asyncio.Protocol
        if failed:
            self._attesting.counters.add("handshake_failures")

    def abort(self) -> None:
        """Abort the connection."""
        self._below.abort()

    def _make_http_protocol(self) -> asyncio.Protocol:
        """Return the HTTP protocol for a client that was accepted."""
        self._stop_clock()
        self._attesting.handshakes.discard(self)
        if self._realm is None:
            raise AttestationRejected("The client was not judged.")
        return self._server.connect(self._admission, realm=self._realm)

    async def _judge_client(self, event: PeerCertificate, dummy: ServerEngine) -> None:
        self._stop_clock()
        self._poll_client()
        try:
            self._realm = await self._attesting.judge(event.chain[0], self._challenge, address=self._admission.address)
        finally:
            self._stop_polling()
            if not self._below.is_closing():
                self._start_clock()

    def _report_failure(self, error: TlsError, dummy: object) -> None:
        self._stop_clock()
        if self.inner is None:
            self._attesting.ended(error, self._admission.address)

    def _start_clock(self) -> None:
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        self._clock = loop.call_later(self._time_left, self._handle_timeout)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
            self._time_left = max(0.0, self._time_left - (asyncio.get_running_loop().time() - self._since))

    def _handle_timeout(self) -> None:
        attesting = self._attesting
        if self.engine.state is TlsState.WAIT_CERT and not self._has_grace:
            # the client may be making its evidence, which takes longer than the rest of a handshake
            self._has_grace = True
            self._time_left = attesting.attestation_seconds
            self._start_clock()
            return
        if self.engine.state is TlsState.WAIT_CERT:
            attesting.log.silent(self._admission.address, attesting.handshake_seconds + attesting.attestation_seconds)
        self._on_deadline()
        # discard data that the client has not read
        self._below.abort()

    def _poll_client(self) -> None:
        if _is_disconnected(self._below.get_extra_info("socket")):
            self._below.abort()
        else:
            self._poll_timer = asyncio.get_running_loop().call_later(_POLL_SECONDS, self._poll_client)

    def _stop_polling(self) -> None:
        if self._poll_timer is not None:
            self._poll_timer.cancel()
            self._poll_timer = None


def _is_disconnected(sock: t.Any) -> bool:
    """Tell whether the client has closed or reset the connection, whether or not unread bytes precede that."""
    try:
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True


__all__ = ("AttestedConnection",)
