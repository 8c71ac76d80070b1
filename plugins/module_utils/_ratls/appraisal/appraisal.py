# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..errors import AppraisalFailed, ConfigurationInvalid, RatlsError
from ..token.cca_token import CcaToken


@dataclass(frozen=True)
class PresentedToken:
    """A token whose realm signature, key binding and challenge are right, for appraisers to judge."""

    token: CcaToken
    # the bytes of the token
    data: bytes = field(repr=False)
    realm_challenge: bytes = field(repr=False)


@dataclass(frozen=True)
class Verdict:
    """That an appraiser accepts a token, and why, in a few words."""

    appraiser: str
    reason: str
    warnings: tuple[str, ...] = ()


class Appraiser(t.Protocol):
    """Somebody who judges tokens."""

    @property
    def name(self) -> str:
        """In one word."""

    @property
    def authenticates_platform(self) -> bool:
        """Whether what it accepts is known to come from a real platform."""

    def appraise(self, presented: PresentedToken) -> Verdict:
        """Why the token is accepted. Raises a RatlsError if it is not, or if that cannot be told."""


@dataclass(frozen=True)
class Attestation:
    """A realm that has proved what it is: what access is decided by and what is logged."""

    token: CcaToken
    verdicts: tuple[Verdict, ...]
    platform_authenticated: bool
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, str]:
        """Who this is, for a line of a log: nothing in it is secret."""
        realm, platform = self.token.realm, self.token.platform
        return {
            "token": self.token.digest,
            "rim": realm.initial_measurement.hex(),
            "profile": realm.profile or platform.profile,
            "instance": platform.instance_id.hex(),
            "platform": "authenticated" if self.platform_authenticated else "not authenticated",
        }


_UNAUTHENTICATED: t.Final = (
    "The signature of the platform was not checked (allow_unauthenticated_evidence): anybody can make such a token."
)


_SIMULATED: t.Final = "The evidence says of itself that it is simulated: it proves nothing."


class AppraiserChain:
    """Appraisers that all have to accept a token; they are asked in their order, and the first refusal ends it."""

    def __init__(self, appraisers: t.Sequence[Appraiser], *, allow_unauthenticated_evidence: bool = False) -> None:
        """Raises ConfigurationInvalid if nobody is there to judge, or nobody who authenticates platforms."""
        self._appraisers = tuple(appraisers)
        self._authenticated = any(appraiser.authenticates_platform for appraiser in self._appraisers)
        if not self._appraisers:
            raise ConfigurationInvalid(
                "Attestation cannot be offered: nothing says which realms are accepted; give reference values, trust "
                "anchors or a Veraison service."
            )
        if not self._authenticated and not allow_unauthenticated_evidence:
            raise ConfigurationInvalid(
                "Attestation cannot be offered: nothing checks the signature of the platform, so anybody could make a "
                "token that passes; give trust anchors or a Veraison service, or for tests alone set "
                "allow_unauthenticated_evidence."
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AppraiserChain) and self._appraisers == other._appraisers

    def __hash__(self) -> int:
        return hash(self._appraisers)

    @property
    def authenticates_platform(self) -> bool:
        """Whether what it accepts is known to come from a real platform."""
        return self._authenticated

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to say when this is put to use, and with every attestation."""
        return () if self._authenticated else (_UNAUTHENTICATED,)

    def appraise(self, presented: PresentedToken) -> Attestation:
        """Have a token judged. Raises what the first appraiser that refuses it raises, with fields token and rim."""
        try:
            verdicts = tuple(appraiser.appraise(presented) for appraiser in self._appraisers)
        except RatlsError as exc:
            exc.add_context(**token_identity(presented.token))
            raise
        simulated = (_SIMULATED,) if presented.token.platform.simulated else ()
        warnings = (*self.warnings, *simulated, *(text for verdict in verdicts for text in verdict.warnings))
        return Attestation(presented.token, verdicts, self._authenticated, warnings)


def token_identity(token: CcaToken) -> dict[str, str]:
    return {"token": token.digest, "rim": token.realm.initial_measurement.hex()}


def refusal(appraiser: str, why: str, what_to_do: str) -> AppraisalFailed:
    """The error of an appraiser that does not accept a token, for it to raise."""
    return AppraisalFailed(f"The attestation was refused ({appraiser}): {why}; {what_to_do}.", appraiser=appraiser)


__all__ = ("Appraiser", "AppraiserChain", "Attestation", "PresentedToken", "Verdict", "refusal", "token_identity")
