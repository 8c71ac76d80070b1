# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""ClientHello, ServerHello and HelloRetryRequest (RFC 8446, section 4.1)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .errors import ProtocolError
from .extensions import Extensions, read_extensions, write_extensions
from .names import RETRY_RANDOM, TLS12, Alert, Extension, HandshakeType
from .wire import Reader, number, numbers, read_all, vector

RANDOM_LENGTH: t.Final = 32
SESSION_ID_LENGTH: t.Final = 32


def message(kind: HandshakeType, body: bytes) -> bytes:
    """Return a handshake message: body with its header (RFC 8446, section 4)."""
    return bytes([kind]) + vector(body, 3)


@dataclass(frozen=True)
class ClientHello:
    """A ClientHello (RFC 8446, section 4.1.2)."""

    random: bytes
    session_id: bytes
    suites: tuple[int, ...]
    extensions: Extensions
    version: int = TLS12
    compressions: bytes = b"\0"

    def encode(self) -> bytes:
        """Return the message with its header."""
        return message(
            HandshakeType.CLIENT_HELLO,
            number(self.version, 2)
            + self.random
            + vector(self.session_id, 1)
            + numbers(self.suites)
            + vector(self.compressions, 1)
            + write_extensions(self.extensions),
        )


def _client_hello(reader: Reader) -> ClientHello:
    version = reader.number(2)
    random = reader.take(RANDOM_LENGTH)
    session_id = reader.vector(1, most=SESSION_ID_LENGTH)
    suites = reader.numbers()
    compressions = reader.vector(1, least=1)
    # a ClientHello before TLS 1.3 may end here
    extensions = read_extensions(reader) if reader else {}
    return ClientHello(random, session_id, suites, extensions, version, compressions)


def read_client_hello(body: bytes) -> ClientHello:
    """Parse a ClientHello without its header.

    Raises DecodeError, and ProtocolError for violations of section 4.1.2 that do not depend on the extensions.
    """
    hello = read_all(body, "ClientHello", _client_hello)
    if hello.extensions.keys() & {Extension.PRE_SHARED_KEY}:
        if list(hello.extensions)[-1] != Extension.PRE_SHARED_KEY:
            raise _illegal_hello("has extensions after pre_shared_key")
        # section 4.2.9
        if Extension.PSK_KEY_EXCHANGE_MODES not in hello.extensions:
            raise ProtocolError(
                "The ClientHello of the other end has pre_shared_key without psk_key_exchange_modes.",
                alert=Alert.MISSING_EXTENSION,
            )
    return hello


def check_second_hello(first: ClientHello, second: ClientHello) -> None:
    """Check that the ClientHello after a HelloRetryRequest differs only as permitted (RFC 8446, section 4.1.2).

    Raises ProtocolError.
    """
    same = (first.version, first.random, first.session_id, first.suites, first.compressions) == (
        second.version,
        second.random,
        second.session_id,
        second.suites,
        second.compressions,
    )
    if not same or _unchanged_extensions(first) != _unchanged_extensions(second):
        raise _illegal_hello("after the HelloRetryRequest is not the same as the first")
    if Extension.EARLY_DATA in second.extensions:
        raise _illegal_hello("after the HelloRetryRequest still offers early data")
    if Extension.COOKIE in second.extensions:
        raise _illegal_hello("has a cookie that was never given out")


def _unchanged_extensions(hello: ClientHello) -> list[tuple[int, bytes]]:
    return [item for item in hello.extensions.items() if item[0] not in _CHANGING]


_CHANGING: t.Final = (
    Extension.KEY_SHARE,
    Extension.EARLY_DATA,
    Extension.COOKIE,
    Extension.PRE_SHARED_KEY,
    Extension.PADDING,
)


def _illegal_hello(what: str) -> ProtocolError:
    return ProtocolError(f"The ClientHello of the other end {what}.", alert=Alert.ILLEGAL_PARAMETER)


@dataclass(frozen=True)
class ServerHello:
    """A ServerHello (RFC 8446, section 4.1.3), or with RETRY_RANDOM a HelloRetryRequest (section 4.1.4)."""

    session_id: bytes
    suite: int
    extensions: Extensions = field(default_factory=dict)
    random: bytes = RETRY_RANDOM
    version: int = TLS12
    compression: int = 0

    @property
    def is_retry(self) -> bool:
        """Whether this is a HelloRetryRequest."""
        return self.random == RETRY_RANDOM

    def encode(self) -> bytes:
        """Return the message with its header."""
        return message(
            HandshakeType.SERVER_HELLO,
            number(self.version, 2)
            + self.random
            + vector(self.session_id, 1)
            + number(self.suite, 2)
            + number(self.compression, 1)
            + write_extensions(self.extensions),
        )


def _server_hello(reader: Reader) -> ServerHello:
    version = reader.number(2)
    random = reader.take(RANDOM_LENGTH)
    session_id = reader.vector(1, most=SESSION_ID_LENGTH)
    suite = reader.number(2)
    compression = reader.number(1)
    # a server of TLS 1.2 may omit the extensions; the client's checks detect that later
    extensions = read_extensions(reader) if reader else {}
    return ServerHello(session_id, suite, extensions, random, version, compression)


def read_server_hello(body: bytes) -> ServerHello:
    """Parse a ServerHello or HelloRetryRequest without its header. Raises DecodeError and ProtocolError."""
    return read_all(body, "ServerHello", _server_hello)


__all__ = (
    "RANDOM_LENGTH",
    "SESSION_ID_LENGTH",
    "ClientHello",
    "ServerHello",
    "check_second_hello",
    "message",
    "read_client_hello",
    "read_server_hello",
)
