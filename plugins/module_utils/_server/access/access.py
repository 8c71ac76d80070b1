# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Access decisions: who may send requests and who may see which repositories. Made by credentials.py,
called by app.py.
"""

from __future__ import annotations

import typing as t

from ..identity import Identity

if t.TYPE_CHECKING:
    from ..config.rules import Rule
    from ..identity import Peer
    from .passwords import Passwords


class Access(t.Protocol):
    """A policy that authenticates clients and decides which repositories they may see."""

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        """Return the sender of a request by its Authorization header. Raises Refusal 401 with the challenge."""

    def may_see(self, identity: Identity, repository: str) -> bool:
        """Tell whether the client may see the repository; for other clients, the repository does not exist."""


class OpenAccess:
    """Access without authentication and rules: every client sees all repositories."""

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        """Return an identity without a user. Never raises."""
        return Identity(None, peer)

    def may_see(self, identity: Identity, repository: str) -> bool:
        """Return True."""
        return True


class RestrictedAccess:
    """Access by passwords, rules and attestation.

    With passwords, a client must authenticate. With rules, a client sees the repositories that a rule allows. With
    attested, the policies for the realm of the client must allow the repository too.
    """

    def __init__(self, *, passwords: Passwords | None, rules: tuple[Rule, ...] | None, attested: bool = False) -> None:
        self._passwords = passwords
        self._rules = rules
        self._attested = attested
        # Rules that apply to each repository: a catalog request checks all repositories, and the result of matching
        # patterns never changes. Bounded, because only repositories that exist are checked.
        self._rules_by_repository: dict[str, tuple[Rule, ...]] = {}

    def authenticate(self, authorization: str | None, peer: Peer) -> Identity:
        """Return the sender; Passwords.verify has seen the header. Raises Refusal 401 with the challenge."""
        return Identity(None if self._passwords is None else self._passwords.user_of(authorization), peer)

    def may_see(self, identity: Identity, repository: str) -> bool:
        """Tell whether a rule, or the absence of rules, and the realm, where required, allow the repository."""
        realm = identity.peer.realm
        if self._attested and (realm is None or not realm.may_see(repository)):
            return False
        return self._rules is None or any(rule.is_for(identity) for rule in self._rules_about(repository))

    def _rules_about(self, repository: str) -> tuple[Rule, ...]:
        found = self._rules_by_repository.get(repository)
        if found is None:
            found = tuple(rule for rule in self._rules or () if rule.is_about(repository))
            self._rules_by_repository[repository] = found
        return found


__all__ = ("Access", "OpenAccess", "RestrictedAccess")
