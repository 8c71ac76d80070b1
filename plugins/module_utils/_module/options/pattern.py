# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options pattern and pattern_type of the modules that list names."""

from __future__ import annotations

import fnmatch
import re
import typing as t

from ..._base.errors import CollectionError

Kind = t.Literal["fnmatch", "regex"]


class PatternInvalid(CollectionError):
    """The option pattern is not a regular expression; field pattern."""

    kind = "pattern_invalid"


class NamePattern:
    """The pattern that listed names must match; None matches every name. Raises PatternInvalid.

    An fnmatch pattern must match the whole name, a regular expression any part of it.
    """

    def __init__(self, pattern: str | None, *, kind: Kind) -> None:
        self._pattern = pattern
        self._kind = kind
        self._matches = None if pattern is None else _compile(pattern, kind)

    def select(self, names: t.Collection[str], *, what: str, warn: t.Callable[[str], None]) -> list[str]:
        """Return the names that match. Warn if none does and the pattern looks like one of the other kind."""
        if self._pattern is None or self._matches is None:
            return list(names)
        found = list(filter(self._matches, names))
        if names and not found and self._kind == "fnmatch" and _seems_regex(self._pattern):
            warn(
                f"The pattern '{self._pattern[:200]}' matches none of the {len(names)} {what} and looks like a "
                "regular expression; set pattern_type to regex if it is one."
            )
        return found


def _compile(pattern: str, kind: Kind) -> t.Callable[[str], t.Any]:
    try:
        expression = re.compile(fnmatch.translate(pattern) if kind == "fnmatch" else pattern)
    except (re.error, RecursionError, OverflowError) as exc:
        raise PatternInvalid(
            f"The pattern '{pattern[:200]}' is not a regular expression: {exc}; correct it or use fnmatch.",
            pattern=pattern[:200],
        ) from None
    return expression.fullmatch if kind == "fnmatch" else expression.search


def _seems_regex(pattern: str) -> bool:
    """Tell whether an fnmatch pattern looks like a regular expression: it has characters that no name can have."""
    return re.search(r"[\^$\\|+(){}]|\.\*", pattern) is not None


__all__ = ("Kind", "NamePattern", "PatternInvalid")
