# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A directory of blobs that all tasks of a host share: blobs/ALGORITHM/HEX, with unfinished downloads beside them.

It is an OCI layout (image-spec, image-layout.md) without an index. Each unfinished download is its own lock: the task
that downloads holds an exclusive flock(2) on its file. A task that reads a blob holds a shared one, so that trim() does
not remove it. The modification time of a blob is that of its last use. _module/registry/downloads.py fills it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
import typing as t

from .._base.lock_file import lock
from .._base.parents import Parents
from .._base.text import visible
from .._oci.digest import ALGORITHMS, Verifier
from .._oci.errors import OciError
from .errors import NoSpace, NotACache, write_errors
from .partial import Partial, digest_of_partial, partial_name
from .view import STATE

if t.TYPE_CHECKING:
    from .._oci.digest import Digest

_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# smaller than a batch of the unpack, which bounds its memory by them
_PIECE: t.Final = 256 * 1024
_BLOBS: t.Final = "blobs"


class CachedBlob:
    """A verified blob of the cache, open for reading. No other task can change it: it belongs to this user alone."""

    def __init__(self, fd: int, size: int, path: str) -> None:
        self.size = size
        self._fd = fd
        self._path = path
        # for trim(), which leaves out what it cannot lock; if it has the lock itself, the open file stays readable
        lock(fd, deadline=0, shared=True)

    def pieces(self) -> t.Iterator[bytes]:
        """Yield the bytes. Raises WriteFailed."""
        offset = 0
        while offset < self.size:
            with write_errors("Reading the cache", self._path):
                piece = os.pread(self._fd, _PIECE, offset)
            if not piece:
                return
            offset += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file, which another task may remove then."""
        os.close(self._fd)


class BlobCache:
    """The cache in a directory that only the user of the task can write to. A context manager; threads may share it.

    The directory is made with mode 0700 if it is missing, its parents with 0755 less the umask. Raises NotACache for a
    directory that others can write to or replace, or that holds something else; ParentRefused, WriteFailed, NoSpace.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._stack = contextlib.ExitStack()
        self._folders: dict[str, int] = {}
        with contextlib.ExitStack() as stack, write_errors("Opening the cache", path):
            parents = stack.enter_context(_open_parents(path))
            parents.make()
            root = self._open(os.path.basename(_absolute(path)), parents.fd, stack)
            _check_root(path, root)
            self._folders[STATE] = self._open(STATE, root, stack)
            blobs = self._open(_BLOBS, root, stack)
            for algorithm in ALGORITHMS:
                self._folders[algorithm] = self._open(algorithm, blobs, stack)
            self._stack = stack.pop_all()

    def __enter__(self) -> BlobCache:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all directories."""
        self._stack.close()

    def find(self, digest: Digest, size: int, *, damaged: t.Callable[[str], None]) -> CachedBlob | None:
        """Return a blob after reading and hashing all of it; None if it is not there.

        A blob with other bytes is removed; damaged is called with the reason. Raises WriteFailed.
        """
        folder = self._folders[digest.algorithm]
        with write_errors("Reading the cache", self.path):
            fd = self._open_blob(digest, damaged)
            if fd is None:
                return None
            blob = CachedBlob(fd, size, self.path)
            try:
                why = _fault(fd, blob, digest)
                if why is None:
                    os.utime(fd)
                    return blob
                _unlink_same(digest.encoded, fd, folder)
            except BaseException:
                blob.close()
                raise
        blob.close()
        damaged(why)
        return None

    def _open_blob(self, digest: Digest, damaged: t.Callable[[str], None]) -> int | None:
        folder = self._folders[digest.algorithm]
        try:
            return os.open(digest.encoded, _FILE, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as exc:
            if exc.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            os.unlink(digest.encoded, dir_fd=folder)
        damaged("it is a link or a special file")
        return None

    @contextlib.contextmanager
    def partial(self, digest: Digest, *, deadline: float) -> t.Iterator[Partial | None]:
        """Yield the file to download a blob to, locked, with the part that an earlier run left.

        Yield None if another task has held the lock until the deadline (time.monotonic()). If the download fails, the
        file is kept for a later run; it is removed if it was wrong or empty.
        """
        folder, name = self._folders[STATE], partial_name(digest)
        partial = self._lock_partial(digest, deadline)
        if partial is None:
            yield None
            return
        try:
            yield partial
        except BaseException as exc:
            if isinstance(exc, (OciError, NoSpace)) or not partial.size:
                _unlink_same(name, partial.fd, folder)
            raise
        else:
            if not partial.size:  # another task has brought the blob
                _unlink_same(name, partial.fd, folder)
        finally:
            partial.close()

    def keep(self, partial: Partial) -> CachedBlob:
        """Move a complete and verified file to its place among the blobs, and return it open."""
        digest = partial.digest
        with write_errors("Putting a blob into the cache", self.path):
            os.rename(
                partial_name(digest),
                digest.encoded,
                src_dir_fd=self._folders[STATE],
                dst_dir_fd=self._folders[digest.algorithm],
            )
            fd = os.open(digest.encoded, _FILE, dir_fd=self._folders[digest.algorithm])
        partial.unlock()
        return CachedBlob(fd, partial.size, self.path)

    def use(self, digests: t.Iterable[Digest]) -> None:
        """Count blobs as used now, if they are there, so that another task's trim() removes others first."""
        for digest in digests:
            with contextlib.suppress(OSError):
                os.utime(digest.encoded, dir_fd=self._folders[digest.algorithm], follow_symlinks=False)

    def trim(self, limit: int) -> int:
        """Remove the least recently used files, unless a task uses them, until the cache has at most limit bytes.

        Return the number of bytes that were removed. Raises WriteFailed.
        """
        removed = 0
        with write_errors("Trimming the cache", self.path):
            files = sorted(self._files())
            total = sum(size for dummy, size, dummy2, dummy3 in files)
            for dummy, size, folder, name in files:
                if total - removed <= limit:
                    break
                if _remove_unused(name, folder):
                    removed += size
        return removed

    def _files(self) -> t.Iterator[tuple[int, int, int, str]]:
        """Yield time of last use, size, folder and name of each blob and unfinished download."""
        for algorithm, folder in self._folders.items():
            for name in os.listdir(folder):
                full = name if algorithm == STATE else f"{algorithm}-{name}"
                if digest_of_partial(full) is None:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    yield found.st_mtime_ns, found.st_size, folder, name

    def _lock_partial(self, digest: Digest, deadline: float) -> Partial | None:
        folder, name = self._folders[STATE], partial_name(digest)
        while True:
            partial = Partial.open(folder, digest, directory=os.path.join(self.path, STATE))
            try:
                with write_errors("Locking the unfinished download", partial.path):
                    if not lock(partial.fd, deadline=deadline):
                        partial.close()
                        return None
                    if _is_same(name, partial.fd, folder):
                        return partial
            except BaseException:
                partial.close()
                raise
            partial.close()  # the task that held the lock has moved or removed the file

    def _open(self, name: str, parent: int, stack: contextlib.ExitStack) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, _DIRECTORY, dir_fd=parent)
        stack.callback(os.close, fd)
        _check_owner(self.path, fd)
        return fd


def check_cache(path: str) -> None:
    """Raise what BlobCache raises for a path that it would refuse. Nothing is written, as check mode needs."""
    with write_errors("Opening the cache", path), _open_parents(path) as parents:
        if parents.missing:
            return
        try:
            root = os.open(os.path.basename(_absolute(path)), _DIRECTORY, dir_fd=parents.fd)
        except FileNotFoundError:
            return
        try:
            _check_root(path, root)
        finally:
            os.close(root)


def _absolute(path: str) -> str:
    """Return the absolute path without a slash at its end."""
    return os.path.normpath(os.path.join(os.getcwd(), path))


@contextlib.contextmanager
def _open_parents(path: str) -> t.Iterator[Parents]:
    """Yield the directory above the cache. Raises NotACache if others can replace the cache in it."""
    with Parents(os.path.dirname(_absolute(path))) as parents:
        parents.check()
        if parents.risk is not None:
            raise _refusal(path, f"another user can replace it, because {parents.risk}")
        yield parents


def _check_owner(path: str, folder: int) -> None:
    found = os.fstat(folder)
    if found.st_uid != os.geteuid():
        raise _refusal(path, f"it, or a directory in it, belongs to the user id {found.st_uid}")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise _refusal(path, "other users can write to it or to a directory in it")


def _check_root(path: str, root: int) -> None:
    _check_owner(path, root)
    others = sorted(set(os.listdir(root)) - {STATE, _BLOBS})
    if others:
        raise _refusal(path, f"it holds something else, such as {visible(others[0], limit=80)}")


def _refusal(path: str, why: str) -> NotACache:
    shown = visible(path)
    return NotACache(
        f"The cache {shown} cannot be used: {why}; give a directory for the cache alone, below directories that belong"
        " to root or to the user of the task.",
        path=shown,
    )


def _fault(fd: int, blob: CachedBlob, digest: Digest) -> str | None:
    """Read and hash a blob; return what is wrong with it."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_size != blob.size:
        return f"it has {found.st_size} bytes, not {blob.size}"
    verifier = Verifier(digest, blob.size, what=f"{digest} in the cache")
    try:
        for piece in blob.pieces():
            verifier.update(piece)
        verifier.finish()
    except OciError:
        return "its content has another digest"
    return None


def _is_same(name: str, fd: int, folder: int) -> bool:
    try:
        return os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def _unlink_same(name: str, fd: int, folder: int) -> None:
    """Remove a file, unless another one has its name by now. What cannot be removed does no harm."""
    with contextlib.suppress(OSError):
        if _is_same(name, fd, folder):
            os.unlink(name, dir_fd=folder)


def _remove_unused(name: str, folder: int) -> bool:
    """Remove a file that no task has locked; return whether it was removed."""
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError:
        return False
    try:
        if not lock(fd, deadline=time.monotonic() - 1):
            return False
        _unlink_same(name, fd, folder)
        return os.fstat(fd).st_nlink == 0
    finally:
        os.close(fd)


__all__ = ("BlobCache", "CachedBlob", "check_cache")
