# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Which paths of an image are kept: the patterns of include and exclude, and the directory that becomes the root.

The patterns are those of .dockerignore without its "!", matched name by name while prune.py descends the tree, so that
the time grows with the length of a path and not faster. _module/options/selection.py makes a Selection.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.patterns import matches_any

# Matches any number of directories.
ANY_DIRECTORIES: t.Final = "**"


@dataclass(frozen=True)
class Selection:
    """What is kept of an image.

    Without include, everything is. strip is the directory that becomes the root, "" for that of the image. The patterns
    and strip are paths from the root of the image, names separated by single slashes, without a slash at either end.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    strip: str = ""

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude or self.strip)


# Each is the index of a pattern, and that of the part of it that the next name has to match.
States = frozenset[tuple[int, int]]


class PathPatterns:
    """Patterns, matched against paths name by name. used has the patterns that have matched a path."""

    def __init__(self, patterns: t.Sequence[str]) -> None:
        self._patterns = patterns
        self._parts = [_split(pattern) for pattern in patterns]
        self._used: set[int] = set()
        self.start: States = frozenset().union(*(self._reach(number, 0) for number in range(len(patterns))))

    def advance(self, states: States, name: str) -> tuple[bool, States]:
        """Return whether a pattern matches the path that ends with name, and the states for the names below it."""
        matched = False
        after: set[tuple[int, int]] = set()
        for number, at in states:
            parts = self._parts[number]
            if parts[at] == ANY_DIRECTORIES:
                after |= self._reach(number, at)
            elif matches_any((parts[at],), name):
                if at + 1 == len(parts):
                    matched = True
                    self._used.add(number)
                else:
                    after |= self._reach(number, at + 1)
        return matched, frozenset(after)

    def unused(self) -> list[str]:
        """Return the patterns that have matched no path."""
        return [pattern for number, pattern in enumerate(self._patterns) if number not in self._used]

    def _reach(self, number: int, at: int) -> States:
        """Return the states of a pattern at one of its parts: any number of directories may also be none."""
        last = at
        while self._parts[number][last] == ANY_DIRECTORIES:
            last += 1
        return frozenset((number, part) for part in range(at, last + 1))


def _split(pattern: str) -> list[str]:
    parts = pattern.split("/")
    return [*parts, "*"] if parts[-1] == ANY_DIRECTORIES else parts  # everything in the directory, but not itself


__all__ = ("ANY_DIRECTORIES", "PathPatterns", "Selection", "States")
