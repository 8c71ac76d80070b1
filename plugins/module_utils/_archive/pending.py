# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""An archive that is being written: the private directory beside it for downloads, and the file that replaces it.

The directory .NAME.oci_archive has mode 0700. It has the unfinished downloads, which a later run continues, the tree of
an image that is exported, the new archive until it is complete, and the lock. It exists only as long as it is needed.
_module/archive/place.py opens one.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from .._base.lock_file import lock_file, unlock_file
from .._base.parents import Parents
from .._base.text import visible
from .._layout.errors import Locked, NoSpace, write_errors
from .._layout.lock import check_same, open_private
from .._layout.partial import opened_partial, partial_name
from .._unpack.errors import FilesystemError
from .._unpack.tree.remove import remove_tree
from .compress import Compressor, make_compressor
from .content import FileRange
from .mark import MarkedOutput

if t.TYPE_CHECKING:
    from .._layout.partial import Partial
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .mark import NewMark
    from .tar_writer import Output

_LOCK: t.Final = "lock"
_NEW: t.Final = "archive"
_TREE: t.Final = "tree"
_CREATE: t.Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# How often other runs may remove the directories while this one opens them.
_TRIES: t.Final = 100
# Smaller writes are joined.
_BUFFER: t.Final = 1024 * 1024

# Called with the open directory of the new archive, its name there and its descriptor, to set attributes before it is
# renamed.
Prepare = t.Callable[[int, str, int], None]


def state_name(name: str) -> str:
    """Return the name of the private directory for an archive of this name."""
    return f".{name}.oci_archive"


@contextlib.contextmanager
def pending_archive(path: str, *, timeout: float) -> t.Iterator[PendingArchive]:
    """Yield the archive to write to path, locked; make the directories above it. path has no symbolic links above it.

    After an error the unfinished downloads are kept for the next run, unless the disk is full. Directories that were
    made here are removed if they are empty. Raises Locked after timeout seconds, WriteFailed, NotALayout for a private
    directory that others can enter, ParentRefused.
    """
    deadline = time.monotonic() + timeout
    for attempt in range(_TRIES):
        with contextlib.ExitStack() as stack:
            with write_errors("Opening the directory of", path):
                try:
                    opened = _enter(path, deadline, stack)
                except FileNotFoundError:
                    if attempt + 1 == _TRIES:
                        raise
                    continue  # another run removed the empty directories that it had made
            if opened is None:
                raise _locked_error(path, timeout)
            with _cleaned(opened):
                yield opened
            return


class PendingArchive:
    """A locked archive to download blobs for, to compose and to publish. Every method raises WriteFailed and NoSpace.

    folder is the open directory that the archive is in, state the private directory.
    """

    def __init__(self, path: str, folder: int, state: int) -> None:
        self.path = path
        self.folder = folder
        self.state = state
        self._directory = os.path.join(os.path.dirname(path), state_name(os.path.basename(path)))

    def partial(self, digest: Digest) -> t.ContextManager[Partial]:
        """Open the file to download a blob to; see opened_partial."""
        return opened_partial(self.state, digest, directory=self._directory)

    def keep(self, partial: Partial) -> None:
        """Keep a verified file where it is, for compose(). A later run verifies it again."""

    def write(self, digest: Digest, data: bytes) -> None:
        """Write content that is in memory and verified."""
        with self.partial(digest) as partial:
            partial.reset()
            partial.append(data)

    @contextlib.contextmanager
    def opened(self, descriptor: Descriptor) -> t.Iterator[FileRange]:
        """Yield the content of a blob that was downloaded."""
        name = partial_name(descriptor.digest)
        with write_errors("Reading the download", os.path.join(self._directory, name)):
            fd = os.open(name, _READ, dir_fd=self.state)
        try:
            yield FileRange(fd, 0, descriptor.size, os.path.join(self._directory, name))
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def tree(self) -> t.Iterator[int]:
        """Make an empty directory that only this user can enter; yield it, open. It is removed at the end."""
        with write_errors("Making a directory beside the archive", self.path):
            self._remove(_TREE)
            os.mkdir(_TREE, 0o700, dir_fd=self.state)
        try:
            with write_errors("Opening the directory beside the archive", self.path):
                fd = os.open(_TREE, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self.state)
            try:
                yield fd
            finally:
                os.close(fd)
        except BaseException:
            with contextlib.suppress(OSError, FilesystemError):  # the next run removes it
                self._remove(_TREE)
            raise
        with write_errors("Removing a directory beside the archive", self.path):
            self._remove(_TREE)

    def compose(self, write: t.Callable[[Output], None], *, compression: str, mark: NewMark | None = None) -> None:
        """Write the new archive, beside the one that is there, and sync it; write is called with its output.

        With a mark, the archive begins with it, which is the header of the first member. Raises what write raises,
        CompressionUnavailable.
        """
        compressor = make_compressor(compression)
        with write_errors("Writing the archive", self.path):
            self._remove(_NEW)
            fd = os.open(_NEW, _CREATE, 0o600, dir_fd=self.state)
        try:
            output = _Output(fd, self.path)
            marked = None if mark is None else MarkedOutput(output, mark, compression=compression)
            target: Output = output if marked is None else marked
            write(target if compressor is None else _CompressedOutput(target, compressor))
            if compressor is not None:
                target.write(compressor.flush())
            output.finish(start=None if marked is None else marked.start())
        finally:
            os.close(fd)

    def publish(self, prepare: Prepare) -> None:
        """Replace the archive with the new one in one step, after prepare has set its attributes."""
        name = os.path.basename(self.path)
        with write_errors("Writing the archive", self.path):
            fd = os.open(_NEW, _READ, dir_fd=self.state)
            try:
                prepare(self.state, _NEW, fd)
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(_NEW, name, src_dir_fd=self.state, dst_dir_fd=self.folder)
            self._sync_folder()
            self.clear()

    def clear(self) -> None:
        """Remove everything in the private directory except the lock. Raises OSError, FilesystemError."""
        for name in os.listdir(self.state):
            if name != _LOCK:
                self._remove(name)

    def remove_new(self) -> None:
        """Remove the new archive, if it is there."""
        with contextlib.suppress(OSError):
            self._remove(_NEW)

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self.state)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            remove_tree(self.state, os.fsencode(name))

    def _sync_folder(self) -> None:
        fd = os.open(".", _DIRECTORY, dir_fd=self.folder)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


class _Output:
    """Writes to a file in large pieces, at its end. Raises WriteFailed, NoSpace."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd, self._path = fd, path
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= _BUFFER:
            self._flush()

    def copy(self, content: FileRange) -> None:
        """Append a part of another file; the kernel copies it."""
        self._flush()
        with write_errors("Writing the archive", self._path):
            content.copy_to(self._fd)

    def finish(self, *, start: bytes | None) -> None:
        """Write what is left, and other bytes at the start if they are given; sync the file."""
        self._flush()
        with write_errors("Writing the archive", self._path):
            written = 0
            while start is not None and written < len(start):
                written += os.pwrite(self._fd, start[written:], written)
            os.fsync(self._fd)

    def _flush(self) -> None:
        rest = memoryview(b"".join(self._pieces))
        self._pieces.clear()
        self._size = 0
        with write_errors("Writing the archive", self._path):
            while rest:
                rest = rest[os.write(self._fd, rest) :]


class _CompressedOutput:
    """Compresses what is written to another output. Raises what that raises."""

    def __init__(self, output: Output, compressor: Compressor) -> None:
        self._output, self._compressor = output, compressor

    def write(self, piece: bytes) -> None:
        """Compress and append a piece."""
        self._output.write(self._compressor.compress(piece))

    def copy(self, content: FileRange) -> None:
        """Compress and append a part of another file."""
        for piece in content.pieces():
            self.write(piece)


@contextlib.contextmanager
def _cleaned(archive: PendingArchive) -> t.Iterator[None]:
    try:
        yield
    except NoSpace:
        with contextlib.suppress(OSError):
            archive.clear()
        raise
    finally:
        archive.remove_new()


def _enter(path: str, deadline: float, stack: contextlib.ExitStack) -> PendingArchive | None:
    """Open and lock everything, undone by the stack; return None if the deadline passed."""
    # the task has resolved the path: a link in it was made after that
    parents = stack.enter_context(Parents(os.path.dirname(path), follow=False))
    parents.make()
    name = state_name(os.path.basename(path))
    state = open_private(parents.path, name, parents.fd, stack)
    fd = lock_file(state, _LOCK, path=os.path.join(parents.path, name, _LOCK), deadline=deadline)
    if fd is None:
        return None
    stack.callback(unlock_file, state, _LOCK, fd)
    check_same(name, parents.fd, state)
    return PendingArchive(path, parents.fd, state)


def _locked_error(path: str, timeout: float) -> Locked:
    shown = visible(path)
    return Locked(
        f"Waiting for the archive {shown} failed: another run has held its lock for {timeout:g} seconds; "
        "wait until that has finished, or end it, and run the task again.",
        path=shown,
    )


__all__ = ("PendingArchive", "pending_archive", "state_name")
