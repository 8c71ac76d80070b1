# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The protocol of appraisers, their chain, and the result of an attestation.

RelyingParty.judge verifies a token first and then runs the chain.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..errors import AppraisalFailed, ConfigurationInvalid, RatlsError
from ..token.cca_token import CcaToken


@dataclass(frozen=True)
class PresentedToken:
    """A token for appraisers, with verified realm signature, key binding and challenge."""

    token: CcaToken
    # the bytes of the token
    data: bytes = field(repr=False)
    realm_challenge: bytes = field(repr=False)


@dataclass(frozen=True)
class Verdict:
    """An appraiser's acceptance of a token, with a short reason."""

    appraiser: str
    reason: str
    warnings: tuple[str, ...] = ()


class Appraiser(t.Protocol):
    """Accepts or refuses tokens."""

    @property
    def name(self) -> str:
        """The name of the appraiser in messages, one word."""

    @property
    def authenticates_platform(self) -> bool:
        """Whether an accepted token is known to come from a real platform."""

    def appraise(self, presented: PresentedToken) -> Verdict:
        """Return why the token is accepted. Raises a RatlsError if it is refused or cannot be judged."""


@dataclass(frozen=True)
class Attestation:
    """An attested realm: the basis of access decisions and log lines."""

    token: CcaToken
    verdicts: tuple[Verdict, ...]
    platform_authenticated: bool
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, str]:
        """Return what identifies the realm in a log line; no value is secret."""
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


_SIMULATED: t.Final = "The evidence is marked as simulated: it proves nothing."


class AppraiserChain:
    """Appraisers that must all accept a token. They run in order; the first refusal ends the appraisal."""

    def __init__(self, appraisers: t.Sequence[Appraiser], *, allow_unauthenticated_evidence: bool = False) -> None:
        """Raise ConfigurationInvalid if there is no appraiser, or none that authenticates platforms.

        allow_unauthenticated_evidence permits the second case.
        """
        self._appraisers = tuple(appraisers)
        self._authenticated = any(appraiser.authenticates_platform for appraiser in self._appraisers)
        if not self._appraisers:
            raise ConfigurationInvalid(
                "Attestation cannot be offered: no setting says which realms are accepted; give reference values, "
                "trust anchors or a Veraison service."
            )
        if not self._authenticated and not allow_unauthenticated_evidence:
            raise ConfigurationInvalid(
                "Attestation cannot be offered: nothing checks the signature of the platform, so anybody could make a "
                "token that passes; give trust anchors or a Veraison service, or, for tests only, set "
                "allow_unauthenticated_evidence."
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AppraiserChain) and self._appraisers == other._appraisers

    def __hash__(self) -> int:
        return hash(self._appraisers)

    @property
    def authenticates_platform(self) -> bool:
        """Whether an accepted token is known to come from a real platform."""
        return self._authenticated

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the start of the server and for every attestation."""
        return () if self._authenticated else (_UNAUTHENTICATED,)

    def appraise(self, presented: PresentedToken) -> Attestation:
        """Run the appraisers. Raises the error of the first one that refuses, with the fields token and rim."""
        try:
            verdicts = tuple(appraiser.appraise(presented) for appraiser in self._appraisers)
        except RatlsError as exc:
            exc.add_context(**token_identity(presented.token))
            raise
        simulated = (_SIMULATED,) if presented.token.platform.simulated else ()
        warnings = (*self.warnings, *simulated, *(text for verdict in verdicts for text in verdict.warnings))
        return Attestation(presented.token, verdicts, self._authenticated, warnings)


def token_identity(token: CcaToken) -> dict[str, str]:
    """Return the error fields that identify a token: its digest and its RIM."""
    return {"token": token.digest, "rim": token.realm.initial_measurement.hex()}


def refusal(appraiser: str, why: str, what_to_do: str) -> AppraisalFailed:
    """Return the error of an appraiser that refuses a token, for the appraiser to raise."""
    return AppraisalFailed(f"The attestation was refused ({appraiser}): {why}; {what_to_do}.", appraiser=appraiser)


__all__ = ("Appraiser", "AppraiserChain", "Attestation", "PresentedToken", "Verdict", "refusal", "token_identity")
