# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass

from .._oci.digest import Digest
from .._oci.errors import CollectionError, OciError
from .._oci.text import path_text
from .._unpack.errors import Locked, filesystem_error, printable
from .locking import lock

if t.TYPE_CHECKING:
    from .sources import Source

_PIECE: t.Final = 1024 * 1024
_LOCK_SECONDS: t.Final = 60.0
_OPEN_PARTIAL: t.Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Move = t.Callable[[str, str], None]


class BlobFileError(CollectionError):
    """The destination of a blob, or the file of an unfinished download, cannot be used; field C(path)."""

    kind = "destination"


@dataclass(frozen=True)
class Content:
    """What a file holds."""

    digest: Digest
    size: int


@dataclass(frozen=True)
class Download:
    """What a download did: the size of the blob, and how much of it was there from an earlier one."""

    size: int
    resumed_from: int


class BlobFile:
    """A file that is to hold the blob with a certain digest, and beside it what there is of an unfinished download.

    The file appears in one step, when all of it has been verified. Raises BlobFileError for a destination that cannot
    be a file.
    """

    def __init__(self, path: str, digest: Digest) -> None:
        self.path = path
        self.digest = digest
        self._begun = 0
        directory, name = os.path.split(path)
        self.partial = os.path.join(directory, f".oci_blob.{digest.algorithm}-{digest.encoded}")
        if not name or os.path.isdir(path):
            raise self._refusal("it is a directory", "give the path of a file in it")
        if not os.path.isdir(directory or "."):
            raise self._refusal(f"there is no directory {printable(directory)}", "create it first")

    def content(self) -> t.Optional[Content]:
        """Returns what the file holds, None if there is no file. Raises BlobFileError, FilesystemError."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise self._refusal("it is there and is not a file", "give another path")
                hasher = self.digest.new_hash()
                size = _hash(file.fileno(), hasher)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise filesystem_error(error, doing="reading", path=self.path) from error
        return Content(Digest(self.digest.algorithm, hasher.hexdigest()), size)

    def download(self, source: Source, repository: str, *, move: Move) -> Download:
        """Downloads the blob, carrying on with what is there of it, and moves it to its place with C(move).

        What came is kept if the connection fails, and thrown away if it is wrong; if a beginning from earlier turns out
        wrong, the download starts again. Raises what Source.blob raises, Locked, BlobFileError, FilesystemError.
        """
        with self._opened_partial() as descriptor:
            try:
                done = self._fill(descriptor, source, repository)
            except BaseException as error:
                if (
                    not isinstance(error, CollectionError)
                    or isinstance(error, OciError)
                    or not os.fstat(descriptor).st_size
                ):
                    os.unlink(self.partial)
                raise
            move(self.partial, self.path)
        return done

    def _fill(self, descriptor: int, source: Source, repository: str) -> Download:
        try:
            return self._carry_on(descriptor, source, repository)
        except OciError:
            if not self._begun:
                raise
        os.ftruncate(descriptor, 0)
        return self._carry_on(descriptor, source, repository)

    def _carry_on(self, descriptor: int, source: Source, repository: str) -> Download:
        hasher = self.digest.new_hash()
        self._begun = _hash(descriptor, hasher)
        with source.blob(repository, self.digest, offset=self._begun, digest_state=hasher) as stream:
            self._write(descriptor, stream)
        return Download(os.fstat(descriptor).st_size, self._begun)

    def _write(self, descriptor: int, pieces: t.Iterable[bytes]) -> None:
        for piece in pieces:
            try:
                _write_all(descriptor, piece)
            except OSError as error:
                os.ftruncate(descriptor, 0)
                raise filesystem_error(error, doing="writing the blob beside", path=self.path) from error
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise filesystem_error(error, doing="writing the blob beside", path=self.path) from error

    @contextlib.contextmanager
    def _opened_partial(self) -> t.Iterator[int]:
        descriptor = self._open_partial()
        while not self._is_partial(
            descriptor
        ):  # somebody else finished the download while this one waited for the lock
            os.close(descriptor)
            descriptor = self._open_partial()
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_partial(self) -> int:
        try:
            descriptor = os.open(self.partial, _OPEN_PARTIAL, 0o600)
        except OSError as error:
            raise filesystem_error(error, doing="opening the unfinished download", path=self.partial) from error
        try:
            self._check_partial(descriptor)
            if not lock(descriptor, timeout=_LOCK_SECONDS):
                raise Locked(
                    f"While downloading {self.digest}: another task has been at it in {printable(self.partial)} for"
                    f" {_LOCK_SECONDS:g} seconds; run the task again when that one is done.",
                    path=printable(self.partial),
                )
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _check_partial(self, descriptor: int) -> None:
        """Whoever else owned the file, or had another name for it, could change it after it was verified."""
        status = os.fstat(descriptor)
        private = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
        if not stat.S_ISREG(status.st_mode) or not private or status.st_nlink > 1:
            shown = printable(self.partial)
            raise BlobFileError(
                f"The unfinished download {shown} cannot be used: it is not a private file of this user; remove it.",
                path=shown,
            )

    def _is_partial(self, descriptor: int) -> bool:
        try:
            there = os.stat(self.partial, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))

    def _refusal(self, why: str, remedy: str) -> BlobFileError:
        shown = printable(self.path)
        return BlobFileError(f"The blob cannot be written to {shown}: {why}; {remedy}.", path=shown)


def blob_diff(path: str, *, before: t.Optional[Content], after: Content) -> dict[str, t.Any]:
    """Returns the diff of a file that is to hold a blob."""
    return {
        "before_header": path_text(path),
        "after_header": path_text(path),
        "before": {"digest": None} if before is None else {"digest": str(before.digest), "size": before.size},
        "after": {"digest": str(after.digest), "size": after.size},
    }


def blob_size(source: Source, repository: str, digest: Digest) -> int:
    """Returns the size of a blob that the registry has. Raises NotFound, and what Source.head_blob raises."""
    size = source.head_blob(repository, digest)
    if size is None:
        from .._registry.errors import NotFound

        raise NotFound(
            f"The registry {source.name} has no blob {digest} in {repository}; check the digest and the repository.",
            registry=source.name,
            repository=repository,
            reference=str(digest),
        )
    return size


def _hash(descriptor: int, hasher: t.Any) -> int:
    """Hashes a file from its start and leaves the position at its end; returns its size. Raises OSError."""
    size = os.lseek(descriptor, 0, os.SEEK_SET)
    while True:
        piece = os.read(descriptor, _PIECE)
        if not piece:
            return size
        hasher.update(piece)
        size += len(piece)


def _write_all(descriptor: int, piece: bytes) -> None:
    written = 0
    while written < len(piece):
        written += os.write(descriptor, memoryview(piece)[written:])


__all__ = ("BlobFile", "BlobFileError", "Content", "Download", "blob_diff", "blob_size")
