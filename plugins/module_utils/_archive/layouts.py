# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Images in an OCI layout: image-spec, image-layout.md, in a directory or in a tar archive.

opening.py makes one of these for a path.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .._base.text import visible
from .._layout.errors import BlobMissing, IndexMissing, LayoutInvalid
from .._layout.index_file import IndexFile
from .._layout.version import check_version
from .._oci.annotations import REF_NAME
from .content import Content, FileRange, read_all
from .entries import StoredImage

if t.TYPE_CHECKING:
    from .._layout.directory import LayoutDirectory
    from .._oci.digest import Digest
    from .tar_file import TarFile

# The full name of an image in the entries of containerd and of docker from version 25 on.
IMAGE_NAME: t.Final = "io.containerd.image.name"

_TopName = t.Literal["index.json", "oci-layout"]


class ImageFiles(t.Protocol):
    """The images in a file or directory, and their content. Threads may read it at the same time."""

    path: str
    images: tuple[StoredImage, ...]

    def opened(self, digest: Digest) -> t.ContextManager[Content]:
        """Open the content with this digest, without verifying it. Raises BlobMissing, LayoutError."""


class LayoutArchive:
    """The images in a tar archive of a layout. Raises LayoutError."""

    def __init__(self, archive: TarFile) -> None:
        self.path = archive.path
        self._archive = archive
        self.index = _read_index(self.path, archive.file("oci-layout"), archive.file("index.json"))
        self.images = _list_images(self.index)

    @property
    def listing(self) -> Content | None:
        """The manifest.json beside index.json, which docker reads, None if there is none. Raises ArchiveInvalid."""
        return self._archive.file("manifest.json")

    @contextlib.contextmanager
    def opened(self, digest: Digest) -> t.Iterator[Content]:
        """See ImageFiles."""
        content = self._archive.file(blob_path(digest))
        if content is None:
            raise missing_error(self.path, digest)
        yield content


class LayoutFolder:
    """The images in the directory of a layout. Raises LayoutError."""

    def __init__(self, directory: LayoutDirectory) -> None:
        self.path = directory.path
        self._directory = directory
        with self._opened_top("oci-layout") as version, self._opened_top("index.json") as index:
            self.images = _list_images(_read_index(self.path, version, index))

    @contextlib.contextmanager
    def opened(self, digest: Digest) -> t.Iterator[Content]:
        """See ImageFiles."""
        file = self._directory.open_blob(digest)
        if file is None:
            raise missing_error(self.path, digest)
        try:
            yield FileRange(file.fd, 0, file.identity.size, self.path)
        finally:
            os.close(file.fd)

    @contextlib.contextmanager
    def _opened_top(self, name: _TopName) -> t.Iterator[Content | None]:
        file = self._directory.open_top(name)
        if file is None:
            yield None
            return
        try:
            yield FileRange(file.fd, 0, file.identity.size, self.path)
        finally:
            os.close(file.fd)


def blob_path(digest: Digest) -> str:
    """Return the path of content in a layout."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def missing_error(path: str, digest: Digest) -> BlobMissing:
    """Return the error for content that is not there; the caller raises it."""
    return BlobMissing(
        f"Reading {visible(path)} failed: {digest} is not there; save or copy the image again.",
        path=visible(path),
        digest=str(digest),
    )


def _read_index(path: str, version: Content | None, index: Content | None) -> IndexFile:
    if version is None:
        raise LayoutInvalid(
            f"Reading {visible(path)} failed: it has no file oci-layout, so it is not an OCI layout; check the path.",
            path=visible(path),
        )
    check_version(read_all(version, what="oci-layout"), use="read", path=path)
    if index is None:
        raise IndexMissing(f"Reading {visible(path)} failed: there is no file index.json; copy the image again.")
    return IndexFile.parse(read_all(index, what="index.json"))


def _list_images(index: IndexFile) -> tuple[StoredImage, ...]:
    descriptors = [entry.descriptor for entry in index.entries]
    return tuple(StoredImage(item, _names(item.annotations)) for item in descriptors)


def _names(annotations: t.Mapping[str, str]) -> tuple[str, ...]:
    return tuple(annotations[key] for key in (REF_NAME, IMAGE_NAME) if key in annotations)


__all__ = ("IMAGE_NAME", "ImageFiles", "LayoutArchive", "LayoutFolder", "blob_path", "missing_error")
