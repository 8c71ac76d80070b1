# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The client's side of RA-TLS: answers a request for a certificate with a fresh attestation.

Called by the transport of _registry; see docs/remote-attestation.md.
"""

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
    """The certificate that a client presents to one server, with its key and evidence.

    certificate is DER; key signs the handshake. An identity is good for one connection.
    """

    certificate: bytes = field(repr=False)
    key: ClientKey
    evidence: Evidence
    token: CcaToken

    def as_result(self) -> dict[str, t.Any]:
        """Return the value of the key ratls in a task's result."""
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
    """Makes an identity with a new token for every request for a certificate."""

    source: EvidenceSource
    key_type: KeyType = DEFAULT_KEY_TYPE

    def answer(self, authorities: t.Sequence[bytes]) -> AttestedIdentity:
        """Answer a CertificateRequest with these certificate_authorities.

        Blocks for as long as the source of evidence takes. Raises ChallengeInvalid, EvidenceUnavailable, TokenInvalid
        and DependencyMissing.
        """
        challenge = challenge_of(authorities)
        key = process_key(self.key_type)
        expected = realm_challenge(challenge, key.public_key)
        evidence = self.source.evidence(expected)
        token = parse_token(evidence.token)
        if evidence.kind != "file" and not hmac.compare_digest(token.realm.challenge, expected):
            raise evidence_error(
                evidence.kind,
                "the token does not contain the challenge of this connection",
                "check the source of the token",
            )
        return AttestedIdentity(make_certificate(key, evidence.token), key, evidence, token)


__all__ = ("AttestedIdentity", "Attester")
