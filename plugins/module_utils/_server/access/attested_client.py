# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from ..._base.text import visible

if t.TYPE_CHECKING:
    from ..._ratls.appraisal.appraisal import Attestation
    from ..._ratls.relying_party import RelyingParty

_MAX_REMEMBERED: t.Final = 4096
# what of a digest is enough to find it again in the log
_SHORT: t.Final = len("sha256:") + 16


class Realm:
    """The attested client of one connection: what it has proved, and what it may see because of that.

    facts are for logs. warnings are words for what speaks against it: unauthenticated (nothing has checked the
    signature of its platform), simulated (it says so of itself).
    """

    def __init__(self, attestation: Attestation, relying_party: RelyingParty) -> None:
        self.attestation = attestation
        self.facts = {name: visible(value) for name, value in attestation.facts().items()}
        found = (
            ("unauthenticated", not attestation.platform_authenticated),
            ("simulated", attestation.token.platform.simulated),
        )
        self.warnings = tuple(word for word, applies in found if applies)
        # a list of all repositories costs as much as the policies that accept this realm, not as much as all
        self._relying_party = relying_party.narrowed(attestation)
        self._seen: dict[str, bool] = {}

    def may_see(self, repository: str) -> bool:
        """Whether the policies let it see a repository; asked again on the same connection, it costs nothing."""
        known = self._seen.get(repository)
        if known is None:
            known = self._relying_party.may_see(self.attestation, repository)
            if len(self._seen) < _MAX_REMEMBERED:
                self._seen[repository] = known
        return known

    @property
    def label(self) -> str:
        """In one word without spaces: the beginning of the digest of the token."""
        return self.facts["token"][:_SHORT]


__all__ = ("Realm",)
