# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Shell patterns for names, as in fnmatch(3), in which * also matches slashes.

Called by _ratls/appraisal/policy.py and _server/config/rules.py for every request, so patterns are compiled once.
"""

from __future__ import annotations

import fnmatch
import functools
import re
import typing as t


def matches_any(patterns: t.Iterable[str], text: str) -> bool:
    """Tell whether one of the patterns matches the whole text."""
    return any(_compile(pattern).fullmatch(text) for pattern in patterns)


# the patterns are those of a configuration, so their number is bounded
@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


__all__ = ("matches_any",)
