# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from . import extensions as ext
from .config import ServerConfig
from .errors import NegotiationFailed, ProtocolError
from .hello import ClientHello
from .keys import CertifiedKey, choose_scheme
from .names import TLS13, Alert, Extension, Group, Scheme
from .suites import Suite

# What a server makes of a ClientHello. Each function looks at one thing and keeps nothing.

_WHAT: t.Final = "ClientHello"


def check_hello(hello: ClientHello) -> None:
    """Checks what holds for every ClientHello of TLS 1.3 (RFC 8446, sections 4.1.2, 4.2.1, 9.2 and D.5).

    Raises NegotiationFailed with protocol_version if the client does not speak TLS 1.3, else ProtocolError.
    """
    versions = hello.extensions.get(Extension.SUPPORTED_VERSIONS)
    if hello.version <= 0x0300 or versions is None or TLS13 not in ext.read_versions(versions):
        raise NegotiationFailed(
            "The client does not offer TLS 1.3, the only version that is spoken here.", alert=Alert.PROTOCOL_VERSION
        )
    if hello.compressions != b"\0":
        raise ProtocolError("The ClientHello of the other end offers compression.", alert=Alert.ILLEGAL_PARAMETER)
    for kind in (Extension.SIGNATURE_ALGORITHMS, Extension.SUPPORTED_GROUPS, Extension.KEY_SHARE):
        ext.require(hello.extensions, kind, _WHAT)


def choose_suite(config: ServerConfig, hello: ClientHello) -> Suite:
    """The best suite that the client offers. Raises NegotiationFailed."""
    for suite in config.suites:
        if suite.number in hello.suites:
            return suite
    raise NegotiationFailed("The client offers no cipher suite of TLS 1.3 that is accepted here.")


def choose_group(config: ServerConfig, hello: ClientHello) -> tuple[Group, bytes | None]:
    """The group for the key exchange and the client's share; without a share a HelloRetryRequest must ask for it.

    A group with a share goes before a better one without (RFC 8446, section 4.1.1). Raises NegotiationFailed if there
    is none, and ProtocolError for a share of a group that the client does not offer (section 4.2.8).
    """
    offered = ext.read_numbers(hello.extensions[Extension.SUPPORTED_GROUPS], "supported_groups")
    shares = dict(ext.read_shares(hello.extensions[Extension.KEY_SHARE]))
    if not shares.keys() <= set(offered):
        raise ProtocolError(
            "The ClientHello of the other end has a key share of a group that it does not offer.",
            alert=Alert.ILLEGAL_PARAMETER,
        )
    common = [group for group in config.groups if group in offered]
    if not common:
        raise NegotiationFailed("The client offers no group for the key exchange that is accepted here.")
    best = next((group for group in common if group in shares), common[0])
    return best, shares.get(best)


def choose_certified_key(config: ServerConfig, hello: ClientHello) -> tuple[CertifiedKey, Scheme]:
    """The first credentials that can sign as the client wants it. Raises NegotiationFailed."""
    offered = ext.read_numbers(hello.extensions[Extension.SIGNATURE_ALGORITHMS], "signature_algorithms")
    for credentials in config.credentials:
        scheme = choose_scheme(credentials, offered)
        if scheme is not None:
            return credentials, scheme
    raise NegotiationFailed("The client takes no signature that the key of the server's certificate can make.")


def choose_protocol(config: ServerConfig, hello: ClientHello) -> str | None:
    """The best application protocol that both have (RFC 7301, section 3.2), None if one end does not care. Raises
    NegotiationFailed."""
    data = hello.extensions.get(Extension.ALPN)
    if data is None:
        return None
    offered = ext.read_protocols(data)
    if not config.protocols:
        return None
    for name in config.protocols:
        if name.encode("ascii") in offered:
            return name
    raise NegotiationFailed(
        "The client offers no application protocol that is spoken here.", alert=Alert.NO_APPLICATION_PROTOCOL
    )


def server_name(hello: ClientHello) -> str | None:
    """The host name that the client asks for, None if it does not. Raises DecodeError and ProtocolError."""
    data = hello.extensions.get(Extension.SERVER_NAME)
    return None if data is None else ext.read_server_name(data)


__all__ = (
    "check_hello",
    "choose_certified_key",
    "choose_group",
    "choose_protocol",
    "choose_suite",
    "server_name",
)
