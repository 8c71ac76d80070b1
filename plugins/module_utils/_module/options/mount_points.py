# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options mount_points and mount_files, as one value. Called by image/unpack.py."""

from __future__ import annotations

import typing as t

from ..._base.text import visible
from ..._unpack.tree.mount_points import MAX_POINTS, MountPoints, PathRefused, path_of_point
from .ranges import OptionInvalid


def wanted_mount_points(params: t.Mapping[str, t.Any]) -> MountPoints:
    """Return the options mount_points and mount_files. Raises OptionInvalid.

    The order of paths has no meaning, so they are sorted: another order is no change.
    """
    points = MountPoints(_paths(params, "mount_points"), _paths(params, "mount_files"))
    files = frozenset(points.files)
    for option, paths in (("mount_points", points.directories), ("mount_files", points.files)):
        for path in paths:
            file = next((above for above in _ancestors(path) if above in files), None)
            if file is not None:
                raise _error(option, path, f"it is below {visible(file)}, which mount_files has as a file")
    both = files.intersection(points.directories)
    if both:
        raise _error("mount_points", min(both), "mount_files has it too")
    return points


def _paths(params: t.Mapping[str, t.Any], option: str) -> tuple[str, ...]:
    texts = params[option] or ()
    if len(texts) > MAX_POINTS:
        raise OptionInvalid(
            f"The option {option} has {len(texts)} paths: it must have at most {MAX_POINTS}; correct it in the task.",
            option=option,
            maximum=MAX_POINTS,
        )
    return tuple(sorted({_path(text, option=option) for text in texts}))


def _path(text: str, *, option: str) -> str:
    try:
        return path_of_point(text)
    except PathRefused as exc:
        raise _error(option, text, str(exc)) from None


def _ancestors(path: str) -> t.Iterator[str]:
    above = path.rpartition("/")[0]
    while above:
        yield above
        above = above.rpartition("/")[0]


def _error(option: str, text: str, why: str) -> OptionInvalid:
    return OptionInvalid(
        f'The option {option} has "{visible(text)}": {why}; give absolute paths in the tree, such as /proc.',
        option=option,
    )


__all__ = ("wanted_mount_points",)
