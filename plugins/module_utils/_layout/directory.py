# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Open the files of an OCI layout relative to its directory, never through a symbolic link.

image-spec, image-layout.md, gives the names. view.py and inspection.py open layouts with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .errors import FileRefused, LayoutInvalid, Unreadable
from .stored import FileIdentity

if t.TYPE_CHECKING:
    from types import TracebackType

    from .._oci.digest import Digest

_DIRECTORY: t.Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, opening a fifo would wait for a writer.
_FILE: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OpenFile(t.NamedTuple):
    """An open regular file; the caller that asked for it closes the descriptor."""

    fd: int
    identity: FileIdentity


class LayoutDirectory:
    """The directory of one OCI layout. A context manager.

    follow says whether path itself may be a symbolic link; what is inside may never be one. With folder, a descriptor
    that the caller closes, path is only the name in messages. Raises LayoutInvalid if path is not a directory or cannot
    be opened.
    """

    def __init__(self, path: str, *, follow: bool = True, folder: int | None = None) -> None:
        self.path = path
        self._stack = contextlib.ExitStack()
        self._algorithm_fds: dict[str, int] = {}
        try:
            if folder is not None:
                self._root = os.open(".", _DIRECTORY, dir_fd=folder)
            else:
                self._root = os.open(path, _DIRECTORY | (0 if follow else os.O_NOFOLLOW))
        except OSError as exc:
            raise LayoutInvalid(
                f"Opening the layout failed: {exc.strerror}; it must be a directory that this user may read.", path=path
            ) from None
        self._stack.callback(os.close, self._root)

    def __enter__(self) -> LayoutDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def names(self) -> set[str]:
        """Return every name at the top. Raises OSError."""
        return set(os.listdir(self._root))

    def folder(self, name: str) -> t.ContextManager[int]:
        """Open a directory at the top. Raises FileNotFoundError, FileRefused, Unreadable."""
        return self._open_folder(self._root, name, name)

    def open_top(self, name: t.Literal["index.json", "oci-layout"]) -> OpenFile | None:
        """Open a file at the top; return None if there is none. Raises FileRefused, Unreadable."""
        return self._open_file(self._root, name, name)

    def open_blob(self, digest: Digest) -> OpenFile | None:
        """Open the file of this digest; return None if there is none. Raises FileRefused, Unreadable."""
        try:
            folder = self._open_algorithm(digest.algorithm)
        except FileNotFoundError:
            return None
        return self._open_file(folder, digest.encoded, f"blobs/{digest.algorithm}/{digest.encoded}")

    def blob_names(self) -> t.Iterator[str]:
        """Yield every name below blobs/, as "sha256/0123...", sorted. Raises FileRefused, Unreadable."""
        with contextlib.suppress(FileNotFoundError), self._open_folder(self._root, "blobs", "blobs") as blobs:
            for algorithm in self._list_names(blobs):
                try:
                    with self._open_folder(blobs, algorithm, f"blobs/{algorithm}") as folder:
                        names = self._list_names(folder)
                except (FileRefused, Unreadable):
                    yield algorithm
                else:
                    yield from (f"{algorithm}/{name}" for name in names)

    def _list_names(self, folder: int) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except OSError as exc:
            raise self._open_error("a directory below blobs", exc) from None

    def _open_algorithm(self, name: str) -> int:
        if name not in self._algorithm_fds:
            with self._open_folder(self._root, "blobs", "blobs") as blobs:
                self._algorithm_fds[name] = self._stack.enter_context(self._open_folder(blobs, name, f"blobs/{name}"))
        return self._algorithm_fds[name]

    @contextlib.contextmanager
    def _open_folder(self, parent: int, name: str, shown: str) -> t.Iterator[int]:
        try:
            fd = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError:
            raise
        except OSError as exc:
            raise self._open_error(shown, exc) from None
        try:
            yield fd
        finally:
            os.close(fd)

    def _open_file(self, parent: int, name: str, shown: str) -> OpenFile | None:
        try:
            fd = os.open(name, _FILE, dir_fd=parent)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise self._open_error(shown, exc) from None
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise FileRefused(f"{shown} is not a regular file; put the content itself in its place.", path=self.path)
        return OpenFile(fd, FileIdentity.of(found))

    def _open_error(self, shown: str, exc: OSError) -> FileRefused | Unreadable:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            return FileRefused(
                f"{shown} is a symbolic link or not of the expected type, and links are not followed; "
                "put the content itself in its place.",
                path=self.path,
            )
        return Unreadable(f"Opening {shown} failed: {exc.strerror}; check that this user may read it.", path=self.path)


__all__ = ("LayoutDirectory", "OpenFile")
