# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of reading and writing an OCI layout.

walk.py reports most of those of reading for single files of a layout; lock.py, store.py, partial.py, blob_cache.py and
view.py raise those of writing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from .._base.errors import FULL, CollectionError, errno_name, errno_remedy
from .._base.text import visible

_REMEDIES: t.Final = {
    errno.ELOOP: "it is a symbolic link, and links are not followed; put the content itself in its place",
    errno.ENOTDIR: "a link or a file stands where a directory should; put the directory itself in its place",
    errno.EBADF: "the file system cannot lock a file; mount NFS with local_lock=flock, or use another one",
    errno.EXDEV: "all of a layout must be on one file system, so move what is mounted inside of it",
}


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


class NotALayout(LayoutError):
    """The directory holds something else than a layout. Fields: path."""

    kind = "destination"


class NotACache(LayoutError):
    """The directory cannot be a cache: others can change it, or it holds something else. Fields: path."""

    kind = "destination"


class Locked(LayoutError):
    """Another run holds the lock of the layout. Fields: path."""

    kind = "locked"


class WriteFailed(LayoutError):
    """The operating system refused to write to the layout. Fields: path, errno (its symbolic name)."""

    kind = "filesystem"


class NoSpace(WriteFailed):
    """The file system of the layout or the quota is full."""

    kind = "no_space"


@contextlib.contextmanager
def write_errors(doing: str, path: str) -> t.Iterator[None]:
    """Raise every OSError of the block as WriteFailed or NoSpace; doing is the action in the continuous form."""
    try:
        yield
    except OSError as exc:
        number = exc.errno or 0
        remedy, shown = errno_remedy(number, _REMEDIES), visible(path)
        kind = NoSpace if number in FULL else WriteFailed
        message = f"{doing} {shown} failed: {os.strerror(number)}; {remedy}."
        raise kind(message, path=shown, errno=errno_name(number)) from exc


__all__ = (
    "BlobMissing",
    "ConfigMissing",
    "DocumentRefused",
    "FileRefused",
    "IndexMissing",
    "LayoutError",
    "LayoutInvalid",
    "Locked",
    "ManifestMissing",
    "NoSpace",
    "NotACache",
    "NotALayout",
    "Unreadable",
    "WriteFailed",
    "WrongDigest",
    "WrongSize",
    "write_errors",
)
