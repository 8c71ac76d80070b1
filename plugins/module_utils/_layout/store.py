# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Write to an OCI layout: add and remove blobs, replace index.json; readers never see a part of a change.

_module/layout/run.py opens a store and carries out its plan.
"""

from __future__ import annotations

import contextlib
import os
import threading
import typing as t

from .._oci.digest import ALGORITHMS
from .errors import NoSpace, write_errors
from .lock import LockedDirectory, locked_directory
from .partial import opened_partial, partial_name
from .view import STATE, LayoutView

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .index_file import IndexFile
    from .partial import Partial

_VERSION: t.Final = b'{"imageLayoutVersion":"1.0.0"}'
_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NEW_FOLDER: t.Final = "folder.new"

# Called with an open directory, the name of a complete file or directory in it, and whether it is a directory, to set
# its attributes before it is renamed to its place.
Prepare = t.Callable[[int, str, bool], None]


def _keep_as_made(folder: int, name: str, is_directory: bool) -> None:
    """Keep what is made as it is: mode 0644, directories 0755, and the user that runs this."""


@contextlib.contextmanager
def opened_store(path: str, *, timeout: float, prepare: Prepare = _keep_as_made) -> t.Iterator[LayoutStore]:
    """Yield the layout at path, locked against other writers; make it if it is missing.

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
    """A locked OCI layout (image-spec, image-layout.md) to add content to and remove content from.

    view is the content at the beginning. Files get their names when they are complete, verified and synced. A new
    layout is built in a directory inside of it, so that no reader sees it incomplete. Threads may share partial(),
    keep() and write(). Every method raises WriteFailed and NoSpace.
    """

    def __init__(self, path: str, locked: LockedDirectory, *, prepare: Prepare) -> None:
        self.path = path
        self._root = locked.root
        self._state = locked.state
        self._prepare = prepare
        self._stack = contextlib.ExitStack()
        self._folders: dict[str, int] = {}
        self._added: list[Digest] = []
        self._lock, self._closed = threading.Lock(), False
        self.view = self._stack.enter_context(LayoutView(path, folder=locked.root))
        self._in_place = _exists(self._root, "blobs")

    @contextlib.contextmanager
    def partial(self, digest: Digest) -> t.Iterator[Partial]:
        """Yield the file to download a blob to; see opened_partial."""
        with contextlib.ExitStack() as stack:
            with self._opened():
                opening = opened_partial(self._state, digest, directory=os.path.join(self.path, STATE))
                partial = stack.enter_context(opening)
            yield partial

    def keep(self, partial: Partial) -> None:
        """Rename a verified file to its place among the blobs."""
        digest, name = partial.digest, partial_name(partial.digest)
        partial.finish()
        with self._opened():
            self._prepare(self._state, name, False)
            with write_errors("Putting a blob into the layout", self.path):
                folder = self._open_algorithm(digest.algorithm)
                is_new = not _exists(folder, digest.encoded)
                os.rename(name, digest.encoded, src_dir_fd=self._state, dst_dir_fd=folder)
            if is_new:
                self._added.append(digest)

    def write(self, digest: Digest, data: bytes) -> None:
        """Write content that is in memory and verified to the blobs."""
        with self.partial(digest) as partial:
            partial.reset()
            partial.append(data)
            self.keep(partial)

    def publish(self, index: IndexFile) -> None:
        """Publish all that was added: replace index.json in one step."""
        data = index.to_bytes()
        with write_errors("Writing the index of the layout", self.path):
            self._open_blobs()
            for entry in index.entries:  # blobs that an earlier run added may not be synced yet
                self._open_algorithm(entry.descriptor.digest.algorithm)
            for folder in self._folders.values():
                os.fsync(folder)
            self._stage("index.json", data)
            is_new = not _exists(self._root, "oci-layout")
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
        """Remove a blob, if it is there."""
        with write_errors(f"Removing {digest} from", self.path), contextlib.suppress(FileNotFoundError):
            os.unlink(digest.encoded, dir_fd=self._open_algorithm(digest.algorithm))

    def remove_partial(self, digest: Digest) -> None:
        """Remove an unfinished download, if it is there."""
        with write_errors(f"Removing the unfinished {digest} from", self.path), contextlib.suppress(FileNotFoundError):
            os.unlink(partial_name(digest), dir_fd=self._state)

    def take_back(self) -> None:
        """Remove the blobs that were added and are not published."""
        for digest in self._added:
            with contextlib.suppress(OSError):  # a blob that stays is an orphan, which does no harm
                os.unlink(digest.encoded, dir_fd=self._open_algorithm(digest.algorithm))
        self._added.clear()

    def close(self) -> None:
        """Remove temporary files and empty directories; close all descriptors."""
        with self._lock:
            self._closed = True
        for name in ("index.json.new", "oci-layout.new"):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._state)
        empty = (*(f"blobs/{name}" for name in ALGORITHMS), "blobs")
        _remove_empty(self._state, _NEW_FOLDER, *empty)
        if not _exists(self._root, "index.json"):
            _remove_empty(self._root, *empty)
        self._stack.close()

    @contextlib.contextmanager
    def _opened(self) -> t.Iterator[None]:
        """Let one thread use the descriptors of the store, which close() waits for."""
        with self._lock:
            if self._closed:
                raise RuntimeError("The store is closed.")
            yield

    def _stage(self, name: str, data: bytes) -> None:
        new = f"{name}.new"
        with contextlib.suppress(FileNotFoundError):  # a killed run may have left one
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

    def _open_blobs(self) -> int:
        parent = self._root if self._in_place else self._state
        if "" not in self._folders:
            self._folders[""] = self._open_folder(parent, "blobs")
        return self._folders[""]

    def _open_algorithm(self, algorithm: str) -> int:
        if algorithm not in self._folders:
            self._folders[algorithm] = self._open_folder(self._open_blobs(), algorithm)
        return self._folders[algorithm]

    def _open_folder(self, parent: int, name: str) -> int:
        """Open a directory; make it if it is missing.

        A new one is made in the private directory first, so that others see it only when it is complete.
        """
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


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


__all__ = ("LayoutStore", "Prepare", "opened_store")
