# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of remote attestation; every one is a RatlsError with a kind and fields for playbooks and logs."""

from __future__ import annotations

from .._base.errors import CollectionError


class RatlsError(CollectionError):
    """Root of the errors of remote attestation."""

    kind = "ratls"


class ConfigurationInvalid(RatlsError):
    """A setting of attestation cannot be used: a key, a URL, a source of evidence, a policy."""

    kind = "ratls_configuration"


class ChallengeInvalid(RatlsError):
    """A server sent no valid challenge, or a challenge was used a second time."""

    kind = "challenge_invalid"


class CertificateInvalid(RatlsError):
    """A client certificate breaks the rules of RA-TLS."""

    kind = "certificate_invalid"


class EvidenceUnavailable(RatlsError):
    """A source gave no attestation token. Field: evidence, the kind of the source."""

    kind = "evidence_unavailable"


class TokenInvalid(RatlsError):
    """Bytes are not a CCA token: wrong structure, claim or algorithm. Field: claim, if one claim is at fault."""

    kind = "token_invalid"


class TokenUntrusted(RatlsError):
    """A well-formed token proves nothing: a signature, the key binding or the challenge is wrong. Field: check."""

    kind = "token_untrusted"


class AppraisalFailed(RatlsError):
    """An appraiser refused a token that is well formed and was made for this connection. Field: appraiser."""

    kind = "appraisal_failed"


class VeraisonFailed(RatlsError):
    """The Veraison service could not be used or gave an invalid answer. Field: status."""

    kind = "veraison_failed"


__all__ = (
    "AppraisalFailed",
    "CertificateInvalid",
    "ChallengeInvalid",
    "ConfigurationInvalid",
    "EvidenceUnavailable",
    "RatlsError",
    "TokenInvalid",
    "TokenUntrusted",
    "VeraisonFailed",
)
