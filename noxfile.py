# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# /// script
# dependencies = ["nox>=2025.02.09", "antsibull-nox"]
# ///

"""Sessions for contributors who expect nox: those of antsibull-nox.toml, and one for each stage of "make test".

The Makefile is what CI runs; the sessions here only call it.
"""

from __future__ import annotations

import nox

try:
    import antsibull_nox
except ImportError:
    raise SystemExit("error: install antsibull-nox beside nox, or use make, which needs neither.") from None

antsibull_nox.load_antsibull_nox_toml()


@nox.session(python=False, default=False)
@nox.parametrize("stage", ["lint", "types", "unit", "hosts", "importer", "integration", "sanity"])
def make(session: nox.Session, stage: str) -> None:
    """Run a stage of "make test"."""
    session.run("make", stage, external=True)
