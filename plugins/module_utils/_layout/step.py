# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""One step of a walk through a layout: a descriptor, and the document that refers to it.

walk.py makes the steps.
"""

from __future__ import annotations

import typing as t

from .._oci.media_type import is_index, is_manifest
from .errors import BlobMissing, ConfigMissing, IndexMissing, ManifestMissing, WrongSize

if t.TYPE_CHECKING:
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .errors import LayoutError
    from .stored import FileIdentity

COPY_AGAIN: t.Final = "copy the image into the layout again"


class Step(t.NamedTuple):
    """A descriptor in a layout: which document refers to it, in which role, and how many indexes are above it.

    parent is the index that this is an entry of, None for index.json.
    """

    descriptor: Descriptor
    role: t.Literal["entry", "config", "layer"]
    referrer: str
    depth: int
    optional: bool = False
    parent: Digest | None = None

    @property
    def is_document(self) -> bool:
        """Whether this is a manifest or an index, which refers to other content."""
        kind = self.descriptor.media_type
        return self.role == "entry" and (is_manifest(kind) or is_index(kind))

    @property
    def is_subject(self) -> bool:
        """Whether this is a subject. It may be missing, and whoever refers to it may describe it as anything."""
        return self.role == "entry" and self.optional

    @property
    def what(self) -> str:
        """The name of the content in messages."""
        return f"the {self._noun} {self.descriptor.digest}"

    def missing(self) -> LayoutError:
        """Return the error for missing content."""
        kinds = {"index": IndexMissing, "manifest": ManifestMissing, "config": ConfigMissing}
        return kinds.get(self._noun, BlobMissing)(
            f"Reading the layout failed: {self.what}, which {self.referrer} refers to, is not there; {COPY_AGAIN}."
        )

    def check_size(self, identity: FileIdentity) -> None:
        """Raise WrongSize unless the file has the size that the descriptor states."""
        stated, actual = self.descriptor.size, identity.size
        if stated != actual:
            raise WrongSize(
                f"The size of {self.what} is {actual} bytes, and {self.referrer} states {stated}; {COPY_AGAIN}.",
                expected=stated,
                actual=actual,
            )

    @property
    def _noun(self) -> str:
        if self.role != "entry":
            return self.role
        if is_index(self.descriptor.media_type):
            return "index"
        return "manifest" if is_manifest(self.descriptor.media_type) else "blob"


__all__ = ("COPY_AGAIN", "Step")
