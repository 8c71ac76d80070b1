# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import hmac
import typing as t
from dataclasses import dataclass, field

from .challenge import challenge_of, realm_challenge
from .evidence.certificate import make_certificate
from .evidence.client_key import DEFAULT_KEY_TYPE, ClientKey, KeyType, process_key
from .evidence.evidence import Evidence, EvidenceSource, evidence_error
from .token.cca_token import CcaToken, parse_token


@dataclass(frozen=True)
class AttestedIdentity:
    """What a client shows to one server, once. certificate is in DER; key is for the signature of the handshake."""

    certificate: bytes = field(repr=False)
    key: ClientKey
    evidence: Evidence
    token: CcaToken

    def as_result(self) -> dict[str, t.Any]:
        """The value of the key ratls of a result."""
        realm = self.token.realm
        return {
            "evidence": self.evidence.kind,
            "rim": realm.initial_measurement.hex(),
            "profile": realm.profile or self.token.platform.profile,
            "token": self.token.digest,
            "simulated": self.token.platform.simulated,
        }


@dataclass(frozen=True)
class Attester:
    """The client's side: an answer to each request for a certificate, with a token that was made for it."""

    source: EvidenceSource
    key_type: KeyType = DEFAULT_KEY_TYPE

    def answer(self, authorities: t.Sequence[bytes]) -> AttestedIdentity:
        """The answer to a CertificateRequest with these certificate_authorities. Takes as long as the source takes.

        Raises ChallengeInvalid, EvidenceUnavailable, TokenInvalid, DependencyMissing.
        """
        challenge = challenge_of(authorities)
        key = process_key(self.key_type)
        expected = realm_challenge(challenge, key.public_key)
        evidence = self.source.evidence(expected)
        token = parse_token(evidence.token)
        if evidence.kind != "file" and not hmac.compare_digest(token.realm.challenge, expected):
            raise evidence_error(
                evidence.kind, "the token is not for the challenge that was given", "see to the source of the token"
            )
        return AttestedIdentity(make_certificate(key, evidence.token), key, evidence, token)


__all__ = ("AttestedIdentity", "Attester")
