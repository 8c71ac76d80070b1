# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The tags of a layout: the annotation org.opencontainers.image.ref.name in index.json (image-spec, annotations.md).

walk.py and index_file.py read them.
"""

from __future__ import annotations

import re
import typing as t

from .._base.text import quote
from .._oci.annotations import REF_NAME
from .._oci.errors import ReferenceInvalid
from .._oci.media_type import is_index, is_manifest
from .._oci.names import is_tag
from .._oci.reference import Reference

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .._oci.index import Index


# What clients attach to an image by a tag: cosign, and the index of the referrers tag schema (distribution-spec).
_ATTACHED: t.Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64,}(?:\.(?:sig|att|sbom))?")


def is_attached_tag(tag: str) -> bool:
    """Tell whether a tag is one by which clients attach something to an image, such as sha256-HEX.sig."""
    return _ATTACHED.fullmatch(tag) is not None


def tag_of(name: str) -> str | None:
    """Return the tag in the value of an org.opencontainers.image.ref.name annotation, None if it has none.

    Tools write a tag, or a full reference, whose tag is used; image-spec leaves the value open.
    """
    if is_tag(name):
        return name
    try:
        return Reference.parse(name, default_tag=None).tag
    except ReferenceInvalid:
        return None


def read_tags(index: Index) -> tuple[dict[str, Digest], tuple[str, ...]]:
    """Return the tags in index.json (image-spec, image-layout.md), and a warning for each one that is ignored.

    If a tag is given twice, the last one counts. Only manifests and indexes can be tagged.
    """
    tags: dict[str, Digest] = {}
    warnings = []
    for descriptor in index.manifests:
        digest = descriptor.digest
        name = descriptor.annotations.get(REF_NAME)
        if name is None:
            continue
        tag = tag_of(name)
        if tag is None:
            warnings.append(f"index.json names {digest} {quote(name)}, which has no tag; it stays untagged.")
        elif not (is_manifest(descriptor.media_type) or is_index(descriptor.media_type)):
            warnings.append(
                f"index.json gives the tag {tag} to content of the type {quote(descriptor.media_type)}; "
                "only manifests and indexes can be tagged, so the tag is ignored."
            )
        else:
            if tags.get(tag, digest) != digest:
                warnings.append(f"index.json gives the tag {tag} more than once; the last, {digest}, counts.")
            tags[tag] = digest
    return tags, tuple(warnings)


__all__ = ("is_attached_tag", "read_tags", "tag_of")
