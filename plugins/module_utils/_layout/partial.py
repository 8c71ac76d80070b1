# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The file of an unfinished download of a blob, which a later run continues.

store.py, blob_cache.py and _archive/pending.py open it, _module/registry/downloads.py downloads to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import typing as t

from .._oci.digest import Digest
from .._oci.errors import DigestError, OciError
from .errors import NoSpace, write_errors

if t.TYPE_CHECKING:
    from hashlib import _Hash

_PIECE: t.Final = 1024 * 1024
_OPEN: t.Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Partial:
    """The file of a blob that is being downloaded: the part that has arrived, to which more is appended.

    Every method raises WriteFailed and NoSpace.
    """

    def __init__(self, fd: int, digest: Digest, path: str) -> None:
        self.digest = digest
        self.path = path
        self.fd = fd

    @classmethod
    def open(cls, folder: int, digest: Digest, *, directory: str) -> Partial:
        """Open or create the file in a directory that only this user can write to; directory is its name for messages.

        Removes a file of that name that another user could change after it was verified.
        """
        name = partial_name(digest)
        path = os.path.join(directory, name)
        with write_errors("Opening the unfinished download", path):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
                    os.unlink(name, dir_fd=folder)
            return cls(os.open(name, _OPEN, 0o600, dir_fd=folder), digest, path)

    @property
    def size(self) -> int:
        """The number of bytes in the file."""
        return os.fstat(self.fd).st_size

    def read_back(self) -> tuple[int, _Hash]:
        """Return the number of bytes in the file and a hash object that has seen them. More can be appended then."""
        hasher = self.digest.new_hash()
        with write_errors("Reading the unfinished download", self.path):
            size = os.lseek(self.fd, 0, os.SEEK_SET)
            while piece := os.read(self.fd, _PIECE):
                hasher.update(piece)
                size += len(piece)
        return size, hasher

    def append(self, piece: bytes) -> None:
        """Append a piece. On failure the file is emptied, because the run may need its space to go on."""
        with write_errors("Writing the download", self.path):
            try:
                _write_all(self.fd, piece)
            except OSError:
                os.ftruncate(self.fd, 0)
                raise

    def reset(self) -> None:
        """Empty the file."""
        with write_errors("Emptying the unfinished download", self.path):
            os.lseek(self.fd, 0, os.SEEK_SET)
            os.ftruncate(self.fd, 0)

    def finish(self) -> None:
        """Make the file readable for all, and sync it."""
        with write_errors("Writing the download", self.path):
            os.fchmod(self.fd, 0o644)
            os.fsync(self.fd)

    def unlock(self) -> None:
        """Release the lock on the file, if there is one."""
        with write_errors("Unlocking the download", self.path):
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file and keep it."""
        os.close(self.fd)


@contextlib.contextmanager
def opened_partial(folder: int, digest: Digest, *, directory: str) -> t.Iterator[Partial]:
    """Yield the file to download a blob to, with the part that an earlier run left; see Partial.open.

    If the download fails, the file is kept for a later run; it is removed if it was wrong or empty.
    """
    with contextlib.ExitStack() as stack:
        own = os.dup(folder)  # a thread that is left behind may end after the directory was closed
        stack.callback(os.close, own)
        partial = Partial.open(own, digest, directory=directory)
        stack.callback(partial.close)
        try:
            yield partial
        except BaseException as exc:
            if isinstance(exc, (OciError, NoSpace)) or not partial.size:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(partial_name(digest), dir_fd=own)
            raise


def partial_name(digest: Digest) -> str:
    """Return the name of the file for a blob of this digest."""
    return f"{digest.algorithm}-{digest.encoded}"


def digest_of_partial(name: str) -> Digest | None:
    """Return the digest in the name of such a file, None if the name has another form."""
    algorithm, dummy, encoded = name.partition("-")
    try:
        return Digest(algorithm, encoded)
    except DigestError:
        return None


def digest_of_blob(name: str) -> Digest | None:
    """Return the digest in a name below blobs/, as "sha256/0123..."; None if the name has another form."""
    algorithm, dummy, encoded = name.partition("/")
    return digest_of_partial(f"{algorithm}-{encoded}")


def _write_all(fd: int, piece: bytes) -> None:
    written = 0
    while written < len(piece):
        written += os.write(fd, memoryview(piece)[written:])


__all__ = ("Partial", "digest_of_blob", "digest_of_partial", "opened_partial", "partial_name")
