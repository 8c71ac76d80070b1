# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's server on a transport in memory, with a client: a test triggers every step.

connection = Connection(ServerConfig((certified_key(),)), Inner)
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

from .tls13_peers import certified_key


class Below(asyncio.Transport):
    """A stream transport that behaves as asyncio's do. If the client does not read, its bytes stay in sent."""

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
    """Records the calls of its methods."""

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
    """A client and the collection's server; errors are reported errors, failures those passed to the event loop."""

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
        """Deliver bytes of the client to the server."""
        while data:
            assert not self.below.paused
            space = self.protocol.get_buffer(-1)
            count = min(len(space), len(data))
            space[:count] = data[:count]
            self.protocol.buffer_updated(count)
            data = data[count:]

    def take(self) -> None:
        """Let the client read all bytes."""
        data = bytes(self.below.sent)
        self.below.sent.clear()
        self.client.receive_data(data)
        event = self.client.next_event()
        while event is not None:
            if isinstance(event, PeerCertificate):
                self.client.accept_peer()
            elif isinstance(event, CertificateRequested):
                self.client.provide_certificate(certified_key())
            event = self.client.next_event()

    def pump(self) -> None:
        """Exchange bytes until neither end has any to send or the server pauses reading."""
        while not self.below.paused:
            data = self.client.data_to_send()
            if not data and not self.below.sent:
                return
            self.give(data)
            self.take()

    def lose(self) -> None:
        """Report the loss of the connection."""
        self.below.closing = True
        self.protocol.connection_lost(None)


__all__ = ("Below", "Connection", "Inner")
