# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What an image to copy consists of, as image.py and collect.py find it and run.py writes it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..layout.contents import ImageFile


@dataclass(frozen=True)
class ImageDocument:
    """A manifest or index, with the bytes that its digest covers."""

    digest: Digest
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class CopiedReferrer:
    """A manifest that refers to the image or to a part of it: its entry in the list of referrers of its subject."""

    entry: Descriptor
    subject: Digest


@dataclass(frozen=True)
class CopiedImage:
    """An image to copy. The last of documents is the image itself; before each one are those that it refers to.

    left_out are the layers outside of the registry, which the target does not need either. referrers are among the
    documents, too.
    """

    documents: tuple[ImageDocument, ...]
    blobs: tuple[ImageFile, ...]
    left_out: tuple[Descriptor, ...]
    referrers: tuple[CopiedReferrer, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of the image."""
        return self.documents[-1].digest


__all__ = ("CopiedImage", "CopiedReferrer", "ImageDocument")
