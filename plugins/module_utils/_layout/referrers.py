# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Describe a document with a subject as the referrers API lists it: distribution-spec, "Listing Referrers".

walk.py calls this.
"""

from __future__ import annotations

import typing as t

from .._oci.descriptor import Descriptor
from .._oci.manifest import Manifest

if t.TYPE_CHECKING:
    from .._oci.index import Index


def as_referrer(document: Manifest | Index, descriptor: Descriptor) -> Descriptor:
    """Return the descriptor of a document in the list of its subject's referrers.

    descriptor is one that led to the document. The artifact type is that of the document, or else the media type of its
    config, even if that is the config of an image; an index may have none. The annotations are those of the document.
    """
    artifact_type = document.artifact_type
    if artifact_type is None and isinstance(document, Manifest):
        artifact_type = document.config.media_type or None
    return Descriptor(
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size=descriptor.size,
        annotations=document.annotations,
        artifact_type=artifact_type,
    )


__all__ = ("as_referrer",)
