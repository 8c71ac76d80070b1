# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .appraisal.appraisal import AppraiserChain, Attestation, verify_client
from .appraisal.appraisers import DEFAULT_LIFECYCLE, make_chain
from .appraisal.policy import Policies
from .appraisal.settings import ReadFile, read_lifecycle, read_policies, read_trust_anchors, reference_file
from .plain_data import PlainMap, choice
from .veraison.settings import read_veraison

if t.TYPE_CHECKING:
    from .challenge import Challenge

SETTINGS: t.Final[tuple[str, ...]] = (
    "trust_anchors",
    "reference_values",
    "veraison",
    "policies",
    "lifecycle",
    "allow_unauthenticated_evidence",
)

_EVERY_REALM: t.Final = (
    "There are neither reference values nor policies, and no result about the realm is required of Veraison: every "
    "realm of a platform that is trusted is accepted, whatever runs in it."
)
_NOT_SECURED: t.Final = "Platforms are accepted that are not in the state secured: what they say can be made up."
_NOBODY: t.Final = (
    "A policy has rules for the platform, and nothing checks the signature of the platform: the policy accepts nobody."
)
_HTTP: t.Final = "The Veraison service is asked over http: anybody on the way can read the tokens."


@dataclass(frozen=True)
class RelyingParty:
    """Who decides which realms may connect, and what each of them may see.

    Two are equal if they were read from equal settings and files. It holds no thread and no open socket, so it may be
    pickled, and a process that has one may fork.
    """

    chain: AppraiserChain
    policies: Policies | None = None
    # for the log, when this is put to use
    warnings: tuple[str, ...] = ()

    def judge(self, certificate: bytes, challenge: Challenge) -> Attestation:
        """Judge the certificate in DER that a client has shown, and used: CertificateVerify was checked before.

        Takes as long as the appraisers take, so it belongs into a thread; several may run at once. The challenge is
        used up. Nothing of it is remembered for another connection. Raises a RatlsError for every refusal.
        """
        return verify_client(certificate, challenge, self.chain)

    def may_see(self, attestation: Attestation, repository: str) -> bool:
        """Whether an attested realm may see a repository: all of them if there are no policies."""
        return self.policies is None or self.policies.may_see(attestation, repository)

    def narrowed(self, attestation: Attestation) -> RelyingParty:
        """The same for this realm alone: what it may see is found sooner, for it is to be asked about many times."""
        return self if self.policies is None else replace(self, policies=self.policies.accepting(attestation))


def read_relying_party(values: t.Mapping[str, object], *, read_file: ReadFile) -> RelyingParty:
    """Read who is accepted from plain data, in which each of SETTINGS may be absent or None.

    With policies and without reference values every realm of a trusted platform may connect, and sees what the
    policies let it see. Nobody is asked over the network. Raises ConfigurationInvalid, DependencyMissing, and what
    read_file raises.
    """
    given = {name: value for name, value in values.items() if value is not None}
    fields = PlainMap(PlainMap.of(given, "ra-tls", SETTINGS).value, "")
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
        (not chain.authenticates_platform and _any_needs_authentication(policies), _NOBODY),
        (veraison is not None and not veraison.service.is_private, _HTTP),
    )
    return RelyingParty(chain, policies, (*chain.warnings, *(text for applies, text in warnings if applies)))


def _any_needs_authentication(policies: Policies | None) -> bool:
    return policies is not None and any(policy.platform.needs_authentication for policy in policies.policies)


__all__ = ("SETTINGS", "RelyingParty", "read_relying_party")
