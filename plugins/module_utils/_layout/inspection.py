# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read and verify a whole OCI layout: image-spec, image-layout.md.

The server loads layouts through begin_inspection(); only tests use the other two functions.
"""

from __future__ import annotations

import types
import typing as t

from .checker import Checker
from .directory import LayoutDirectory
from .errors import LayoutError
from .layout import Inspection, Layout
from .stored import StoredContents
from .walk import MAX_NESTING, Walk

if t.TYPE_CHECKING:
    from collections.abc import Callable


def inspect_layout(path: str, *, follow: bool = True, checker: Checker | None = None) -> Inspection:
    """Read an OCI layout and verify size and digest of all content that it refers to.

    Follows index.json through nested indexes (at most 8 deep) to manifests, configs and layers. Reads nothing outside
    of the directory; only path itself may be a symbolic link, unless follow is false. Problems are in the result, not
    raised: a layout without problems is sound. Without a checker, everything is verified in this thread.
    """
    return begin_inspection(path, follow=follow, checker=checker or Checker())()


def begin_inspection(
    path: str, *, checker: Checker, follow: bool = True, folder: int | None = None
) -> Callable[[], Inspection]:
    """Do the same for one of many layouts: return while the threads of the checker may still be at work.

    Call the result to wait for them and to get the inspection. With folder, a descriptor that the caller closes, path
    is only the name in messages.
    """
    try:
        with LayoutDirectory(path, follow=follow, folder=folder) as directory:
            walk = Walk(directory, checker)
            walk.run()
    except LayoutError as exc:
        layout = Layout(path, types.MappingProxyType({}), StoredContents(), StoredContents())
        failure = Inspection(layout, problems=(exc.add_context(path=path),))
        return lambda: failure
    return walk.finish


def load_layout(path: str) -> Layout:
    """Read and verify a layout that has to be sound. Raises its first problem, a LayoutError."""
    inspection = inspect_layout(path)
    if inspection.problems:
        raise inspection.problems[0]
    return inspection.layout


__all__ = ("MAX_NESTING", "begin_inspection", "inspect_layout", "load_layout")
