# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decide which hosts a registry may send this client to, for tokens and foreign layers.

Prevents server-side request forgery: a registry must not direct requests into networks more internal than its own.
Called by auth/token_service.py and foreign.py; transport/redirects.py uses the same classes of addresses.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, ip_address, ip_network

from .url import UrlInvalid, literal_address, parse_authority

if t.TYPE_CHECKING:
    from .url import IpAddress, Origin, Url

_LOCAL_NAMES: t.Final = ("localhost", "localhost.localdomain")

# metadata services of clouds that are not at a link-local address
_METADATA: t.Final = tuple(
    map(ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)

# networks that some Python versions call global: protocol assignments, IPv4-compatible IPv6 addresses, local-use NAT64
# and site-local prefixes
_INTERNAL: t.Final = tuple(map(ip_network, ("192.0.0.0/24", "::/96", "64:ff9b:1::/48", "fec0::/10")))


class Reach(IntEnum):
    """How internal an address is; a registry may refer outward, never inward."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    FORBIDDEN = 3


class NotEntitled(Exception):
    """The policy refuses a URL; the text says why."""


@dataclass(frozen=True)
class RealmPolicy:
    """Which other hosts a registry may make this client connect to, for tokens and for foreign layers.

    The host of the registry and the trusted hosts are always permitted, over https if the registry uses https. Other
    hosts need a public name, not an address, and that name must not resolve to a more internal address than the
    registry's own: a registry on the internet cannot send the client to a private network, and one in a private network
    cannot send it to the client's own host. Link-local addresses, which metadata services of clouds use, are never
    permitted.
    """

    registry: Origin
    trusted: tuple[str, ...] = ()

    def check(self, url: Url) -> None:
        """Check the text of a URL. Raises NotEntitled."""
        if self.registry.scheme == "https" and url.origin.scheme != "https":
            raise NotEntitled("it is not https although the registry is")
        if self.knows(url.origin):
            return
        host = url.origin.host.rstrip(".")
        try:
            address = literal_address(host)
        except UrlInvalid as exc:
            raise NotEntitled(str(exc)) from None
        if address is not None:
            raise NotEntitled("it is an address other than the registry's")
        if is_local_name(host) or host.endswith(".localdomain"):
            raise NotEntitled("it is on the client's own host")
        if "." not in host:
            raise NotEntitled("its host is not a public name")

    def check_peer(self, origin: Origin, peer: str, *, registry_peer: str | None) -> None:
        """Check the address of a connection, so that DNS cannot bypass check(). Raises NotEntitled.

        registry_peer is the address of the registry itself, None if unknown. The name of the registry may resolve to a
        more internal address the second time, too.
        """
        same = _same_host(origin.host, self.registry.host) and registry_peer in (None, peer)
        if same or is_listed(origin, self.trusted):
            return
        reach = address_reach(peer)
        own = Reach.PUBLIC if registry_peer is None else address_reach(registry_peer)
        if reach is Reach.FORBIDDEN or reach > own:
            raise NotEntitled("its name resolves to an address that is not public")

    def knows(self, origin: Origin) -> bool:
        """Tell whether the origin has the host of the registry or is trusted by name."""
        if _same_host(origin.host, self.registry.host):
            return True
        return is_listed(origin, self.trusted)


def is_local_name(host: str) -> bool:
    """Tell whether a name is a name of this host or below one (RFC 6761, 6.3)."""
    host = host.rstrip(".")
    return any(host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES)


def address_reach(text: str) -> Reach:
    """Return the reach of an address; FORBIDDEN if the text is not an address."""
    try:
        address: IpAddress = ip_address(text.partition("%")[0])
    except ValueError:
        return Reach.FORBIDDEN
    embedded = _embedded_reach(address)
    if embedded is not None:
        return embedded
    if address.is_loopback:
        return Reach.LOOPBACK
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return Reach.FORBIDDEN
    internal = not address.is_global or any(address in network for network in _INTERNAL)
    if internal and isinstance(address, IPv6Address) and any(address in network for network in _INTERNAL):
        # the IPv4 address that a translator of this network may connect to
        inner = ip_address(int(address) & 0xFFFFFFFF)
        if inner in _METADATA or inner.is_link_local:
            return Reach.FORBIDDEN
    return Reach.PRIVATE if internal else Reach.PUBLIC


def _embedded_reach(address: IpAddress) -> Reach | None:
    """Return the reach of the IPv4 address in an IPv6 address: mapped, 6to4, Teredo, NAT64."""
    if not isinstance(address, IPv6Address):
        return None
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is not None:
        return address_reach(str(inner))
    if int(address) >> 32 == 0x0064FF9B << 64:
        return address_reach(str(ip_address(int(address) & 0xFFFFFFFF)))
    return None


def _same_host(one: str, other: str) -> bool:
    return one.rstrip(".") == other.rstrip(".")


def is_listed(origin: Origin, entries: tuple[str, ...]) -> bool:
    """Tell whether an entry of an option, "host" or "host:port", names the origin."""
    return any(_names(entry, origin) for entry in entries)


def _names(entry: str, origin: Origin) -> bool:
    try:
        host, port = parse_authority(entry, scheme=origin.scheme)
    except UrlInvalid:
        return False
    has_port = entry.rpartition("]")[2].rpartition(":")[1] != ""
    return _same_host(host, origin.host) and (not has_port or port == origin.port)


__all__ = ("NotEntitled", "Reach", "RealmPolicy", "address_reach", "is_listed", "is_local_name")
