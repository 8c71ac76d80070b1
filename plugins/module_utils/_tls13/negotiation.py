# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A server's choices from a ClientHello (RFC 8446, section 4.1.1): functions without state; called by server.py."""

from __future__ import annotations

import typing as t

from . import extensions as ext
from .config import ServerConfig
from .crypto.keys import CertifiedKey, choose_scheme
from .crypto.suites import Suite
from .errors import NegotiationFailed, ProtocolError
from .hello import ClientHello
from .names import TLS13, Alert, Extension, Group, Scheme

_WHAT: t.Final = "ClientHello"


def check_hello(hello: ClientHello) -> None:
    """Check the rules for every ClientHello of TLS 1.3 (RFC 8446, sections 4.1.2, 4.2.1, 9.2 and D.5).

    Raises NegotiationFailed with protocol_version if the client does not support TLS 1.3, else ProtocolError.
    """
    versions = hello.extensions.get(Extension.SUPPORTED_VERSIONS)
    if hello.version <= 0x0300 or versions is None or TLS13 not in ext.read_versions(versions):
        raise NegotiationFailed(
            "The client does not offer TLS 1.3, the only supported version.", alert=Alert.PROTOCOL_VERSION
        )
    if hello.compressions != b"\0":
        raise ProtocolError("The ClientHello of the other end offers compression.", alert=Alert.ILLEGAL_PARAMETER)
    for kind in (Extension.SIGNATURE_ALGORITHMS, Extension.SUPPORTED_GROUPS, Extension.KEY_SHARE):
        ext.require(hello.extensions, kind, _WHAT)


def choose_suite(config: ServerConfig, hello: ClientHello) -> Suite:
    """Return the best cipher suite that the client offers. Raises NegotiationFailed."""
    for suite in config.suites:
        if suite.number in hello.suites:
            return suite
    raise NegotiationFailed("The client offers no supported cipher suite of TLS 1.3.")


def choose_group(config: ServerConfig, hello: ClientHello) -> tuple[Group, bytes | None]:
    """Return the group of the key exchange and the client's share; without a share, a HelloRetryRequest is needed.

    A group with a share is preferred to a better one without (RFC 8446, section 4.1.1). Raises NegotiationFailed
    without a common group, and ProtocolError for a share of a group that the client does not offer (section 4.2.8).
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
        raise NegotiationFailed("The client offers no supported group for the key exchange.")
    best = next((group for group in common if group in shares), common[0])
    return best, shares.get(best)


def choose_certified_key(config: ServerConfig, hello: ClientHello) -> tuple[CertifiedKey, Scheme]:
    """Return the first certified key with a scheme that the client accepts, and this scheme.

    Raises NegotiationFailed.
    """
    offered = ext.read_numbers(hello.extensions[Extension.SIGNATURE_ALGORITHMS], "signature_algorithms")
    for certified_key in config.certified_keys:
        scheme = choose_scheme(certified_key, offered)
        if scheme is not None:
            return certified_key, scheme
    raise NegotiationFailed("The client accepts no signature scheme of the key of the server's certificate.")


def choose_protocol(config: ServerConfig, hello: ClientHello) -> str | None:
    """Return the best common application protocol (RFC 7301, section 3.2), or None if one end has no ALPN.

    Raises NegotiationFailed.
    """
    data = hello.extensions.get(Extension.ALPN)
    if data is None:
        return None
    offered = ext.read_protocols(data)
    if not config.protocols:
        return None
    for name in config.protocols:
        if name.encode("ascii") in offered:
            return name
    raise NegotiationFailed("The client offers no supported application protocol.", alert=Alert.NO_APPLICATION_PROTOCOL)


def server_name(hello: ClientHello) -> str | None:
    """Return the host name that the client requests, or None. Raises DecodeError and ProtocolError."""
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
