# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .identity import Identity

if t.TYPE_CHECKING:
    from ..config.rules import Rule
    from .identity import Peer
    from .passwords import Passwords


class Access(t.Protocol):
    """Decides who gets in and who sees what."""

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        """Read the Authorization header of a request. Raises Refusal 401 with its challenge."""

    def may_see(self, identity: Identity, repository: str) -> bool:
        """Whether a repository exists, as far as this one can tell."""


class OpenAccess:
    """Lets everybody see everything."""

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        """Never raises."""
        return Identity(None, peer)

    def may_see(self, identity: Identity, repository: str) -> bool:
        """Always."""
        return True


class RestrictedAccess:
    """Lets in those whose password is right, if there are passwords; they see what a rule allows, if there are any.

    If they have to be attested, they only see what their realm is entitled to, too.
    """

    def __init__(self, *, passwords: Passwords | None, rules: tuple[Rule, ...] | None, attested: bool = False) -> None:
        self._passwords = passwords
        self._rules = rules
        self._attested = attested
        # a list of all repositories asks about each of them, and the patterns say of it what they said before; what is
        # asked about is there, so there are no more than repositories
        self._about: dict[str, tuple[Rule, ...]] = {}

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        """Read the Authorization header, which Passwords.verify has seen. Raises Refusal 401 with its challenge."""
        return Identity(None if self._passwords is None else self._passwords.user_of(authorization), peer)

    def may_see(self, identity: Identity, repository: str) -> bool:
        """Whether there are no rules, or one of them allows it, and the realm may see it where there has to be one."""
        realm = identity.peer.realm
        if self._attested and (realm is None or not realm.may_see(repository)):
            return False
        return self._rules is None or any(rule.is_for(identity) for rule in self._rules_about(repository))

    def _rules_about(self, repository: str) -> tuple[Rule, ...]:
        found = self._about.get(repository)
        if found is None:
            found = tuple(rule for rule in self._rules or () if rule.is_about(repository))
            self._about[repository] = found
        return found


__all__ = ("Access", "OpenAccess", "RestrictedAccess")
