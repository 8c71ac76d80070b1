# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""One member of a tar archive as a value.

reader.py makes entries, changeset.py applies them.
"""

from __future__ import annotations

import typing as t

Kind = t.Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo"]


class Region(t.NamedTuple):
    """A region of a sparse file that has data: its offset in the file and its length, in bytes."""

    offset: int
    length: int


class Sparse(t.NamedTuple):
    """The map of a sparse file: its regions, in order, and its whole size with all holes, in bytes."""

    regions: tuple[Region, ...]
    size: int


class Entry(t.NamedTuple):
    """One member of a tar archive with all its extension headers applied.

    A named tuple, not a data class: each image has tens of thousands. path and target are raw bytes as in the archive;
    size is the number of content bytes that follow in the archive; mtime is in nanoseconds since the epoch; device is
    (major, minor); xattrs are raw.
    """

    path: bytes
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: bytes
    device: tuple[int, int]
    xattrs: t.Mapping[str, bytes]
    sparse: Sparse | None


__all__ = ("Entry", "Kind", "Region", "Sparse")
