# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The Attester for the option ratls, and the return value ratls. Called by connection.py and the modules."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ..._ratls.attester import Attester
    from ..options.ratls_options import Params
    from .sources import ImageSource


def make_attester(ratls: Params) -> Attester:
    """Return the Attester for the option ratls, which attestation_problem has accepted. Raises ConfigurationInvalid."""
    from ..._ratls.attester import Attester
    from ..._ratls.evidence.sources import make_source

    source = make_source(ratls["evidence"], path=ratls["path"], argv=ratls["argv"], timeout=ratls["timeout"])
    return Attester(source, ratls["key_type"])


def attestation_results(source: ImageSource) -> dict[str, t.Any]:
    """Return the return value ratls of a task that used the source; empty if nothing was attested."""
    return {} if source.attestation is None else {"ratls": source.attestation}


__all__ = ("attestation_results", "make_attester")
