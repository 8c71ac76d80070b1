# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The verified files of a layout: one, and very many by their digests. layout.py describes the layout with them."""

from __future__ import annotations

import sys
import typing as t
from collections.abc import Mapping

from .._oci.digest import Digest

if t.TYPE_CHECKING:
    import os


# tuples, because there are many of them in memory: a third of the size of objects with dictionaries
class Identity(t.NamedTuple):
    """What a file looked like when its content was verified. As long as it looks the same, so is its content."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Identity:
        """The identity in the answer of fstat."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class StoredContent(t.NamedTuple):
    """A file of a layout whose size and digest have been verified; media_type is what the descriptor of it says."""

    digest: Digest
    media_type: str
    identity: Identity

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.identity.size

    @property
    def path(self) -> str:
        """Where the file is, seen from the layout (image-spec, image-layout.md)."""
        return f"blobs/{self.digest.algorithm}/{self.digest.encoded}"


class StoredContents(Mapping[Digest, StoredContent]):
    """Content by digest. Keeps the digests as text, because there can be very many: objects would take twice the room.

    raw has what is kept: digest -> (media type, identity).
    """

    def __init__(self) -> None:
        self.raw: dict[str, tuple[str, Identity]] = {}

    def add(self, digest: str, media_type: str, identity: Identity) -> None:
        """Take in a file; digest must be valid."""
        self.raw[digest] = (sys.intern(media_type), identity)

    def discard(self, digest: str) -> None:
        """Leave a file out, if it is there."""
        self.raw.pop(digest, None)

    def __getitem__(self, key: Digest) -> StoredContent:
        return StoredContent(key, *self.raw[str(key)])

    def __iter__(self) -> t.Iterator[Digest]:
        return map(Digest.parse, self.raw)

    def __len__(self) -> int:
        return len(self.raw)


__all__ = ("Identity", "StoredContent", "StoredContents")
