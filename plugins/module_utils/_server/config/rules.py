# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Access rules, the setting allow: which users, certificate subjects and networks may see which repositories."""

from __future__ import annotations

import functools
import ipaddress
import typing as t

from ..._base.patterns import matches_any
from .libraries import BeforeValidator, Field
from .value_types import Items, MaybeTexts, StrictModel, Text, checked

if t.TYPE_CHECKING:
    from ..identity import Identity

_MAX_RULES: t.Final = 1000
_parse_network: t.Final = functools.cache(ipaddress.ip_network)


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as exc:
        raise ValueError(f"is not a network such as 192.0.2.0/24 ({exc})") from None


_MaybeNetworks = t.Optional[Items[t.Annotated[Text, checked(_check_network)]]]


class Rule(StrictModel):
    """A rule that lets clients see repositories.

    repositories and subjects are shell patterns, in which * also matches slashes; subjects are those of client
    certificates. A client must match each of users, subjects and networks that is set, by one of its items.
    """

    repositories: Items[Text] = ("*",)
    users: MaybeTexts = None
    subjects: MaybeTexts = None
    networks: _MaybeNetworks = None

    def is_about(self, repository: str) -> bool:
        """Tell whether the rule applies to the repository."""
        return matches_any(self.repositories, repository)

    def is_for(self, identity: Identity) -> bool:
        """Tell whether the rule lets the client see its repositories."""
        peer = identity.peer
        if self.users is not None and identity.user not in self.users:
            return False
        if self.subjects is not None and not (
            peer.certificate_subject and matches_any(self.subjects, peer.certificate_subject)
        ):
            return False
        return self.networks is None or bool(peer.address and _is_in(self.networks, peer.address))


@functools.lru_cache(maxsize=4096)
def _is_in(networks: tuple[str, ...], address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in _parse_network(text) for text in networks)


def _check_rules(value: object) -> object:
    if not isinstance(value, (list, tuple)) or len(value) > _MAX_RULES:
        raise ValueError(f"must be a list of at most {_MAX_RULES} rules")
    for number, item in enumerate(value, 1):
        if not item or not isinstance(item, (dict, Rule)):
            raise ValueError(f"must be a list of rules, and rule {number} is not a mapping with keys")
    return tuple(value)


# None lets every client see all repositories
Rules = t.Annotated[t.Optional[tuple[Rule, ...]], Field(fail_fast=True), BeforeValidator(_check_rules)]

__all__ = ("Rule", "Rules")
