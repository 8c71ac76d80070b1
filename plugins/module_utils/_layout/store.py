# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import os
import typing as t

from .._oci.digest import ALGORITHMS
from .._oci.errors import OciError
from .lock import LockedDirectory, locked_directory
from .partial import Partial, partial_name
from .view import STATE, LayoutView
from .write_errors import NoSpace, write_errors

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .index_file import IndexFile

_VERSION: t.Final = b'{"imageLayoutVersion":"1.0.0"}'
_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NEW_FOLDER: t.Final = "folder.new"

Prepare = t.Callable[[int, str, bool], None]
"""Called with an open directory and the name in it of a file, or directory (True), to set its owner.

That is complete, and not at its place yet.
"""


def _leave(folder: int, name: str, is_directory: bool) -> None:
    """What is made stays as it is: 0644, directories 0755, and of the user that runs this."""


@contextlib.contextmanager
def opened_store(path: str, *, timeout: float, prepare: Prepare = _leave) -> t.Iterator[LayoutStore]:
    """Yields the layout at path, which no other run writes to meanwhile; it is made if it is not there.

    Readers see no change before publish(). When the disk is full, what was added is removed again. Raises Locked after
    timeout seconds, NotALayout for a directory that holds something else, LayoutError.
    """
    with locked_directory(path, timeout=timeout) as locked:
        store = LayoutStore(path, locked, prepare=prepare)
        try:
            yield store
        except NoSpace:
            store.take_back()
            raise
        finally:
            store.close()


class LayoutStore:
    """A locked OCI layout (image-spec, image-layout.md) that content is added to and removed from.

    view is what it held in the beginning. Files get their names when they are complete, verified and on the device.
    A layout that is new is put together in a directory inside of it, so that nobody reads it half done. Every method
    raises WriteFailed and NoSpace.
    """

    def __init__(self, path: str, locked: LockedDirectory, *, prepare: Prepare) -> None:
        self.path = path
        self._root = locked.root
        self._state = locked.state
        self._prepare = prepare
        self._stack = contextlib.ExitStack()
        self._folders: dict[str, int] = {}
        self._added: list[Digest] = []
        self.view = self._stack.enter_context(LayoutView(path, folder=locked.root))
        self._in_place = _is_there(self._root, "blobs")

    @contextlib.contextmanager
    def partial(self, digest: Digest) -> t.Iterator[Partial]:
        """Yields the file to download a blob to, with what an earlier run left of it.

        It is kept for a later run if the download fails, and thrown away if it turned out wrong or nothing came.
        """
        partial = Partial.open(self._state, digest, directory=os.path.join(self.path, STATE))
        try:
            yield partial
        except BaseException as exc:
            if isinstance(exc, (OciError, NoSpace)) or not partial.size:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(partial_name(digest), dir_fd=self._state)
            raise
        finally:
            partial.close()

    def keep(self, partial: Partial) -> None:
        """Give a verified file its name among the blobs."""
        digest, name = partial.digest, partial_name(partial.digest)
        partial.finish()
        self._prepare(self._state, name, False)
        with write_errors("Putting a blob into the layout", self.path):
            folder = self._folder(digest.algorithm)
            is_new = not _is_there(folder, digest.encoded)
            os.rename(name, digest.encoded, src_dir_fd=self._state, dst_dir_fd=folder)
        if is_new:
            self._added.append(digest)

    def write(self, digest: Digest, data: bytes) -> None:
        """Put content that is there and verified among the blobs."""
        with self.partial(digest) as partial:
            partial.reset()
            partial.append(data)
            self.keep(partial)

    def publish(self, index: IndexFile) -> None:
        """Let readers see all that was added, by an index.json that takes the place of the old one in one step."""
        data = index.to_bytes()
        with write_errors("Writing the index of the layout", self.path):
            self._blobs()
            for entry in index.entries:  # what an earlier run put there may not be on the device yet
                self._folder(entry.descriptor.digest.algorithm)
            for folder in self._folders.values():
                os.fsync(folder)
            self._stage("index.json", data)
            is_new = not _is_there(self._root, "oci-layout")
            if is_new:
                self._stage("oci-layout", _VERSION)
            if not self._in_place:
                os.rename("blobs", "blobs", src_dir_fd=self._state, dst_dir_fd=self._root)
                self._in_place = True
            os.rename("index.json.new", "index.json", src_dir_fd=self._state, dst_dir_fd=self._root)
            self._added.clear()
            if is_new:
                os.rename("oci-layout.new", "oci-layout", src_dir_fd=self._state, dst_dir_fd=self._root)
            os.fsync(self._root)

    def remove(self, digest: Digest) -> None:
        """Remove a blob; nothing happens if there is none."""
        with write_errors(f"Removing {digest} from", self.path), contextlib.suppress(FileNotFoundError):
            os.unlink(digest.encoded, dir_fd=self._folder(digest.algorithm))

    def remove_partial(self, digest: Digest) -> None:
        """Remove what there is of an unfinished download; nothing happens if there is none."""
        with write_errors(f"Removing the unfinished {digest} from", self.path), contextlib.suppress(FileNotFoundError):
            os.unlink(partial_name(digest), dir_fd=self._state)

    def take_back(self) -> None:
        """Remove the blobs that were added and are not published."""
        for digest in self._added:
            with contextlib.suppress(OSError):  # what stays is an orphan, which does no harm
                os.unlink(digest.encoded, dir_fd=self._folder(digest.algorithm))
        self._added.clear()

    def close(self) -> None:
        """Remove what only this run needed, and the directories that stayed empty. Close everything."""
        for name in ("index.json.new", "oci-layout.new"):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._state)
        empty = (*(f"blobs/{name}" for name in ALGORITHMS), "blobs")
        _remove_empty(self._state, _NEW_FOLDER, *empty)
        if not _is_there(self._root, "index.json"):
            _remove_empty(self._root, *empty)
        self._stack.close()

    def _stage(self, name: str, data: bytes) -> None:
        new = f"{name}.new"
        with contextlib.suppress(FileNotFoundError):  # a run that was killed left it
            os.unlink(new, dir_fd=self._state)
        fd = os.open(new, _FILE, 0o600, dir_fd=self._state)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fchmod(fd, 0o644)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._prepare(self._state, new, False)

    def _blobs(self) -> int:
        parent = self._root if self._in_place else self._state
        if "" not in self._folders:
            self._folders[""] = self._open_folder(parent, "blobs")
        return self._folders[""]

    def _folder(self, algorithm: str) -> int:
        if algorithm not in self._folders:
            self._folders[algorithm] = self._open_folder(self._blobs(), algorithm)
        return self._folders[algorithm]

    def _open_folder(self, parent: int, name: str) -> int:
        """Open a directory, made in a private place first, so that it is as it should be when others see it."""
        try:
            return self._keep_open(os.open(name, _DIRECTORY, dir_fd=parent))
        except FileNotFoundError:
            pass
        with contextlib.suppress(FileExistsError):
            os.mkdir(_NEW_FOLDER, 0o700, dir_fd=self._state)
        fd = self._keep_open(os.open(_NEW_FOLDER, _DIRECTORY, dir_fd=self._state))
        os.fchmod(fd, 0o755)
        self._prepare(self._state, _NEW_FOLDER, True)
        os.rename(_NEW_FOLDER, name, src_dir_fd=self._state, dst_dir_fd=parent)
        return fd

    def _keep_open(self, fd: int) -> int:
        self._stack.callback(os.close, fd)
        return fd


def _remove_empty(folder: int, *names: str) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=folder)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


__all__ = ("LayoutStore", "Prepare", "opened_store")
