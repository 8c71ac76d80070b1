# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Access rules, the setting allow: which users, certificate subjects and networks may see which repositories."""

from __future__ import annotations

import fnmatch
import functools
import ipaddress
import re
import typing as t
from dataclasses import dataclass, fields

from .value_types import Text, Texts

if t.TYPE_CHECKING:
    from ..identity import Identity

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_MAX_RULES: t.Final = 1000


@dataclass(frozen=True)
class Rule:
    """A rule that lets clients see repositories.

    repositories and subjects are shell patterns, in which * also matches slashes; subjects are those of client
    certificates. A client must match each of users, subjects and networks that is set, by one of its items.
    """

    repositories: tuple[str, ...] = ("*",)
    users: tuple[str, ...] | None = None
    subjects: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None

    def is_about(self, repository: str) -> bool:
        """Tell whether the rule applies to the repository."""
        return _matches(self.repositories, repository)

    def is_for(self, identity: Identity) -> bool:
        """Tell whether the rule lets the client see its repositories."""
        peer = identity.peer
        if self.users is not None and identity.user not in self.users:
            return False
        if self.subjects is not None and not (
            peer.certificate_subject and _matches(self.subjects, peer.certificate_subject)
        ):
            return False
        return self.networks is None or bool(peer.address and _is_in(self.networks, peer.address))


def _matches(patterns: tuple[str, ...], text: str) -> bool:
    return any(_compile(pattern).fullmatch(text) for pattern in patterns)


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


@functools.lru_cache(maxsize=4096)
def _is_in(networks: tuple[str, ...], address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in _parse_network(text) for text in networks)


@functools.cache
def _parse_network(text: str) -> Network:
    return ipaddress.ip_network(text)


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as exc:
        raise ValueError(f"is not a network such as 192.0.2.0/24 ({exc})") from None


_PARTS: t.Final = {field.name: Texts() for field in fields(Rule)}
_PARTS["networks"] = Texts(Text(_check_network))


@dataclass(frozen=True)
class Rules:
    """The type of the setting allow: a list of rules, which no switch can give."""

    many: t.ClassVar[bool] = False

    def parse(self, text: str) -> object:
        """Raise ValueError, because no switch can give rules."""
        raise ValueError("can only be set in the configuration file")

    def check(self, value: object) -> tuple[Rule, ...]:
        """Make rules of the mappings of the configuration file. Raises ValueError."""
        if not isinstance(value, list) or len(value) > _MAX_RULES:
            raise ValueError(f"must be a list of at most {_MAX_RULES} rules")
        return tuple(_make_rule(number, item) for number, item in enumerate(value, 1))


def _make_rule(number: int, item: object) -> Rule:
    if not isinstance(item, dict) or not item:
        raise ValueError(f"must be a list of rules, and rule {number} is not a mapping with keys")
    parts: dict[str, tuple[str, ...]] = {}
    for key, value in item.items():
        if key not in _PARTS:
            raise ValueError(f"has the unknown key {str(key)[:50]!r} in rule {number}")
        try:
            parts[key] = _PARTS[key].check(value)
        except ValueError as exc:
            raise ValueError(f"rule {number}: {key} {exc}") from None
    return Rule(**parts)


__all__ = ("Rule", "Rules")
