# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decide which redirects of a registry are followed: none to a more internal address than the registry's own.

Otherwise a registry could make this client read the metadata service of a cloud or a network behind a firewall. The
transport calls RedirectHops before each redirect, with the URL and with the address of the connection. Token services
and foreign layers have rules of their own, see realm_policy.py.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.text import visible
from ..errors import RedirectRefused
from ..realm_policy import Reach, address_reach, is_listed, is_local_name
from ..url import UrlInvalid, literal_address

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Operation
    from ..url import Origin, Url

# names of metadata services, which resolve inside clouds
_METADATA: t.Final = ("metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal")
# top-level domains that are not in public DNS (RFC 6761, 6762, 8375; ICANN reserved internal)
_PRIVATE: t.Final = (
    "internal",
    "local",
    "localdomain",
    "lan",
    "intranet",
    "private",
    "corp",
    "home",
    "test",
    "home.arpa",
)

_WORDS: t.Final = {
    Reach.PUBLIC: "a public address",
    Reach.PRIVATE: "an address in a private network",
    Reach.LOOPBACK: "an address of this host",
}


@dataclass(frozen=True)
class RedirectPolicy:
    """Where redirects of one registry may lead; trusted has the entries ("host" or "host:port") of the option.

    A target must not be more internal than the registry (public, then private, then loopback), unless it is trusted.
    Link-local addresses and metadata services are always refused, unless the registry itself has that address.
    """

    registry: Origin
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class RedirectHops:
    """Applies the policy to the redirects of one request.

    registry_peer is the address of the registry, None if a proxy connects to it. is_proxied tells whether a proxy
    connects to an origin; then only its name can be judged. warn is told about every redirect that only a trusted host
    made possible.
    """

    policy: RedirectPolicy
    operation: Operation
    registry_peer: str | None
    is_proxied: Callable[[Origin], bool]
    warn: Callable[[str], None]

    def check_url(self, url: Url) -> None:
        """Check a target by its text. Raises RedirectRefused."""
        host = url.origin.host.rstrip(".")
        if host == self.policy.registry.host.rstrip("."):
            return
        try:
            reach = _reach_of_host(host)
        except UrlInvalid as exc:
            raise self._refusal_error(url, str(exc)) from None
        # other names are judged by the address of the connection, unless a proxy makes it
        if literal_address(host) is not None or reach is Reach.LOOPBACK or self.is_proxied(url.origin):
            self._judge(url, reach)

    def check_peer(self, url: Url, peer: str) -> None:
        """Check the address of a connection, so that DNS cannot bypass check_url(). Raises RedirectRefused."""
        if peer != self.registry_peer:
            self._judge(url, address_reach(peer))

    def _judge(self, url: Url, reach: Reach) -> None:
        if reach is Reach.FORBIDDEN:
            raise self._refusal_error(
                url, "it leads to a link-local address, a metadata service, or not to the address of one host"
            )
        own = self._own_reach()
        if reach <= own:
            return
        if not is_listed(url.origin, self.policy.trusted):
            why = f"it leads to {_WORDS[reach]}, but the registry has {_WORDS[own]}"
            raise self._refusal_error(url, why, trusted=True)
        self.warn(
            f"{self.operation.registry} redirects to {visible(str(url.origin))}, {_WORDS[reach]}, although the "
            f"registry has {_WORDS[own]}; the redirect is followed because of trusted_redirect_hosts."
        )

    def _own_reach(self) -> Reach:
        """Return the reach of the registry; a registry with a link-local address counts as private."""
        if self.registry_peer is None:
            try:
                own = _reach_of_host(self.policy.registry.host.rstrip("."))
            except UrlInvalid:
                own = Reach.PUBLIC
        else:
            own = address_reach(self.registry_peer)
        return Reach.PRIVATE if own is Reach.FORBIDDEN else own

    def _refusal_error(self, url: Url, why: str, *, trusted: bool = False) -> RedirectRefused:
        host = visible(url.origin.authority)
        advice = "correct the address in the configuration of the registry"
        if trusted:
            advice = f"if the registry needs this redirect, add {host} to the option trusted_redirect_hosts"
        return self.operation.error(
            RedirectRefused, f"the registry redirects to {visible(str(url.origin))}, which is refused: {why}", advice
        )


def _reach_of_host(host: str) -> Reach:
    """Return the reach of an address or a name. Raises UrlInvalid for unusual spellings of addresses."""
    address = literal_address(host)
    if address is not None:
        # a connection to 0.0.0.0 or :: goes to this host
        return Reach.LOOPBACK if address.is_unspecified else address_reach(str(address))
    if host in _METADATA:
        return Reach.FORBIDDEN
    if is_local_name(host):
        return Reach.LOOPBACK
    return Reach.PRIVATE if "." not in host or _is_below(host, _PRIVATE) else Reach.PUBLIC


def _is_below(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


__all__ = ("RedirectHops", "RedirectPolicy")
