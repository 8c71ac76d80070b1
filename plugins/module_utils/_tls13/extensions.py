# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reads and writes extensions (RFC 8446, section 4.2); called by hello.py, messages.py and both engines."""

from __future__ import annotations

import typing as t

from .errors import DecodeError, ProtocolError
from .limits import EXTENSIONS
from .names import Alert, Extension
from .wire import Reader, number, numbers, read_all, vector, vectors

# extension data by extension type, in the order of the message
Extensions = t.Mapping[int, bytes]

# groups and key exchange values of a key_share extension
Shares = tuple[tuple[int, bytes], ...]

_HOST_NAME: t.Final = 0


def read_extensions(reader: Reader, *, least: int = 0) -> dict[int, bytes]:
    """Read an extension block (RFC 8446, section 4.2).

    Raises DecodeError, and ProtocolError for a duplicate extension.
    """
    block = reader.inner(2, least=least)
    found: dict[int, bytes] = {}
    while block:
        kind = block.number(2)
        if kind in found:
            raise ProtocolError(
                f"The {reader.what} of the other end has the extension {kind} twice.", alert=Alert.ILLEGAL_PARAMETER
            )
        found[kind] = block.vector(2)
        if len(found) > EXTENSIONS:
            raise DecodeError(f"The {reader.what} of the other end has more than {EXTENSIONS} extensions.")
    return found


def write_extensions(extensions: Extensions) -> bytes:
    """Encode an extension block."""
    return vector(b"".join([number(kind, 2) + vector(data, 2) for kind, data in extensions.items()]), 2)


def check_allowed(extensions: Extensions, allowed: t.Collection[int], what: str, *, answers: bool) -> None:
    """Check that a message has only the extensions that are allowed in it (RFC 8446, section 4.2).

    answers says that all extensions of the message answer extensions of this end: then every other one is an error;
    otherwise unknown ones are ignored. Raises ProtocolError: illegal_parameter for a known extension that belongs
    elsewhere, unsupported_extension for an unsolicited one.
    """
    for kind in extensions:
        if kind in allowed:
            continue
        if kind in _MISPLACED:
            raise ProtocolError(
                f"The {what} of the other end has the extension {kind}, which does not belong there.",
                alert=Alert.ILLEGAL_PARAMETER,
            )
        if answers:
            raise ProtocolError(
                f"The {what} of the other end has the extension {kind}, which was not asked for.",
                alert=Alert.UNSUPPORTED_EXTENSION,
            )


# extensions that this end always sends or whose message it knows; any other one in an answer is unsolicited
_MISPLACED: t.Final = (
    Extension.SUPPORTED_GROUPS,
    Extension.SIGNATURE_ALGORITHMS,
    Extension.PADDING,
    Extension.SUPPORTED_VERSIONS,
    Extension.PSK_KEY_EXCHANGE_MODES,
    Extension.KEY_SHARE,
)


def require(extensions: Extensions, kind: Extension, what: str) -> bytes:
    """Return the data of a required extension (RFC 8446, section 9.2). Raises ProtocolError."""
    try:
        return extensions[kind]
    except KeyError:
        raise ProtocolError(
            f"The {what} of the other end lacks the extension {kind.name.lower()}.", alert=Alert.MISSING_EXTENSION
        ) from None


def read_server_name(data: bytes) -> str:
    """Read the host name in a server_name (RFC 6066, section 3). Raises DecodeError and ProtocolError."""
    entries = read_all(data, "server_name", lambda reader: _entries(reader.inner(2, least=1)))
    names = [name for kind, name in entries if kind == _HOST_NAME]
    if len(names) != 1 or not names[0].isascii() or b"\0" in names[0]:
        raise ProtocolError("The server_name of the other end is not a host name.", alert=Alert.ILLEGAL_PARAMETER)
    return names[0].decode("ascii")


def _entries(reader: Reader) -> list[tuple[int, bytes]]:
    entries = []
    while reader:
        kind = reader.number(1)
        entries.append((kind, reader.vector(2, least=1)))
    return entries


def write_server_name(name: str) -> bytes:
    """Encode the server_name of a ClientHello."""
    return vector(number(_HOST_NAME, 1) + vector(name.encode("ascii"), 2), 2)


def read_numbers(data: bytes, what: str) -> tuple[int, ...]:
    """Read supported_groups (RFC 8446, section 4.2.7) or signature_algorithms (4.2.3). Raises DecodeError."""
    return read_all(data, what, lambda reader: reader.numbers())


def read_versions(data: bytes) -> tuple[int, ...]:
    """Read the supported_versions of a ClientHello (RFC 8446, section 4.2.1). Raises DecodeError."""
    return read_all(data, "supported_versions", lambda reader: reader.numbers(length=1))


def write_versions(versions: t.Iterable[int]) -> bytes:
    """Encode the supported_versions of a ClientHello."""
    return numbers(versions, length=1)


def read_number(data: bytes, what: str) -> int:
    """Read the number in a ServerHello's supported_versions or a HelloRetryRequest's key_share. Raises DecodeError."""
    return read_all(data, what, lambda reader: reader.number(2))


def _share(reader: Reader) -> tuple[int, bytes]:
    return reader.number(2), reader.vector(2, least=1)


def _shares(reader: Reader) -> Shares:
    block = reader.inner(2)
    found = []
    while block:
        found.append(_share(block))
    return tuple(found)


def read_shares(data: bytes) -> Shares:
    """Read the key_share of a ClientHello (RFC 8446, section 4.2.8).

    Raises DecodeError, and ProtocolError for a duplicate group.
    """
    shares = read_all(data, "key_share", _shares)
    if len({group for group, dummy in shares}) != len(shares):
        raise ProtocolError("The key_share of the other end has a group twice.", alert=Alert.ILLEGAL_PARAMETER)
    return shares


def write_shares(shares: t.Iterable[tuple[int, bytes]]) -> bytes:
    """Encode the key_share of a ClientHello."""
    return vector(b"".join(write_share(group, share) for group, share in shares), 2)


def read_share(data: bytes) -> tuple[int, bytes]:
    """Read the key_share of a ServerHello. Raises DecodeError."""
    return read_all(data, "key_share", _share)


def write_share(group: int, share: bytes) -> bytes:
    """Encode the key_share of a ServerHello."""
    return number(group, 2) + vector(share, 2)


def _vectors(data: bytes, what: str, size: int) -> tuple[bytes, ...]:
    def parse(reader: Reader) -> tuple[bytes, ...]:
        block = reader.inner(2, least=size + 1)
        found = []
        while block:
            found.append(block.vector(size, least=1))
        return tuple(found)

    return read_all(data, what, parse)


def read_protocols(data: bytes) -> tuple[bytes, ...]:
    """Read the application protocols of an ALPN extension (RFC 7301, section 3.1). Raises DecodeError."""
    return _vectors(data, "application_layer_protocol_negotiation", 1)


def write_protocols(protocols: t.Iterable[bytes]) -> bytes:
    """Encode an ALPN extension."""
    return vectors(protocols, inner=1, outer=2)


def read_authorities(data: bytes) -> tuple[bytes, ...]:
    """Read the entries of certificate_authorities (RFC 8446, section 4.2.4). Raises DecodeError.

    They are returned unchanged and never parsed as DER: RA-TLS carries its challenge there.
    """
    return _vectors(data, "certificate_authorities", 2)


def write_authorities(authorities: t.Iterable[bytes]) -> bytes:
    """Encode a certificate_authorities extension."""
    return vectors(authorities, inner=2, outer=2)


def read_cookie(data: bytes) -> bytes:
    """Read the cookie of a HelloRetryRequest (RFC 8446, section 4.2.2). Raises DecodeError."""
    return read_all(data, "cookie", lambda reader: reader.vector(2, least=1))


__all__ = (
    "Extensions",
    "Shares",
    "check_allowed",
    "read_authorities",
    "read_cookie",
    "read_extensions",
    "read_number",
    "read_numbers",
    "read_protocols",
    "read_server_name",
    "read_share",
    "read_shares",
    "read_versions",
    "require",
    "write_authorities",
    "write_extensions",
    "write_protocols",
    "write_server_name",
    "write_share",
    "write_shares",
    "write_versions",
)
