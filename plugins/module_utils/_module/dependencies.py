# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Messages about missing or outdated Python libraries: where a library is missing and how to install it.

Called by reported_errors for every error of the kind dependency_missing.
"""

from __future__ import annotations

import platform
import sys
import typing as t

if t.TYPE_CHECKING:
    from .._base.errors import CollectionError


def dependency_message(error: CollectionError) -> str:
    """Return the message of error with the host, its Python interpreter and the remedies added."""
    library = error.fields.get("library")
    wanted = f"'{str(library).replace(' ', '')}'" if library else "the library"
    install = f"install the library with {_python()} -m pip install {wanted} or from a system package, or "
    if "module" in error.fields:  # of the standard library: no package adds it
        install = ""
    return (
        f"{error.message.rstrip('.')}; the Python of this task is {_python()} on {platform.node()}: {install}set "
        "ansible_python_interpreter to another Python that has it."
    )


def _python() -> str:
    return t.cast("str | None", sys.executable) or f"version {platform.python_version()}"


__all__ = ("dependency_message",)
