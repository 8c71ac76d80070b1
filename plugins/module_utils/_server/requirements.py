# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Errors for libraries that are missing or too old. libraries.py and config/libraries.py call this."""

from __future__ import annotations

import re
import sys
import types

from .errors import DependencyMissing


def numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, for comparison; () for ""."""
    return tuple(map(int, re.findall(r"[0-9]+", version)[:2]))


def require(library: types.ModuleType | None, doing: str, name: str, package: str) -> types.ModuleType:
    """Return a library that was imported. Raises DependencyMissing, which names the Debian package, for None."""
    if library is None:
        raise _missing(doing, name, package)
    return library


def require_version(name: str, version: str, oldest: tuple[int, ...], *, effect: str = "") -> None:
    """Raise DependencyMissing if a library that each start needs is absent (version "") or older than oldest."""
    if not version:
        raise _missing("Starting the server", name, name)
    if numbers(version) < oldest:
        wanted = ".".join(map(str, oldest))
        raise DependencyMissing(
            f"Starting the server failed: the library {name} {version} is older than {wanted}{effect}; "
            f"run pip install '{name}>={wanted}' with {sys.executable}."
        )


def _missing(doing: str, name: str, package: str) -> DependencyMissing:
    return DependencyMissing(
        f"{doing} failed: the Python library {name} is not installed; install the package python3-{package}, "
        f"or run pip install {name} with the Python that runs the server."
    )


__all__ = ("numbers", "require", "require_version")
