# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Which redirects of a registry are followed: none that leads further inside than the registry itself.

A registry that could send this client anywhere could have it read the metadata service of a cloud or the network behind
a firewall. The transport asks RedirectHops before each redirect, by the URL and by the address that was connected to.
Token services and foreign layers have rules of their own, see realm_policy.py.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.text import visible
from ..auth.realm_policy import Reach, address_reach, is_listed, is_local_name
from ..errors import RedirectRefused
from ..url import UrlInvalid, literal_address

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import Operation
    from ..url import Origin, Url

# names of metadata services that resolve inside of clouds
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
    """Where redirects of one registry may lead; trusted are entries ("host" or "host:port") of the option.

    A target may not be further inside than the registry: public before private before loopback. A trusted host may.
    Link-local addresses and metadata services are refused always, unless the registry itself has that address.
    """

    registry: Origin
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class RedirectHops:
    """Holds the redirects of one request to the policy.

    registry_peer is the address of the registry, None if a proxy connects to it. is_proxied says whether a proxy
    connects to an origin: then its name is all that can be judged. warn is told of the trusted hosts that were needed.
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
            raise self._refused(url, str(exc)) from None
        # what another name leads to is seen once there is a connection, unless that is a proxy's
        if literal_address(host) is not None or reach is Reach.LOOPBACK or self.is_proxied(url.origin):
            self._judge(url, reach)

    def check_peer(self, url: Url, peer: str) -> None:
        """Check the address that a connection was made to, so that DNS cannot get around check_url()."""
        if peer != self.registry_peer:
            self._judge(url, address_reach(peer))

    def _judge(self, url: Url, reach: Reach) -> None:
        if reach is Reach.FORBIDDEN:
            raise self._refused(url, "it is a link-local address, a metadata service, or no address of one host")
        own = self._own_reach()
        if reach <= own:
            return
        if not is_listed(url.origin, self.policy.trusted):
            why = f"it leads to {_WORDS[reach]}, while the registry has {_WORDS[own]}"
            raise self._refused(url, why, trusted=True)
        self.warn(
            f"{self.operation.registry} redirects to {visible(str(url.origin))}, {_WORDS[reach]} although the registry "
            f"has {_WORDS[own]}; this is followed because of trusted_redirect_hosts."
        )

    def _own_reach(self) -> Reach:
        """The reach of the registry; one at a link-local address is as private as its network."""
        if self.registry_peer is None:
            try:
                own = _reach_of_host(self.policy.registry.host.rstrip("."))
            except UrlInvalid:
                own = Reach.PUBLIC
        else:
            own = address_reach(self.registry_peer)
        return Reach.PRIVATE if own is Reach.FORBIDDEN else own

    def _refused(self, url: Url, why: str, *, trusted: bool = False) -> RedirectRefused:
        host = visible(url.origin.authority)
        advice = "have the address corrected in the configuration of the registry"
        if trusted:
            advice = f"if the registry needs that, add {host} to the option trusted_redirect_hosts"
        return self.operation.error(
            RedirectRefused, f"the registry redirects to {visible(str(url.origin))}, which is refused: {why}", advice
        )


def _reach_of_host(host: str) -> Reach:
    """The reach of an address, or what a name says about it. Raises UrlInvalid for addresses in an odd spelling."""
    address = literal_address(host)
    if address is not None:
        # a connection to 0.0.0.0 or :: is one to this host
        return Reach.LOOPBACK if address.is_unspecified else address_reach(str(address))
    if host in _METADATA:
        return Reach.FORBIDDEN
    if is_local_name(host):
        return Reach.LOOPBACK
    return Reach.PRIVATE if "." not in host or _is_below(host, _PRIVATE) else Reach.PUBLIC


def _is_below(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


__all__ = ("RedirectHops", "RedirectPolicy")
