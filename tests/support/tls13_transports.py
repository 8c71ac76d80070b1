# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our server on a transport in memory, with a client: every step happens when a test says so.

connection = Connection(ServerConfig((credentials(),)), Inner)
connection.pump()                    # as far as both get without waiting
assert connection.inner.log == ["made"]
"""

from __future__ import annotations

import asyncio
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import TlsError
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import (
    CertificateRequested,
    PeerCertificate,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.serving import TlsServerProtocol, TlsTransport

from .tls13_peers import credentials


class Below(asyncio.Transport):
    """A stream transport with the manners of asyncio's; a client that reads nothing is one whose bytes stay in sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.paused = self.closing = self.ended = False
        self.aborted = asyncio.Event()

    def write(self, data: t.Any) -> None:
        if self.ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        self.sent += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True
        self.aborted.set()

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Inner(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.log: list[t.Any] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = t.cast(TlsTransport, transport)
        self.log.append("made")

    def data_received(self, data: bytes) -> None:
        self.log.append(data)

    def eof_received(self) -> bool | None:
        self.log.append("eof")
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.log.append("lost")


class Connection:
    """A client and our server; errors are those that were reported, failures those that the event loop was told of."""

    def __init__(self, config: ServerConfig, inner: t.Callable[[], asyncio.Protocol] = Inner, **options: t.Any) -> None:
        errors: list[TlsError] = []
        failures: list[t.Any] = []
        self.errors, self.failures = errors, failures
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        options.setdefault("report", lambda error, peer: errors.append(error))
        self.protocol = TlsServerProtocol(config, inner, **options)
        self.below = Below()
        self.protocol.connection_made(self.below)
        self.client = ClientEngine(ClientConfig())

    @property
    def inner(self) -> t.Any:
        return self.protocol.inner

    def give(self, data: bytes) -> None:
        """Data of the client comes in."""
        while data:
            assert not self.below.paused
            space = self.protocol.get_buffer(-1)
            count = min(len(space), len(data))
            space[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    def take(self) -> None:
        """The client reads all there is."""
        data = bytes(self.below.sent)
        self.below.sent.clear()
        self.client.receive_data(data)
        event = self.client.next_event()
        while event is not None:
            if isinstance(event, PeerCertificate):
                self.client.accept_peer()
            elif isinstance(event, CertificateRequested):
                self.client.provide_certificate(credentials())
            event = self.client.next_event()

    def pump(self) -> None:
        """Until neither has anything to say, or the server does not read."""
        while not self.below.paused:
            data = self.client.data_to_send()
            if not data and not self.below.sent:
                return
            self.give(data)
            self.take()

    def lose(self) -> None:
        """The connection is gone."""
        self.below.closing = True
        self.protocol.connection_lost(None)


__all__ = ("Below", "Connection", "Inner")
