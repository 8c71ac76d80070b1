# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The appraisers that need no network: lifecycle, trust anchors, reference values; and the chain of a server."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import ConfigurationInvalid
from ..token.lifecycle import LifecycleState
from .appraisal import Appraiser, AppraiserChain, PresentedToken, Verdict, refusal
from .reference_values import RealmReference
from .trust_anchors import TrustAnchors

DEFAULT_LIFECYCLE: t.Final[tuple[LifecycleState, ...]] = ("secured",)


@dataclass(frozen=True)
class LifecycleAppraiser:
    """Accepts platforms whose lifecycle is in one of these states."""

    states: tuple[LifecycleState, ...] = DEFAULT_LIFECYCLE
    name: str = "lifecycle"
    authenticates_platform: bool = False

    def appraise(self, presented: PresentedToken) -> Verdict:
        """See Appraiser."""
        state = presented.token.platform.lifecycle_state
        if state not in self.states:
            raise refusal(
                self.name,
                f"the platform is in the state {state} ({presented.token.platform.lifecycle:#06x})",
                f"only these are accepted: {', '.join(self.states)}",
            )
        return Verdict(self.name, state)


@dataclass(frozen=True)
class PlatformAppraiser:
    """Accepts tokens that are signed with a trust anchor of their platform."""

    anchors: TrustAnchors
    name: str = "trust_anchors"
    authenticates_platform: bool = True

    def appraise(self, presented: PresentedToken) -> Verdict:
        """See Appraiser."""
        self.anchors.verify(presented.token)
        return Verdict(self.name, f"instance {presented.token.platform.instance_id.hex()}")


@dataclass(frozen=True)
class ReferenceAppraiser:
    """Accepts realms whose measurements match one of the reference values."""

    references: tuple[RealmReference, ...]
    name: str = "reference_values"
    authenticates_platform: bool = False

    def appraise(self, presented: PresentedToken) -> Verdict:
        """See Appraiser."""
        realm = presented.token.realm
        if not any(reference.matches(realm) for reference in self.references):
            raise refusal(
                self.name,
                f"no reference value has the measurements of the realm, whose RIM is {realm.initial_measurement.hex()}",
                "add its reference values to accept this realm",
            )
        return Verdict(self.name, f"RIM {realm.initial_measurement.hex()}")


def make_chain(
    *,
    anchors: TrustAnchors | None = None,
    references: tuple[RealmReference, ...] = (),
    others: tuple[Appraiser, ...] = (),
    lifecycle: tuple[LifecycleState, ...] = DEFAULT_LIFECYCLE,
    allow_unauthenticated_evidence: bool = False,
    policies_decide: bool = False,
) -> AppraiserChain:
    """Make the chain of a server: the cheap appraisers first, then the others, such as Veraison.

    The lifecycle is always checked. It is not enough alone, unless policies decide later what each realm may see.
    Raises ConfigurationInvalid.
    """
    chain: list[Appraiser] = [PlatformAppraiser(anchors)] if anchors else []
    chain += [ReferenceAppraiser(references)] if references else []
    chain += others
    if not chain and not policies_decide:
        raise ConfigurationInvalid(
            "Attestation cannot be offered: no setting says which realms are accepted; give trust anchors, reference "
            "values, policies or a Veraison service."
        )
    return AppraiserChain(
        (LifecycleAppraiser(lifecycle), *chain), allow_unauthenticated_evidence=allow_unauthenticated_evidence
    )


__all__ = ("DEFAULT_LIFECYCLE", "LifecycleAppraiser", "PlatformAppraiser", "ReferenceAppraiser", "make_chain")
