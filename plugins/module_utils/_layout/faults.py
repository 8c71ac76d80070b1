# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

from .errors import LayoutError, WrongSize


class Faults:
    """What is wrong with a layout. In order of the steps that led there, whenever it was found out."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[tuple[int, str, LayoutError]] = []

    def add(self, step: int, digest: str, exc: LayoutError) -> None:
        """A step, known by its number, found something wrong with this digest."""
        self._found.append((step, digest, exc.add_context(path=self._path, digest=digest)))

    def digests(self) -> set[str]:
        """All whose content is bad. A wrong size is the fault of the one descriptor that states it."""
        return {digest for dummy, digest, exc in self._found if not isinstance(exc, WrongSize)}

    def problems(self) -> tuple[LayoutError, ...]:
        """All of them; content that is bad, whatever refers to it, once."""
        seen: set[str] = set()
        problems = []
        for dummy, digest, exc in sorted(self._found, key=lambda found: found[0]):
            if digest not in seen:
                problems.append(exc)
            if not isinstance(exc, WrongSize):
                seen.add(digest)
        return tuple(problems)


__all__ = ("Faults",)
