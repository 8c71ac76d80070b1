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

from .._oci.digest import Digest
from .._oci.errors import DigestError
from .write_errors import write_errors

if t.TYPE_CHECKING:
    from hashlib import _Hash

_PIECE: t.Final = 1024 * 1024
_OPEN: t.Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Partial:
    """The file of a blob that is being downloaded: what has come of it so far, at the end of which more is added.

    Every method raises WriteFailed and NoSpace.
    """

    def __init__(self, fd: int, digest: Digest, path: str) -> None:
        self.digest = digest
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, folder: int, digest: Digest, *, directory: str) -> Partial:
        """Open or create the file in a directory that nobody else can write to; directory is its name for messages.

        What bears its name and could be changed by somebody else after it was verified is removed.
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
        """How many bytes there are."""
        return os.fstat(self._fd).st_size

    def read_back(self) -> tuple[int, _Hash]:
        """How many bytes there are, and a hash object that has seen them; more can be appended then."""
        hasher = self.digest.new_hash()
        with write_errors("Reading the unfinished download", self.path):
            size = os.lseek(self._fd, 0, os.SEEK_SET)
            while piece := os.read(self._fd, _PIECE):
                hasher.update(piece)
                size += len(piece)
        return size, hasher

    def append(self, piece: bytes) -> None:
        """Add to the end. Where that fails the file is emptied, as the space may be needed to go on at all."""
        with write_errors("Writing the download", self.path):
            try:
                _write_all(self._fd, piece)
            except OSError:
                os.ftruncate(self._fd, 0)
                raise

    def reset(self) -> None:
        """Throw away what there is."""
        with write_errors("Emptying the unfinished download", self.path):
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.ftruncate(self._fd, 0)

    def finish(self) -> None:
        """Let everybody read the file, and write all of it to the device."""
        with write_errors("Writing the download", self.path):
            os.fchmod(self._fd, 0o644)
            os.fsync(self._fd)

    def close(self) -> None:
        """Close the file, and leave it."""
        os.close(self._fd)


def partial_name(digest: Digest) -> str:
    """What the file for a blob of this digest is called."""
    return f"{digest.algorithm}-{digest.encoded}"


def digest_of_partial(name: str) -> Digest | None:
    """The digest in the name of such a file, None if it is the name of something else."""
    algorithm, dummy, encoded = name.partition("-")
    try:
        return Digest(algorithm, encoded)
    except DigestError:
        return None


def digest_of_blob(name: str) -> Digest | None:
    """The digest in the name of a file below blobs/, as "sha256/0123..."; None if it is the name of something else."""
    algorithm, dummy, encoded = name.partition("/")
    return digest_of_partial(f"{algorithm}-{encoded}")


def _write_all(fd: int, piece: bytes) -> None:
    written = 0
    while written < len(piece):
        written += os.write(fd, memoryview(piece)[written:])


__all__ = ("Partial", "digest_of_blob", "digest_of_partial", "partial_name")
