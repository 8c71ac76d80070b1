# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options pattern and pattern_type of oci_tags."""

from __future__ import annotations

import fnmatch
import re
import typing as t

from ..._base.errors import CollectionError

Kind = t.Literal["fnmatch", "regex"]


class PatternInvalid(CollectionError):
    """The option pattern is not a regular expression; field pattern."""

    kind = "pattern_invalid"


def compile_pattern(pattern: str | None, *, kind: Kind) -> t.Callable[[str], bool]:
    """Return a function that tells whether a tag matches. Without a pattern every tag matches. Raises PatternInvalid.

    An fnmatch pattern must match the whole tag, a regular expression any part of it.
    """
    if pattern is None:
        return lambda tag: True
    try:
        expression = re.compile(fnmatch.translate(pattern) if kind == "fnmatch" else pattern)
    except (re.error, RecursionError, OverflowError) as exc:
        raise PatternInvalid(
            f"The pattern '{pattern[:200]}' is not a regular expression: {exc}; correct it or use fnmatch.",
            pattern=pattern[:200],
        ) from None
    match = expression.fullmatch if kind == "fnmatch" else expression.search
    return lambda tag: match(tag) is not None


def seems_regex(pattern: str) -> bool:
    """Tell whether an fnmatch pattern looks like a regular expression: it has characters that no tag can have."""
    return re.search(r"[\^$\\|+(){}]|\.\*", pattern) is not None


__all__ = ("Kind", "PatternInvalid", "compile_pattern", "seems_regex")
