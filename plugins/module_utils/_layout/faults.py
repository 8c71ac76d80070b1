# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The problems that a walk finds in a layout, in the order of its steps although threads report some of them later.

walk.py collects them here.
"""

from __future__ import annotations

from .errors import LayoutError, WrongSize


class Faults:
    """The problems of a layout, ordered by the number of the step that led to each."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[tuple[int, str, LayoutError]] = []

    def add(self, step: int, digest: str, exc: LayoutError) -> None:
        """Add the problem that a step, given by its number, led to with this digest."""
        self._found.append((step, digest, exc.add_context(path=self._path, digest=digest)))

    def digests(self) -> set[str]:
        """Return the digests of invalid content.

        A wrong size is not among them: it is a fault of the descriptor that states it.
        """
        return {digest for dummy, digest, exc in self._found if not isinstance(exc, WrongSize)}

    def problems(self) -> tuple[LayoutError, ...]:
        """Return all problems; invalid content once, however many documents refer to it."""
        seen: set[str] = set()
        problems = []
        for dummy, digest, exc in sorted(self._found, key=lambda found: found[0]):
            if digest not in seen:
                problems.append(exc)
            if not isinstance(exc, WrongSize):
                seen.add(digest)
        return tuple(problems)


__all__ = ("Faults",)
