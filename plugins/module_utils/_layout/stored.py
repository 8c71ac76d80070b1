# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The verified files of a layout: one file, and a map of very many by their digests.

layout.py and the server's snapshots are made of them.
"""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Mapping

from .._oci.digest import Digest

if t.TYPE_CHECKING:
    import os


# Tuples, because many are in memory: they take a third of the size of objects with dictionaries.
class FileIdentity(t.NamedTuple):
    """The metadata of a file when its content was verified. While it is the same, so is the content."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileIdentity:
        """Return the identity in a result of fstat()."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class StoredContent(t.NamedTuple):
    """A file of a layout with verified size and digest; media_type is that of its descriptor."""

    digest: Digest
    media_type: str
    identity: FileIdentity

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.identity.size

    @property
    def path(self) -> str:
        """The path of the file in the layout (image-spec, image-layout.md)."""
        return f"blobs/{self.digest.algorithm}/{self.digest.encoded}"


class StoredContents(Mapping[Digest, StoredContent]):
    """A map of content by digest.

    Digests are kept as text, which takes half the memory of objects: a map may be very large. raw is the table: digest
    -> (media type, identity).
    """

    def __init__(self) -> None:
        self.raw: dict[str, tuple[str, FileIdentity]] = {}

    def add(self, digest: str, media_type: str, identity: FileIdentity) -> None:
        """Add a file; digest must be valid."""
        self.raw[digest] = (sys.intern(media_type), identity)

    def discard(self, digest: str) -> None:
        """Remove a file, if it is there."""
        self.raw.pop(digest, None)

    def __getitem__(self, key: Digest) -> StoredContent:
        return StoredContent(key, *self.raw[str(key)])

    def __iter__(self) -> t.Iterator[Digest]:
        return map(Digest.parse, self.raw)

    def __len__(self) -> int:
        return len(self.raw)


__all__ = ("FileIdentity", "StoredContent", "StoredContents")
