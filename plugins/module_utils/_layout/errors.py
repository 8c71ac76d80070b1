# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of reading an OCI layout.

write_errors.py has those of writing one. walk.py reports most of them for single files of a layout.
"""

from __future__ import annotations

from .._base.errors import CollectionError


class LayoutError(CollectionError):
    """An OCI layout on disk cannot be used. Fields: path (of the layout), digest (of the invalid content in it)."""

    kind = "layout"


class LayoutInvalid(LayoutError):
    """The path is not a directory, or its file oci-layout is missing or of another version."""

    kind = "layout_invalid"


class IndexMissing(LayoutError):
    """index.json, or an index that another document refers to, is missing."""

    kind = "index_missing"


class ManifestMissing(LayoutError):
    """A manifest that an index refers to is missing."""

    kind = "manifest_missing"


class ConfigMissing(LayoutError):
    """The config that a manifest refers to is missing."""

    kind = "config_missing"


class BlobMissing(LayoutError):
    """A layer, or other content that a document refers to, is missing."""

    kind = "blob_missing"


class WrongSize(LayoutError):
    """A file does not have the size that a descriptor states. Fields: expected, actual."""

    kind = "wrong_size"


class WrongDigest(LayoutError):
    """A file does not have the digest in its name. Fields: expected, actual."""

    kind = "wrong_digest"


class FileRefused(LayoutError):
    """A name in the layout is a symbolic link, which is not followed, or not of the expected type."""

    kind = "file_refused"


class DocumentRefused(LayoutError):
    """index.json, an index or a manifest is malformed, or indexes are nested too deeply."""

    kind = "document_invalid"


class Unreadable(LayoutError):
    """The operating system refused to read a file, or the file changed while it was read."""

    kind = "unreadable"


__all__ = (
    "BlobMissing",
    "ConfigMissing",
    "DocumentRefused",
    "FileRefused",
    "IndexMissing",
    "LayoutError",
    "LayoutInvalid",
    "ManifestMissing",
    "Unreadable",
    "WrongDigest",
    "WrongSize",
)
