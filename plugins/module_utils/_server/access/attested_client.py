# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A client of the server that was attested in the RA-TLS handshake. Made by attesting.py, asked by access.py."""

from __future__ import annotations

import typing as t

from ..._base.text import visible

if t.TYPE_CHECKING:
    from ..._ratls.appraisal.appraisal import Attestation
    from ..._ratls.relying_party import RelyingParty

_MAX_REMEMBERED: t.Final = 4096
# this prefix of a digest is enough to find it in the log
_SHORT: t.Final = len("sha256:") + 16


class AttestedClient:
    """The attested client of one connection: its attestation, and the repositories that it may see.

    facts are for logs. warnings are words for weak evidence: unauthenticated (the signature of the platform was not
    verified), simulated (the evidence declares itself simulated).
    """

    def __init__(self, attestation: Attestation, relying_party: RelyingParty) -> None:
        self.attestation = attestation
        self.facts = {name: visible(value) for name, value in attestation.facts().items()}
        found = (
            ("unauthenticated", not attestation.platform_authenticated),
            ("simulated", attestation.token.platform.simulated),
        )
        self.warnings = tuple(word for word, applies in found if applies)
        # a catalog request then evaluates the policies that accept this realm, not all policies
        self._relying_party = relying_party.narrowed(attestation)
        self._seen: dict[str, bool] = {}

    def may_see(self, repository: str) -> bool:
        """Tell whether the policies let the client see a repository. Answers are cached for the connection."""
        known = self._seen.get(repository)
        if known is None:
            known = self._relying_party.may_see(self.attestation, repository)
            if len(self._seen) < _MAX_REMEMBERED:
                self._seen[repository] = known
        return known

    @property
    def label(self) -> str:
        """The client in one word for logs: the beginning of the digest of its token."""
        return self.facts["token"][:_SHORT]


__all__ = ("AttestedClient",)
