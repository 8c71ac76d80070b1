# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The settings of both ends of a connection."""

from __future__ import annotations

import functools
import ipaddress
import typing as t
from dataclasses import dataclass, field

from .crypto.groups import GROUPS
from .crypto.keys import CertifiedKey
from .crypto.suites import SUITES, Suite
from .errors import UsageError
from .names import Group

_SUITES: t.Final = tuple(SUITES.values())


def _check(what: str, given: t.Sequence[object], known: t.Sequence[object]) -> None:
    if given is known:
        # the default, which most connections have
        return
    if not given or len(set(given)) != len(given) or not set(given) <= set(known):
        raise UsageError(f"The TLS settings cannot be used: {what} must be some of {', '.join(map(str, known))}.")


def _check_protocols(protocols: tuple[str, ...]) -> None:
    for name in protocols:
        if not (name.isascii() and 0 < len(name) < 256):
            raise UsageError(f"The TLS settings cannot be used: {name!r} is not a name of an application protocol.")


@dataclass(frozen=True)
class ClientConfig:
    """The offer of a client. Raises UsageError for values that the engine does not support.

    server_name is the requested host name (not an address). protocols are application protocols (ALPN). suites and
    groups are in order of preference; shares is the number of groups, from the first, that get a key share. compatible
    enables the middlebox compatibility mode of RFC 8446, appendix D.4.
    """

    server_name: str | None = None
    protocols: tuple[str, ...] = ()
    suites: tuple[Suite, ...] = _SUITES
    groups: tuple[Group, ...] = GROUPS
    shares: int = 1
    compatible: bool = True

    def __post_init__(self) -> None:
        _check("suites", self.suites, _SUITES)
        _check("groups", self.groups, GROUPS)
        _check_protocols(self.protocols)
        if not 0 <= self.shares <= len(self.groups):
            raise UsageError("The TLS settings cannot be used: there cannot be more key shares than groups.")
        if self.server_name is not None and not _is_host_name(self.server_name):
            raise UsageError(f"The TLS settings cannot be used: {self.server_name!r} is not a host name in ASCII.")


@dataclass(frozen=True)
class ServerConfig:
    """The requirements of a server. Raises UsageError for values that the engine does not support.

    certified_keys are tried in order. client_certificate says whether clients are asked for a certificate and whether
    they must have one. authorities are opaque entries of certificate_authorities; for RA-TLS they contain a challenge,
    so each connection has its own config. suites and groups are in order of preference, which overrides the client's.
    protocols are application protocols (ALPN) in order of preference; without any, ALPN is ignored.
    """

    certified_keys: tuple[CertifiedKey, ...]
    client_certificate: t.Literal["none", "optional", "required"] = "none"
    authorities: tuple[bytes, ...] = field(default=(), repr=False)
    protocols: tuple[str, ...] = ()
    suites: tuple[Suite, ...] = _SUITES
    groups: tuple[Group, ...] = GROUPS

    def __post_init__(self) -> None:
        _check("suites", self.suites, _SUITES)
        _check("groups", self.groups, GROUPS)
        _check_protocols(self.protocols)
        if not self.certified_keys:
            raise UsageError("A TLS server cannot start without a certificate.")
        if self.client_certificate not in ("none", "optional", "required"):
            raise UsageError("The TLS settings cannot be used: client_certificate must be none, optional or required.")
        if not all(self.authorities) or sum(len(name) + 2 for name in self.authorities) > 8192:
            raise UsageError("The TLS settings cannot be used: authorities are empty or longer than 8 KiB.")


@functools.lru_cache(maxsize=64)
def _is_host_name(name: str) -> bool:
    """Check a host name for server_name, in which addresses are not permitted (RFC 6066, section 3)."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.isascii() and 0 < len(name) < 254 and name.isprintable() and not name.endswith(".")
    return False


__all__ = ("ClientConfig", "ServerConfig")
