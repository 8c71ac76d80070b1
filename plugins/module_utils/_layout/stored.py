# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import sys
import typing as t
from collections.abc import Mapping

from .._oci.digest import Digest
from .layout import StoredContent

if t.TYPE_CHECKING:
    from .layout import Identity


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


__all__ = ("StoredContents",)
