# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many examples a property test tries, which depends on the profile: make hosts has one with fewer."""

from __future__ import annotations

import typing as t

from hypothesis import settings

# the default of Hypothesis
_USUAL: t.Final = 100


def examples(number: int) -> int:
    """Return the part of number that the profile tries of the usual number, at least 5."""
    return min(number, max(5, number * settings().max_examples // _USUAL))


__all__ = ("examples",)
