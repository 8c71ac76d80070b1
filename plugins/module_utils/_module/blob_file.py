# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A file with the content of a blob: verified, downloaded with resumption, and replaced atomically.

Called by blob_results.py, manifest.py, artifact/run.py, runtime/file.py and oci_blob.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import typing as t
from dataclasses import dataclass

from .._base.errors import CollectionError
from .._base.lock_file import is_private, lock
from .._base.parents import Parents, risk_warning
from .._base.text import visible
from .._oci.digest import Digest
from .._oci.errors import OciError
from .._unpack.errors import Locked, filesystem_error
from .._unpack.tree.reach import inside
from .opened_again import opened_again
from .replaced_file import take_attributes

if t.TYPE_CHECKING:
    from .registry.sources import Stream

_PIECE: t.Final = 1024 * 1024
_LOCK_SECONDS: t.Final = 60.0
_OPEN: t.Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE: t.Final = _OPEN | os.O_CREAT | os.O_EXCL

# Opens the verified bytes from an offset on, given the hash object of those before.
OpenStream = t.Callable[[int, t.Any], "Stream"]
# Called with a relative path of the complete file before it is renamed, to set attributes that rename keeps.
Prepare = t.Callable[[str], None]


class BlobFileError(CollectionError):
    """The destination, or the file of an unfinished download, is unusable; field path."""

    kind = "destination"


@dataclass(frozen=True)
class Content:
    """The content of a file: its digest, and its size in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True)
class Download:
    """The outcome of a download: the size of the content, and how many bytes an earlier, interrupted download left.

    changed is False if another task put the content in place while this one waited for the lock.
    """

    size: int
    resumed_from: int
    changed: bool = True


@dataclass(frozen=True)
class _Partial:
    """The open file that the content is downloaded to, in the open directory folder.

    can_be_found tells whether the next run can resume it: the name is the expected one, not a random one.
    """

    folder: int
    name: str
    fd: int
    can_be_found: bool

    def is_there(self) -> bool:
        """Tell whether the name still refers to the open file."""
        try:
            there = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self.fd))

    def remove(self) -> None:
        """Remove the file if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.folder)


class BlobFile:
    """The destination file for content with a given digest, and the file of the unfinished download beside it.

    The file appears in one step, after all of it has been verified. Its directory may be missing. Raises BlobFileError
    if the destination cannot be a file, ParentRefused if its directory must not be created or a symbolic link of
    another user is on the path. what names the content in messages. warning is a message about other users who can
    replace the file, None if there are none.
    """

    def __init__(self, path: str, digest: Digest, *, what: str = "blob") -> None:
        self.path = path
        self.digest = digest
        self._what = what
        self._resumed_from = 0
        self._identity_read: tuple[int, ...] | None = None
        self._directory, self._name = os.path.split(path)
        self._partial = partial_name(digest)
        if not self._name or os.path.isdir(path):
            raise self._refusal("it is a directory", "give the path of a file in it")
        with self._parents() as parents:
            parents.check()
            self.warning = risk_warning(f"the file {visible(path)}", parents.risk)

    def content(self) -> Content | None:
        """Return digest and size of the existing file, None if there is none.

        Raises BlobFileError, FilesystemError, ParentRefused.
        """
        with self._parents() as parents:
            return None if parents.missing else self._content(parents.fd)

    @contextlib.contextmanager
    def reached(self) -> t.Iterator[str]:
        """Yield a relative path of the file, with its directory as the working directory.

        Other users cannot redirect that path.
        """
        with self._parents() as parents, inside(parents.fd):
            yield os.path.join(".", *parents.missing, self._name)

    def _content(self, folder: int) -> Content | None:
        self._identity_read = _identity(folder, self._name)
        with self._translate_errors("reading"), contextlib.suppress(FileNotFoundError):
            with self._open_regular(folder) as file:
                hasher = self.digest.new_hash()
                size = _hash(file.fileno(), hasher)
            return Content(Digest(self.digest.algorithm, hasher.hexdigest()), size)
        return None

    @contextlib.contextmanager
    def _open_regular(self, folder: int) -> t.Iterator[t.IO[bytes]]:
        """Open the existing file. Raises OSError, FileNotFoundError if there is none, and BlobFileError."""
        # before open(), because opening a device can have side effects
        self._check_regular(os.stat(self._name, dir_fd=folder))
        descriptor = os.open(self._name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(descriptor, "rb", buffering=0) as file:
            self._check_regular(os.fstat(descriptor))
            yield file

    def read(self, limit: int) -> bytes | None:
        """Return the content of the existing file, None if it is longer than limit or has another digest.

        Raises as content() does.
        """
        data = b""
        with self._parents() as parents, self._translate_errors("reading"), contextlib.suppress(FileNotFoundError):
            if not parents.missing:
                with self._open_regular(parents.fd) as file:
                    data = file.read(limit + 1)
        return data if Digest.of(data, self.digest.algorithm) == self.digest else None

    def beginning(self, limit: int) -> bytes:
        """Return the first limit bytes of the existing file, b"" if there is none. Raises as content() does."""
        with self._parents() as parents, self._translate_errors("reading"), contextlib.suppress(FileNotFoundError):
            if not parents.missing:
                with self._open_regular(parents.fd) as file:
                    return file.read(limit)
        return b""

    def download(self, open_stream: OpenStream, *, prepare: Prepare) -> Download:
        """Download the content, resuming an unfinished download, and put it in place.

        If the connection fails, the received bytes are kept; if the digest is wrong, they are discarded. If the digest
        is wrong after a resumed download, the download starts again from zero. A file that is replaced passes its
        owner, mode and extended attributes on.

        Raises what open_stream and its stream raise, Locked, BlobFileError, FilesystemError.
        """
        with opened_again(self._open_to_download) as partial:
            done = self._find_completed(partial.folder)
            if done is not None:
                partial.remove()
                return done
            done = self._download_to(partial, open_stream)
            self._put_in_place(partial, prepare)
        return done

    def _open_to_download(self, stack: contextlib.ExitStack) -> _Partial:
        parents = stack.enter_context(self._parents())
        with self._translate_errors("making the directory of"):
            parents.make()
        return stack.enter_context(self._open_locked_partial(parents.fd))

    def _find_completed(self, folder: int) -> Download | None:
        """Read the file again under the lock, if it is not the file that content() read."""
        if _identity(folder, self._name) == self._identity_read:
            return None
        found = self._content(folder)
        return None if found is None or found.digest != self.digest else Download(found.size, 0, changed=False)

    def _parents(self) -> Parents:
        with self._translate_errors("looking for the directory of"):
            return Parents(self._directory)

    @contextlib.contextmanager
    def _translate_errors(self, doing: str) -> t.Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise filesystem_error(exc, doing=doing, path=self.path) from exc

    def _check_regular(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self._refusal("it exists and is not a regular file", "give another path")

    def _download_to(self, partial: _Partial, open_stream: OpenStream) -> Download:
        try:
            return self._fill(partial.fd, open_stream)
        except BaseException as exc:
            is_wrong = not isinstance(exc, CollectionError) or isinstance(exc, OciError)
            if is_wrong or not partial.can_be_found or not os.fstat(partial.fd).st_size:
                partial.remove()
            raise

    def _fill(self, descriptor: int, open_stream: OpenStream) -> Download:
        try:
            return self._resume(descriptor, open_stream)
        except OciError:
            if not self._resumed_from:
                raise
        with self._translate_errors("emptying the unfinished download beside"):
            os.ftruncate(descriptor, 0)
        return self._resume(descriptor, open_stream)

    def _resume(self, descriptor: int, open_stream: OpenStream) -> Download:
        hasher = self.digest.new_hash()
        with self._translate_errors("reading the unfinished download beside"):
            self._resumed_from = _hash(descriptor, hasher)
        with open_stream(self._resumed_from, hasher) as stream:
            self._write(descriptor, stream)
        return Download(os.fstat(descriptor).st_size, self._resumed_from)

    def _write(self, descriptor: int, pieces: t.Iterable[bytes]) -> None:
        for piece in pieces:
            with self._translate_errors(f"writing the {self._what} beside"):
                try:
                    _write_all(descriptor, piece)
                except OSError:
                    os.ftruncate(descriptor, 0)
                    raise
        with self._translate_errors(f"writing the {self._what} beside"):
            os.fsync(descriptor)

    def _put_in_place(self, partial: _Partial, prepare: Prepare) -> None:
        """Set the attributes of the file, then rename it. After a failure the next run can resume it as before."""
        with self._translate_errors(f"putting the {self._what} at"):
            try:
                take_attributes(partial.fd, partial.folder, self._name)
                with inside(partial.folder):
                    prepare(os.path.join(".", partial.name))
                os.rename(partial.name, self._name, src_dir_fd=partial.folder, dst_dir_fd=partial.folder)
            except BaseException:
                if not partial.can_be_found:
                    partial.remove()
                with contextlib.suppress(OSError):
                    os.fchown(partial.fd, os.geteuid(), os.getegid())
                    os.fchmod(partial.fd, 0o600)
                raise

    @contextlib.contextmanager
    def _open_locked_partial(self, folder: int) -> t.Iterator[_Partial]:
        """Yield the locked file to download to: that of an earlier run, if only this user can open it.

        Anything else of that name is removed. If it cannot be removed, a file with a random name is used, which no
        later run resumes.
        """
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            with self._translate_errors("opening the unfinished download beside"):
                partial = _open_partial(folder, self._partial)
            try:
                if not lock(partial.fd, deadline=deadline):
                    raise self._lock_error()
                if partial.is_there():
                    yield partial
                    return
            finally:
                # reached without a yield if another task finished the download while this one waited for the lock
                os.close(partial.fd)

    def _lock_error(self) -> Locked:
        shown = visible(os.path.join(self._directory, self._partial))
        return Locked(
            f"While downloading {self.digest}: another task has locked {shown} for {_LOCK_SECONDS:g} seconds; run the"
            " task again when the other task has ended.",
            path=shown,
        )

    def _refusal(self, why: str, remedy: str) -> BlobFileError:
        shown = visible(self.path)
        return BlobFileError(f"The {self._what} cannot be written to {shown}: {why}; {remedy}.", path=shown)


def partial_name(digest: Digest) -> str:
    """Return the name of the unfinished download of a blob, which is in the directory of the file."""
    return f".oci_blob.{digest.algorithm}-{digest.encoded}"


def _identity(folder: int, name: str) -> tuple[int, ...] | None:
    """Return values that differ after a file was changed or replaced, None if there is no file."""
    try:
        found = os.stat(name, dir_fd=folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _open_partial(folder: int, name: str) -> _Partial:
    with contextlib.suppress(FileNotFoundError):
        if is_private(os.stat(name, dir_fd=folder, follow_symlinks=False)):
            descriptor = os.open(name, _OPEN, dir_fd=folder)
            if is_private(os.fstat(descriptor)):
                return _Partial(folder, name, descriptor, True)
            os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
    with contextlib.suppress(FileExistsError):
        return _Partial(folder, name, os.open(name, _CREATE, 0o600, dir_fd=folder), True)
    name = f"{name}.{os.urandom(8).hex()}"
    return _Partial(folder, name, os.open(name, _CREATE, 0o600, dir_fd=folder), False)


def _hash(descriptor: int, hasher: t.Any) -> int:
    """Hash a file from its start, leave the position at its end, and return its size. Raises OSError."""
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


__all__ = ("BlobFile", "BlobFileError", "Content", "Download", "OpenStream", "partial_name")
