# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

from .._base.errors import CollectionError


class LayoutError(CollectionError):
    """An OCI layout on disk cannot be used as it is. Fields: path (of the layout), digest (of what is wrong in it)."""

    kind = "layout"


class LayoutInvalid(LayoutError):
    """The directory is not an OCI layout that this collection reads: no directory, no or another oci-layout file."""

    kind = "layout_invalid"


class IndexMissing(LayoutError):
    """index.json, or an index that another document refers to, is not there."""

    kind = "index_missing"


class ManifestMissing(LayoutError):
    """A manifest that an index refers to is not there."""

    kind = "manifest_missing"


class ConfigMissing(LayoutError):
    """The config that a manifest refers to is not there."""

    kind = "config_missing"


class BlobMissing(LayoutError):
    """A layer, or other content that a document refers to, is not there."""

    kind = "blob_missing"


class WrongSize(LayoutError):
    """A file does not have the size that a descriptor states. Fields: expected, actual."""

    kind = "wrong_size"


class WrongDigest(LayoutError):
    """A file does not have the digest that it is named by. Fields: expected, actual."""

    kind = "wrong_digest"


class FileRefused(LayoutError):
    """A name in the layout is a symbolic link or otherwise no regular file; it is not followed."""

    kind = "file_refused"


class DocumentRefused(LayoutError):
    """index.json, an index or a manifest breaks its specification, or indexes are nested too deeply."""

    kind = "document_invalid"


class Unreadable(LayoutError):
    """The operating system refused to read a file, or the file changed meanwhile."""

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
