# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Places in a tree where something will be mounted, and which paths they can have.

A tree that lacks them changes when a runtime or systemd makes them. The options mount_points and mount_files name them
(_module/options/mount_points.py), and the volumes of an image are some; make_mount_points.py makes what is missing.
"""

from __future__ import annotations

import posixpath
import typing as t
from dataclasses import dataclass

from ..._base.text import Warn, quote
from ..limits import PATH_BYTES

# The most places of one kind.
MAX_POINTS: t.Final = 1000
# systemd makes links of these names in a root directory that has the directories in /usr (base-filesystem.c). The same
# happens to mount points of these names.
MERGED_USR: t.Final = (b"/bin", b"/lib", b"/sbin")
_NAME_BYTES: t.Final = 255
# How many volumes are warned of one by one: an image can have many.
_WARNINGS: t.Final = 10


@dataclass(frozen=True)
class MountPoints:
    """The directories and the files that a tree has in addition to those of its image, as absolute paths in it."""

    directories: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class PathRefused(ValueError):
    """A path cannot be that of a mount point; the message is the reason, as part of a sentence."""


class VolumeWarnings:
    """Warns of the first volumes that get no directory; close() warns of the number of the others."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._count = 0

    def add(self, sentence: str) -> None:
        """Warn of one volume."""
        self._count += 1
        if self._count <= _WARNINGS:
            self._warn(sentence)

    def close(self) -> None:
        """Warn of those that were too many for a warning of their own."""
        more = self._count - _WARNINGS
        if more > 0:
            self._warn(f"{more} more volumes of the image get no directory in the tree, for such reasons.")


def path_of_point(text: str) -> str:
    """Return a path in a tree in its shortest form. Raises PathRefused."""
    names = [name for name in text.split("/") if name not in ("", ".")]
    path = "/" + "/".join(names)
    fault = None
    if not text.startswith("/"):
        fault = "it does not begin with /"
    elif not names:
        fault = "it is the root of the tree, which always exists"
    elif ".." in names:
        fault = "it has .."
    else:
        fault = _fault_of_bytes(path)
    if fault is not None:
        raise PathRefused(fault)
    return path


def _fault_of_bytes(path: str) -> str | None:
    try:
        encoded = path.encode("utf-8")
    except UnicodeEncodeError:
        return "it has bytes that are not UTF-8"
    if b"\0" in encoded:
        return "it has a NUL character"
    if len(encoded) > PATH_BYTES or max(map(len, encoded.split(b"/"))) > _NAME_BYTES:
        return f"it is longer than {PATH_BYTES} bytes, or a name in it is longer than {_NAME_BYTES}"
    return None


def paths_of_volumes(names: t.Collection[str], *, warn: Warn) -> tuple[str, ...]:
    """Return the places of the volumes that an image names, sorted. As at run time, .. ends at the root. Total.

    warn is called for each volume that is left out, because its path cannot be used.
    """
    if len(names) > MAX_POINTS:
        warn(f"The image has {len(names)} volumes, more than {MAX_POINTS}, so the tree gets no directories for them.")
        return ()
    paths, warnings = set(), VolumeWarnings(warn)
    for name in names:
        path = posixpath.normpath("/" + name.lstrip("/"))
        if path == "/":
            continue
        try:
            paths.add(path_of_point(path))
        except PathRefused as exc:
            warnings.add(f"The volume {quote(name)} of the image gets no directory in the tree: {exc}.")
    warnings.close()
    return tuple(sorted(paths))


__all__ = (
    "MAX_POINTS",
    "MERGED_USR",
    "MountPoints",
    "PathRefused",
    "VolumeWarnings",
    "path_of_point",
    "paths_of_volumes",
)
