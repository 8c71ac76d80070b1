# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The source of evidence `file`: a token that was made before."""

from __future__ import annotations

from dataclasses import dataclass

from ..._base.bounded_file import NotReadable, read_bounded
from ..._base.text import visible
from ..token.cca_token import MAX_TOKEN
from .evidence import Evidence, EvidenceKind, evidence_error


@dataclass(frozen=True)
class FileSource:
    """A token in a file. It contains another challenge, so a server that checks the challenge refuses it."""

    path: str
    kind: EvidenceKind = "file"

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """See EvidenceSource. The challenge is not used."""
        try:
            token = read_bounded(self.path, limit=MAX_TOKEN)
        except NotReadable as exc:
            raise evidence_error(
                "file", f"the file {visible(self.path)} cannot be read, {exc}", "name a file that holds a CCA token"
            ) from None
        warning = (
            f"The attestation token was read from the file {visible(self.path)} and was not made for this connection; "
            "it does not prove that the realm is running now. Use a source of evidence that makes a token for every "
            "connection."
        )
        return Evidence(token, "file", (warning,))


__all__ = ("FileSource",)
