# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The protocol of sources of evidence and the evidence that they give."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..errors import EvidenceUnavailable

EvidenceKind = t.Literal["file", "command", "rsi", "tsm", "simulated"]
EVIDENCE_KINDS: t.Final[tuple[EvidenceKind, ...]] = ("file", "command", "rsi", "tsm", "simulated")


@dataclass(frozen=True)
class Evidence:
    """A token that is not parsed, with the kind of its source. The warnings go into the task's result."""

    token: bytes = field(repr=False)
    kind: EvidenceKind
    warnings: tuple[str, ...] = ()


class EvidenceSource(t.Protocol):
    """Obtains attestation tokens."""

    @property
    def kind(self) -> EvidenceKind:
        """The kind of the source."""

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """Obtain a token for these 64 bytes. Raises EvidenceUnavailable."""


def evidence_error(kind: EvidenceKind, why: str, what_to_do: str) -> EvidenceUnavailable:
    """Return the error for a source that gave no token, for the caller to raise."""
    return EvidenceUnavailable(f"Getting an attestation token ({kind}) failed: {why}; {what_to_do}.", evidence=kind)


__all__ = ("EVIDENCE_KINDS", "Evidence", "EvidenceKind", "EvidenceSource", "evidence_error")
