# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Messages about Python libraries that are missing or too old: where they are missing, and both remedies.

Called by reported_errors for every error of the kind dependency_missing.
"""

from __future__ import annotations

import platform
import sys
import typing as t

from .._base.errors import CollectionError


class LibraryMissing(CollectionError):
    """A library that an option needs is missing on this host. Field library."""

    kind = "dependency_missing"


def is_dependency(error: CollectionError) -> bool:
    """Tell whether the error is about a library; each package has a class of its own for that."""
    return error.kind == LibraryMissing.kind


def dependency_message(error: CollectionError) -> str:
    """Say in which Python of which host a library is missing, and what to do about it."""
    library = error.fields.get("library")
    wanted = f"'{str(library).replace(' ', '')}'" if library else "the library"
    return (
        f"{error.message.rstrip('.')}; the Python of this task is {_python()} on {platform.node()}, for which "
        f"{_python()} -m pip install {wanted} or a package of the system installs it, and ansible_python_interpreter "
        "chooses another Python that has it."
    )


def _python() -> str:
    return t.cast("str | None", sys.executable) or f"version {platform.python_version()}"


__all__ = ("LibraryMissing", "dependency_message", "is_dependency")
