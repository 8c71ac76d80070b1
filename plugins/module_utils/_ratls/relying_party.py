# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The server's side of RA-TLS: decides which realms may connect and which repositories each may see.

The order of an attestation, cheap checks first:

1. The certificate: size, validity, self-signature, the token extension (peer_certificate.py).
2. The challenge of the connection is used up, whatever follows, so no second certificate can be tried against it.
3. The token is parsed; both halves must be well formed. No signature is checked yet (cca_token.py).
4. Claim 10 of the realm token must be SHA-512 over the challenge and the certificate's public key: the token was
   made for this connection and this key.
5. The signature of the realm, and the key binding: the platform token contains the hash of the realm's key.
   Up to here neither configuration nor network is used, and the token is only known to be consistent.
6. The appraisers: lifecycle, trust anchors (the signature of the platform), reference values, Veraison. All must
   accept; the first refusal ends the attestation.
7. Later, for each request, the policies decide which repositories the realm may see.

TLS has verified CertificateVerify before the first step. Called by _server/attestation.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, replace

from .appraisal.appraisal import AppraiserChain, Attestation, PresentedToken, token_identity
from .appraisal.appraisers import DEFAULT_LIFECYCLE, make_chain
from .appraisal.peer_certificate import read_certificate
from .appraisal.policy import Policies
from .appraisal.settings import ReadFile, read_lifecycle, read_policies, read_trust_anchors, reference_file
from .challenge import Challenge, check_answer
from .errors import RatlsError
from .plain_data import SettingsMap, choice
from .token.cbor import require_cbor2
from .token.cca_token import parse_token
from .veraison.settings import read_veraison

SETTINGS: t.Final[tuple[str, ...]] = (
    "trust_anchors",
    "reference_values",
    "veraison",
    "policies",
    "lifecycle",
    "allow_unauthenticated_evidence",
)

_EVERY_REALM: t.Final = (
    "No reference values and no policies are set, and Veraison is not required to appraise the realm: every "
    "realm on a trusted platform is accepted, whatever runs in it."
)
_NOT_SECURED: t.Final = "Platforms in a lifecycle state other than secured are accepted: their claims can be forged."
_UNUSABLE_POLICY: t.Final = (
    "A policy has rules for the platform, but nothing checks the signature of the platform: the policy accepts no "
    "realm."
)
_NOT_PRIVATE: t.Final = "The Veraison service is used over http: anybody on the network path can read the tokens."


@dataclass(frozen=True)
class RelyingParty:
    """Decides which realms may connect and which repositories each of them may see.

    Two are equal if they were read from equal settings and files. A relying party holds no thread and no open socket:
    it can be pickled, and a process that has one may fork.
    """

    chain: AppraiserChain
    policies: Policies | None = None
    # for the log at the start of the server
    warnings: tuple[str, ...] = ()

    def judge(self, certificate: bytes, challenge: Challenge, *, now: datetime.datetime | None = None) -> Attestation:
        """Decide whether a client may connect that has shown this certificate.

        certificate is DER; TLS must have checked its CertificateVerify before. now is the current time with a time
        zone, that of the clock if it is None. The challenge is used up, and no verdict is kept for another connection.
        The call blocks for as long as the appraisers take, so it belongs in a thread; several calls may run at once.
        Raises a RatlsError for every refusal, with the fields token (its digest) and rim once the token was parsed.
        """
        peer = read_certificate(certificate, now=now or datetime.datetime.now(datetime.timezone.utc))
        expected = challenge.answer_for(peer.public_key)
        token = parse_token(peer.token)
        try:
            check_answer(expected, token.realm.challenge)
            token.verify_realm()
        except RatlsError as exc:
            exc.add_context(**token_identity(token))
            raise
        return self.chain.appraise(PresentedToken(token, peer.token, expected))

    def may_see(self, attestation: Attestation, repository: str) -> bool:
        """Tell whether an attested realm may see a repository; without policies it may see all."""
        return self.policies is None or self.policies.may_see(attestation, repository)

    def narrowed(self, attestation: Attestation) -> RelyingParty:
        """Return a relying party with only the policies that accept this realm, for many fast calls of may_see."""
        return self if self.policies is None else replace(self, policies=self.policies.accepting(attestation))


def read_relying_party(values: t.Mapping[str, object], *, read_file: ReadFile) -> RelyingParty:
    """Read a relying party from plain data, in which each of SETTINGS may be absent or None.

    With policies and without reference values every realm of a trusted platform may connect and sees what the policies
    allow. The network is not used. Raises ConfigurationInvalid, DependencyMissing, and what read_file raises.
    """
    require_cbor2()
    given = {name: value for name, value in values.items() if value is not None}
    fields = SettingsMap(SettingsMap.of(given, "ra-tls", SETTINGS).value, "")
    anchors = fields.one("trust_anchors", lambda value, dummy: read_trust_anchors(value, read_file=read_file))
    policies = fields.one("policies", lambda value, dummy: read_policies(value, read_file=read_file))
    veraison = fields.one("veraison", lambda value, where: read_veraison(value, where, read_file=read_file))
    references = fields.items("reference_values", reference_file(read_file)) or ()
    lifecycle = fields.items("lifecycle", read_lifecycle) or DEFAULT_LIFECYCLE
    chain = make_chain(
        anchors=anchors,
        references=references,
        others=() if veraison is None else (veraison,),
        lifecycle=lifecycle,
        allow_unauthenticated_evidence=fields.one("allow_unauthenticated_evidence", choice(True, False)) or False,
        policies_decide=policies is not None,
    )
    some_realms = bool(references) or policies is not None or (veraison is not None and veraison.judges_realm)
    warnings = (
        (not some_realms, _EVERY_REALM),
        (set(lifecycle) != {"secured"}, _NOT_SECURED),
        (not chain.authenticates_platform and _any_needs_authentication(policies), _UNUSABLE_POLICY),
        (veraison is not None and not veraison.service.is_private, _NOT_PRIVATE),
    )
    return RelyingParty(chain, policies, (*chain.warnings, *(text for applies, text in warnings if applies)))


def _any_needs_authentication(policies: Policies | None) -> bool:
    return policies is not None and any(policy.platform.needs_authentication for policy in policies.policies)


__all__ = ("SETTINGS", "RelyingParty", "read_relying_party")
