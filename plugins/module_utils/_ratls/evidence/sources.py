# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Makes the source of evidence that the option ratls of a task describes."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationInvalid
from .evidence import EvidenceKind, EvidenceSource
from .simulated import SimulatedSource
from .source_command import CommandSource
from .source_file import FileSource
from .source_rsi import RsiSource
from .source_tsm import TsmSource

DEFAULT_TIMEOUT: t.Final = 30.0


def make_source(
    kind: EvidenceKind,
    *,
    path: str | None = None,
    argv: t.Sequence[str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> EvidenceSource:
    """Make a source of evidence.

    path is the token file of file, the device of rsi, or the directory of tsm or simulated; argv and timeout (seconds)
    belong to command. rsi and tsm have a default path. Raises ConfigurationInvalid for a path or argv that is missing
    or does not apply to kind, and for an invalid timeout of command; other kinds ignore timeout.
    """
    if (argv is not None) != (kind == "command"):
        raise _settings_error(kind, "needs argv" if kind == "command" else "takes no argv")
    if path is not None and kind == "command":
        raise _settings_error(kind, "takes no path")
    if path is None and kind in ("file", "simulated"):
        raise _settings_error(kind, "needs a path")
    if kind == "command":
        return CommandSource(tuple(argv or ()), timeout)
    if kind == "rsi":
        return RsiSource() if path is None else RsiSource(path)
    if kind == "tsm":
        return TsmSource() if path is None else TsmSource(path)
    return FileSource(path or "") if kind == "file" else SimulatedSource(path or "")


def _settings_error(kind: EvidenceKind, why: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(f"The attestation settings cannot be used: the evidence {kind} {why}; correct it.")


__all__ = ("DEFAULT_TIMEOUT", "make_source")
