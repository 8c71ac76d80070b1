# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The archive that is at the destination of oci_archive before the task: its images, or why it is not one.

_module/archive/run.py plans with it, as oci_layout does with a LayoutView.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import typing as t
from dataclasses import dataclass

from .._base.strict_json import MAX_BYTES
from .._base.text import visible
from .._layout.errors import LayoutError, Unreadable, write_errors
from .._layout.index_file import IndexFile
from .._oci.digest import Verifier
from .._oci.errors import OciError
from .._unpack.errors import UnpackError
from .._unpack.pipeline.decompress import CompressedInput, decompress, detect
from .content import FileRange, read_all, read_at
from .entries import main_images
from .errors import ArchiveRefused, ArchiveTooLarge
from .layouts import LayoutArchive
from .opening import open_archive
from .tar_header import BLOCK

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .layouts import ImageFiles

# Without O_NONBLOCK, opening a fifo would wait for a writer.
_FLAGS: t.Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_HEAD: t.Final = 16
_MAGIC: t.Final = (b"ustar", 257)
# The name of the first member of an archive of images that another tool or this collection wrote.
_FIRST_NAME: t.Final = re.compile(
    rb"(?:\./)?(?:blobs(?:/.*)?|oci-layout|index\.json|manifest\.json|repositories|[0-9a-f]{64}(?:/.*|\.json|\.tar)?)"
)


@dataclass(frozen=True)
class ArchiveSummary:
    """An archive in a diff: the digest of its image, None if it has several; all are None if there is no archive.

    attached are the digests of what is attached to the image.
    """

    digest: str | None
    names: list[str]
    form: str | None
    compression: str | None
    attached: tuple[str, ...] = ()


class ExistingArchive:
    """The present file at the destination. It has the interface of a LayoutView; nothing is changed.

    compression is that of the file, None if there is none. listing has the bytes of manifest.json beside index.json.
    damage says why the file, which is an archive of images, cannot be read as one.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.index = IndexFile.empty()
        self.compression: str | None = None
        self.listing: bytes | None = None
        self.damage: str | None = None
        self._files: ImageFiles | None = None

    @property
    def summary(self) -> ArchiveSummary:
        """The archive in a diff."""
        if self._files is None:
            return ArchiveSummary(None, [], None, None)
        images = main_images(self._files.images)
        digest = str(images[0].descriptor.digest) if len(images) == 1 else None
        names = sorted({name for image in images for name in image.names})
        others = {str(image.descriptor.digest) for image in self._files.images if image not in images}
        is_oci = isinstance(self._files, LayoutArchive) and self.listing is None
        return ArchiveSummary(digest, names, "oci" if is_oci else "docker", self.compression, tuple(sorted(others)))

    def size_of(self, digest: Digest) -> int | None:
        """Return the size of the content with this digest, None if it is not there or cannot be read."""
        if self._files is None:
            return None
        try:
            with self._files.opened(digest) as content:
                return content.size
        except LayoutError:
            return None

    def is_right(self, digest: Digest) -> bool:
        """Return whether there is content with this digest; read all of it."""
        size = self.size_of(digest)
        if size is None:
            return False
        try:
            with self.opened(digest, size) as pieces:
                for dummy in pieces:
                    pass
        except (LayoutError, OciError):
            return False
        return True

    def document(self, digest: Digest) -> bytes | None:
        """Return the verified bytes of a document; None if it is missing, wrong, or above 4 MiB."""
        size = self.size_of(digest)
        if size is None or size > MAX_BYTES:
            return None
        try:
            with self.opened(digest, size) as pieces:
                return b"".join(pieces)
        except (LayoutError, OciError):
            return None

    @contextlib.contextmanager
    def opened(self, digest: Digest, size: int) -> t.Iterator[t.Iterator[bytes]]:
        """Yield an iterator over the bytes of content that is there, which raises OciError if they are wrong."""
        with t.cast("ImageFiles", self._files).opened(digest) as content:
            yield _verified(content.pieces(), Verifier(digest, size, what=f"{digest} in {visible(self.path)}"))

    def read(self, fd: int, folder: t.Callable[[], str], stack: contextlib.ExitStack) -> None:
        """Read the archive in the open file. Raises LayoutError if it cannot be one."""
        self.compression = detect(read_at(fd, 0, _HEAD, path=self.path))
        files = open_archive(fd, self.path, folder, stack)
        self._files = files
        if isinstance(files, LayoutArchive):
            self.index = files.index
            listing = files.listing
            self.listing = None if listing is None else read_all(listing, what="manifest.json")


@contextlib.contextmanager
def opened_existing(
    path: str, directory: int | None, *, folder: t.Callable[[], str], force: bool
) -> t.Iterator[ExistingArchive]:
    """Yield the archive at path, which is in the open directory; None for a directory that does not exist.

    A file that cannot be an archive of images is refused, unless force is set. folder returns a private directory, in
    which a compressed archive is decompressed. Raises ArchiveRefused, ArchiveTooLarge, Unreadable, WriteFailed,
    CompressionUnavailable.
    """
    with contextlib.ExitStack() as stack:
        fd = None if directory is None else open_present(path, directory, stack)
        yield ExistingArchive(path) if fd is None else _read(path, fd, folder, stack, force=force)


def open_present(path: str, directory: int, stack: contextlib.ExitStack) -> int | None:
    """Return the open file at path, which is in the open directory, None if there is none; stack closes it.

    Raises ArchiveRefused if it is not a regular file, WriteFailed.
    """
    name = os.path.basename(path)
    with write_errors("Reading the archive", path), contextlib.suppress(FileNotFoundError):
        # before open(), because opening a device can have effects
        _check_regular(path, os.stat(name, dir_fd=directory))
        fd = os.open(name, _FLAGS, dir_fd=directory)
        stack.callback(os.close, fd)
        _check_regular(path, os.fstat(fd))
        return fd
    return None


def _check_regular(path: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise refusal_error(path, "it is a directory", "give the path of a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise refusal_error(path, "it exists and is not a regular file", "give another path")


def _read(
    path: str, fd: int, folder: t.Callable[[], str], stack: contextlib.ExitStack, *, force: bool
) -> ExistingArchive:
    archive = ExistingArchive(path)
    if os.fstat(fd).st_size == 0:
        return archive
    first = _first_name(path, fd)
    try:
        if first is None:
            raise refusal_error(path, "it is not a tar archive", "")
        archive.read(fd, folder, stack)
    except (ArchiveTooLarge, Unreadable):
        raise
    except LayoutError as exc:
        archive = ExistingArchive(path)
        if first is not None and _FIRST_NAME.fullmatch(first):
            archive.damage = exc.message
        elif not force:
            why = "it exists and is not an archive of images"
            raise refusal_error(path, why, "give another path, remove it, or set force to replace it") from None
    return archive


def _first_name(path: str, fd: int) -> bytes | None:
    """Return the name of the first member of a tar archive, compressed or not; None if it is no tar archive."""
    source = CompressedInput(FileRange(fd, 0, os.fstat(fd).st_size, path).pieces())
    head = b""
    try:
        for piece in decompress(source, declared=None, warn=lambda dummy: None):
            head += piece
            if len(head) >= BLOCK:
                break
    except UnpackError as exc:
        if exc.kind == "dependency_missing":
            raise
        return None
    magic, position = _MAGIC
    if not head.startswith(magic, position):
        return None
    return head[:100].partition(b"\0")[0]


def _verified(pieces: t.Iterator[bytes], verifier: Verifier) -> t.Iterator[bytes]:
    for piece in pieces:
        verifier.update(piece)
        yield piece
    verifier.finish()


def refusal_error(path: str, why: str, remedy: str) -> ArchiveRefused:
    """Return the error for a destination that cannot be used."""
    shown = visible(path)
    return ArchiveRefused(f"The archive cannot be written to {shown}: {why}; {remedy}.", path=shown)


__all__ = ("ArchiveSummary", "ExistingArchive", "open_present", "opened_existing", "refusal_error")
