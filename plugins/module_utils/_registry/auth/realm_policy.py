# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, ip_address, ip_network

from ..url import UrlInvalid, literal_address, parse_authority

if t.TYPE_CHECKING:
    from ..url import IpAddress, Origin, Url

_LOCAL_NAMES: t.Final = ("localhost", "localhost.localdomain")

# metadata services of clouds that are not at a link-local address
_METADATA: t.Final = tuple(
    map(ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)

# what some Pythons call global: protocol assignments, IPv4 in IPv6 as it was once, NAT64 and site-local prefixes
_INTERNAL: t.Final = tuple(map(ip_network, ("192.0.0.0/24", "::/96", "64:ff9b:1::/48", "fec0::/10")))


class Reach(IntEnum):
    """From how far away an address can be reached; a registry may point outward, never inward."""

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    FORBIDDEN = 3


class NotEntitled(Exception):
    """The policy does not let a URL be requested; the text says why."""


@dataclass(frozen=True)
class RealmPolicy:
    """Which hosts a registry may make this client talk to besides itself, for tokens and for foreign layers.

    The host of the registry and the trusted ones are always entitled, over https if the registry is spoken to over
    https. Others need a public name, not an address, and the address that the name leads to must not be more internal
    than the registry's own: a registry on the internet cannot send the client to a private network, one in a private
    network cannot send it to the client's own host. Link-local addresses, where clouds keep their metadata services,
    never are.
    """

    registry: Origin
    trusted: tuple[str, ...] = ()

    def check(self, url: Url) -> None:
        """Check where a URL leads by its text alone. Raises NotEntitled."""
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
            raise NotEntitled("it is an address and not that of the registry")
        if is_local_name(host) or host.endswith(".localdomain"):
            raise NotEntitled("it is on the client's own host")
        if "." not in host:
            raise NotEntitled("its host is no public name")

    def check_peer(self, origin: Origin, peer: str, *, registry_peer: str | None) -> None:
        """Check the address that a connection was made to, so that DNS cannot get around check(). Raises NotEntitled.

        registry_peer is the address that the registry itself was reached at, None if that is not known. The name of the
        registry may lead further inside the second time, too.
        """
        same = _same_host(origin.host, self.registry.host) and registry_peer in (None, peer)
        if same or is_listed(origin, self.trusted):
            return
        reach = address_reach(peer)
        own = Reach.PUBLIC if registry_peer is None else address_reach(registry_peer)
        if reach is Reach.FORBIDDEN or reach > own:
            raise NotEntitled("its name leads to an address that is not public")

    def knows(self, origin: Origin) -> bool:
        """Whether the origin has the host of the registry, or one that is trusted by name."""
        if _same_host(origin.host, self.registry.host):
            return True
        return is_listed(origin, self.trusted)


def is_local_name(host: str) -> bool:
    """Whether a name is one of this host, or below one (RFC 6761, 6.3)."""
    host = host.rstrip(".")
    return any(host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES)


def address_reach(text: str) -> Reach:
    """The reach of an address; what is no address is forbidden."""
    try:
        address: IpAddress = ip_address(text.partition("%")[0])
    except ValueError:
        return Reach.FORBIDDEN
    embedded = _embedded(address)
    if embedded is not None:
        return embedded
    if address.is_loopback:
        return Reach.LOOPBACK
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return Reach.FORBIDDEN
    internal = not address.is_global or any(address in network for network in _INTERNAL)
    if internal and isinstance(address, IPv6Address) and any(address in network for network in _INTERNAL):
        # the address of IPv4 that a translator of this network may reach
        inner = ip_address(int(address) & 0xFFFFFFFF)
        if inner in _METADATA or inner.is_link_local:
            return Reach.FORBIDDEN
    return Reach.PRIVATE if internal else Reach.PUBLIC


def _embedded(address: IpAddress) -> Reach | None:
    """The reach of the IPv4 address inside an IPv6 one: mapped, 6to4, Teredo, NAT64."""
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
    """Whether one of the entries of an option, "host" or "host:port", names the origin."""
    return any(_names(entry, origin) for entry in entries)


def _names(entry: str, origin: Origin) -> bool:
    try:
        host, port = parse_authority(entry, scheme=origin.scheme)
    except UrlInvalid:
        return False
    has_port = entry.rpartition("]")[2].rpartition(":")[1] != ""
    return _same_host(host, origin.host) and (not has_port or port == origin.port)


__all__ = ("NotEntitled", "Reach", "RealmPolicy", "address_reach", "is_listed", "is_local_name")
