# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Texts and paths that a process can receive, and the error for all that cannot be converted.

process.py and settings.py check what the image and the task give; unit.py and unit_text.py what a unit can express.
"""

from __future__ import annotations

import posixpath

from ..._base.errors import CollectionError


class RuntimeConfigError(CollectionError):
    """The image or the options cannot be converted to the format. Fields: option or field, if one is at fault."""

    kind = "runtime_config"


def checked(text: str, *, what: str, field: str) -> str:
    """Return a text that a process can receive. Raises RuntimeConfigError for NUL, and for text that is not Unicode."""
    fault = "a NUL character" if "\0" in text else None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        fault = "bytes that are not UTF-8"
    if fault is None:
        return text
    raise RuntimeConfigError(f"It is not possible to pass {what} on: it has {fault}; correct it.", field=field)


def absolute(path: str, *, what: str, field: str) -> str:
    """Return a path in the tree in its shortest form; a relative one begins at the root, and .. ends there.

    Raises RuntimeConfigError as checked() does.
    """
    return posixpath.normpath("/" + checked(path, what=what, field=field).lstrip("/"))


__all__ = ("RuntimeConfigError", "absolute", "checked")
