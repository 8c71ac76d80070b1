# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The source of evidence `command`: a program that prints a token."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.text import quote
from ..errors import ConfigurationInvalid
from ..token.cca_token import MAX_TOKEN
from .child import ChildFailed, run_bounded
from .evidence import Evidence, EvidenceKind, evidence_error

PLACEHOLDER: t.Final = "{challenge}"
MAX_TIMEOUT: t.Final = 24 * 3600  # seconds; the system's timers have a maximum


@dataclass(frozen=True)
class CommandSource:
    """A program that writes a token to its standard output.

    {challenge} in its arguments is replaced by the realm challenge in hexadecimal, which is also its standard input.
    """

    argv: tuple[str, ...]
    # seconds, at most a day
    timeout: float = 30
    kind: EvidenceKind = "command"

    def __post_init__(self) -> None:
        """Check the settings. Raises ConfigurationInvalid."""
        if not self.argv or not self.argv[0] or any("\0" in part for part in self.argv):
            raise ConfigurationInvalid(
                "The command that gives attestation tokens cannot be run: it is empty or contains a NUL "
                "character; give a list of the program and its arguments."
            )
        if not 0 < self.timeout <= MAX_TIMEOUT:
            raise ConfigurationInvalid(
                "The timeout of the command that gives attestation tokens must be above 0 seconds and at most a day; "
                "give another timeout."
            )

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """See EvidenceSource."""
        text = realm_challenge.hex()
        argv = [part.replace(PLACEHOLDER, text) for part in self.argv]
        try:
            token = run_bounded(argv, given=text.encode("ascii"), limit=MAX_TOKEN, timeout=self.timeout)
        except ChildFailed as exc:
            raise evidence_error(
                "command", f"the program {quote(self.argv[0])}: {exc}", "run the program by hand to see the error"
            ) from None
        if not token:
            raise evidence_error(
                "command",
                f"the program {quote(self.argv[0])} wrote nothing",
                "make the program write the token to standard output",
            )
        return Evidence(token, "command")


__all__ = ("MAX_TIMEOUT", "PLACEHOLDER", "CommandSource")
