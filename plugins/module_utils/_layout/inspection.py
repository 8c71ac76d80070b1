# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import types
import typing as t

from .checker import Checker
from .directory import LayoutDirectory
from .errors import LayoutError
from .layout import Inspection, Layout
from .stored import StoredContents
from .walk import LAYOUT_VERSION, MAX_NESTING, Walk

if t.TYPE_CHECKING:
    from collections.abc import Callable


def inspect_layout(path: str, *, follow: bool = True, checker: Checker | None = None) -> Inspection:
    """Read an OCI layout directory (image-spec, image-layout.md) and verify size and digest of all that it leads to.

    Goes from index.json through nested indexes (at most 8 deep) to manifests, configs and layers. Nothing outside the
    directory is read; only path itself may be a symbolic link, unless follow is false. What is wrong is found in the
    result, not raised: whether the layout is sound is whether it has no problems. Without a checker, everything is
    verified in this thread.
    """
    return begin_inspection(path, follow=follow, checker=checker or Checker())()


def begin_inspection(
    path: str, *, checker: Checker, follow: bool = True, folder: int | None = None
) -> Callable[[], Inspection]:
    """As inspect_layout, for many layouts one after another: the threads of the checker may still be at work.

    The result waits for them and gives the inspection. With folder, a descriptor of the directory that stays the
    caller's, path is no more than its name.
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
    """As inspect_layout, for those who need a sound layout. Raises the first problem, a LayoutError."""
    inspection = inspect_layout(path)
    if inspection.problems:
        raise inspection.problems[0]
    return inspection.layout


__all__ = ("LAYOUT_VERSION", "MAX_NESTING", "begin_inspection", "inspect_layout", "load_layout")
