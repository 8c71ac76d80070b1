# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Policies: which attested realms may see which repositories; called by RelyingParty."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.patterns import matches_any
from .appraisers import DEFAULT_LIFECYCLE
from .version import parse_version

if t.TYPE_CHECKING:
    from ..token.claim_reader import HashName
    from ..token.lifecycle import LifecycleState
    from ..token.platform_claims import PlatformClaims, SoftwareComponent
    from ..token.realm_claims import RealmClaims
    from .appraisal import Attestation
    from .reference_values import RealmReference
    from .version import Version


@dataclass(frozen=True)
class ComponentRule:
    """A rule for the software components of one type, which must be present at least once."""

    type: str
    minimum_version: Version | None = None
    signers: tuple[bytes, ...] | None = None

    def accepts(self, components: t.Iterable[SoftwareComponent]) -> bool:
        """Tell whether there is a component of the type and all of the type satisfy the rule."""
        found = [component for component in components if component.type == self.type]
        return bool(found) and all(map(self._accepts, found))

    def _accepts(self, component: SoftwareComponent) -> bool:
        if self.signers is not None and component.signer_id not in self.signers:
            return False
        if self.minimum_version is None:
            return True
        version = None if component.version is None else parse_version(component.version)
        return version is not None and version >= self.minimum_version


@dataclass(frozen=True)
class PlatformRules:
    """Rules for the platform. None accepts every value."""

    implementation_ids: tuple[bytes, ...] | None = None
    instance_ids: tuple[bytes, ...] | None = None
    components: tuple[ComponentRule, ...] = ()
    lifecycle: tuple[LifecycleState, ...] = DEFAULT_LIFECYCLE

    def accepts(self, claims: PlatformClaims) -> bool:
        """Tell whether a platform with these claims satisfies the rules."""
        return (
            _is_accepted(claims.implementation_id, self.implementation_ids)
            and _is_accepted(claims.instance_id, self.instance_ids)
            and claims.lifecycle_state in self.lifecycle
            and all(rule.accepts(claims.software_components) for rule in self.components)
        )

    @property
    def needs_authentication(self) -> bool:
        """Whether a rule uses claims that are worthless without a verified platform signature."""
        return bool(self.components) or self.implementation_ids is not None or self.instance_ids is not None


@dataclass(frozen=True)
class Policy:
    """The realms that may see some repositories.

    repositories are shell patterns, in which * matches any text, slashes included.
    """

    repositories: tuple[str, ...]
    realms: tuple[RealmReference, ...]
    personalization_values: tuple[bytes, ...] | None = None
    hash_algorithms: tuple[HashName, ...] | None = None
    platform: PlatformRules = PlatformRules()

    def is_for(self, repository: str) -> bool:
        """Tell whether the policy applies to a repository."""
        return matches_any(self.repositories, repository)

    def accepts(self, attestation: Attestation) -> bool:
        """Tell whether the policy accepts an attested realm."""
        token = attestation.token
        if self.platform.needs_authentication and not attestation.platform_authenticated:
            return False
        return self._accepts_realm(token.realm) and self.platform.accepts(token.platform)

    def _accepts_realm(self, claims: RealmClaims) -> bool:
        return (
            _is_accepted(claims.personalization_value, self.personalization_values)
            and _is_accepted(claims.hash_algorithm, self.hash_algorithms)
            and any(realm.matches(claims) for realm in self.realms)
        )


@dataclass(frozen=True)
class Policies:
    """All policies of a server. A repository without a policy is visible to no realm."""

    policies: tuple[Policy, ...]

    def may_see(self, attestation: Attestation, repository: str) -> bool:
        """Tell whether an attested realm may see a repository: one policy for the repository must accept the realm."""
        return any(policy.is_for(repository) and policy.accepts(attestation) for policy in self.policies)

    def accepting(self, attestation: Attestation) -> Policies:
        """Return the policies that accept this realm, which answer may_see alike for it and faster."""
        return Policies(tuple(policy for policy in self.policies if policy.accepts(attestation)))


_T = t.TypeVar("_T")


def _is_accepted(value: _T, accepted: tuple[_T, ...] | None) -> bool:
    return accepted is None or value in accepted


__all__ = ("ComponentRule", "PlatformRules", "Policies", "Policy")
