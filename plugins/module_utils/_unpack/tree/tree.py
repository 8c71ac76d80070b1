# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The files below a root directory, changed by single names in open directories and never outside the root.

changeset.py makes every change of a layer through it.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ..._base.text import Warn
from ..errors import FilesystemError, filesystem_error
from .confine import DIRECTORY, PathResolver, walk
from .descent import visit_directories
from .directory_attributes import DirectoryAttributes
from .inode_table import Scratch
from .metadata import Attributes, Attributor, set_mtime
from .prune import make_root, prune
from .remove import change_mode, remove_tree
from .selection import Selection

# The attributes of directories that an image uses but does not describe: those of moby, with a fixed time.
IMPLIED: t.Final = Attributes(0o755, 0, 0, 0, {})

# The mode of directories until finish() sets their own.
_PRIVATE: t.Final = 0o700
# The same in a tree that stays after a failure, where the next run recognises them: write permission without search
# permission allows other users nothing, so no image has a directory with this mode.
_MARKED: t.Final = 0o1702

_CACHED_DIRECTORIES: t.Final = 128


class Directory(t.NamedTuple):
    """An open directory of a tree and its inode number, which identifies it whatever path led to it."""

    descriptor: int
    inode: int


class Tree:
    """The files below a root directory, confined to it.

    Paths are relative to the root, without ., .. or empty components. Every operation is on a single name in an open
    directory and follows no symbolic link there; links in the directories above are followed inside the root. finish()
    sets the attributes of directories, since making anything in them changes their times and may need their
    permissions. With mark, directories can be recognised until then; with interrupted, finish() also completes those
    that another Tree marked and did not finish. Other file systems that are mounted in the tree are not changed. All
    methods raise OSError or FilesystemError.
    """

    def __init__(
        self,
        root: int,
        *,
        resolver: PathResolver,
        mark: bool = False,
        interrupted: bool = False,
        scratch: Scratch | None = None,
    ) -> None:
        status = os.fstat(root)
        self._root = Directory(_reopen(root), status.st_ino)
        self._device = status.st_dev
        self._resolver = resolver
        self._mark = mark
        self._interrupted = interrupted
        self._cache: dict[bytes, Directory] = {}
        self._used: set[int] = set()
        self._retired: list[int] = []
        self._attributes = DirectoryAttributes(scratch or Scratch())
        self._attributes.keep_time(status.st_ino, status.st_mtime_ns)

    def close(self) -> None:
        """Close every directory."""
        self.forget()
        self.release()
        os.close(self._root.descriptor)

    def directory(self, path: bytes, *, make: bool = False) -> Directory:
        """Return the directory at path, valid until release().

        With make, missing directories are made, and a file at one of the names in path is replaced by a directory.
        """
        found = self._cache.get(path)
        if found is None:
            found = self._find(path, make=make)
        self._used.add(found.descriptor)
        return found

    def release(self) -> None:
        """End the use of all directories that were returned."""
        self._used.clear()
        while self._retired:
            os.close(self._retired.pop())

    def forget(self) -> None:
        """Drop all cached paths, because a directory or a symbolic link was removed."""
        for directory in self._cache.values():
            self._retire(directory)
        self._cache.clear()

    def make_directory(self, parent: Directory, name: bytes, attributes: Attributes) -> None:
        """Make a directory with these attributes. An existing one is kept and gets them; anything else is replaced."""
        try:
            self._make_directory(parent.descriptor, name)
        except FileExistsError:
            if not stat.S_ISDIR(self.status(parent, name).st_mode):
                self.remove(parent, name)
                self._make_directory(parent.descriptor, name)
        status = self.status(parent, name)
        if status.st_dev == self._device:
            self._attributes.set(status.st_ino, attributes)

    def set_root(self, attributes: Attributes) -> None:
        """Set the attributes of the root directory."""
        self._attributes.set(self._root.inode, attributes)

    def keep_time(self, directory: int) -> None:
        """Remember the time of an open directory that is about to change, unless it gets attributes anyway.

        Raises FilesystemError for a directory of another file system: its inode numbers are others, and finish() does
        not reach it.
        """
        self._keep_time(os.fstat(directory))

    def _keep_time(self, status: os.stat_result) -> None:
        if status.st_dev != self._device:
            raise FilesystemError(
                "The layer changes files in a file system that is mounted in the tree; unmount it and run the"
                " task again.",
                errno=errno.errorcode[errno.EXDEV],
            )
        self._attributes.keep_time(status.st_ino, status.st_mtime_ns)

    def imply(self, inode: int) -> None:
        """Give a directory, identified by its inode number, the attributes IMPLIED."""
        self._attributes.set(inode, IMPLIED)

    def remove(self, parent: Directory, name: bytes) -> None:
        """Remove name with everything below it."""
        mode = self.status(parent, name).st_mode
        if stat.S_ISDIR(mode):
            remove_tree(parent.descriptor, name)
        else:
            os.unlink(name, dir_fd=parent.descriptor)
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            self.forget()

    def status(self, parent: Directory, name: bytes) -> os.stat_result:
        """Return the lstat(2) result for name."""
        return os.stat(name, dir_fd=parent.descriptor, follow_symlinks=False)

    def select(self, selection: Selection, *, warn: Warn) -> None:
        """Reduce a tree that was made by this one alone to a part of it. Call this after the last layer.

        Raises NothingSelected, FilesystemError.
        """
        self.forget()
        self.release()
        try:
            if selection.strip:
                attributes = self._attributes.get(make_root(self._root.descriptor, selection.strip))
                self.set_root(attributes if isinstance(attributes, Attributes) else IMPLIED)
            prune(self._root.descriptor, selection, warn=warn)
        except OSError as exc:
            raise filesystem_error(exc, doing="removing what is not selected, at", path=exc.filename or b".") from exc

    def finish(self, attributor: Attributor) -> None:
        """Set the attributes of all directories that were made, described or changed. Raises FilesystemError."""

        def settle(descriptor: int) -> None:
            status = os.fstat(descriptor)
            attributes = self._attributes.get(status.st_ino)
            if self._interrupted and not isinstance(attributes, Attributes) and self._is_unfinished(status):
                attributes = IMPLIED
            if isinstance(attributes, Attributes):
                attributor.clear_xattrs(descriptor)
                attributor.set_open(descriptor, attributes)
            elif attributes is not None:
                set_mtime(descriptor, attributes)

        try:
            visit_directories(self._root.descriptor, settle)
        except OSError as exc:
            raise filesystem_error(exc, doing="putting attributes on the directory", path=exc.filename) from exc

    def _is_unfinished(self, status: os.stat_result) -> bool:
        """Return whether another Tree made the directory and did not finish it. The root is made by the caller."""
        return status.st_ino != self._root.inode and _is_marked(status) and status.st_uid == os.geteuid()

    def _find(self, path: bytes, *, make: bool) -> Directory:
        start, names = self._split_at_cached(path)
        found = self._cache[start] if start else self._root
        for name in names:
            start = start + b"/" + name if start else name
            found = self._remember(start, self._open_child(found, name, start, make=make))
        return found

    def _split_at_cached(self, path: bytes) -> tuple[bytes, list[bytes]]:
        """Split path into the longest part that is cached and the names after it."""
        start = path
        while start and start not in self._cache:
            start = start.rpartition(b"/")[0]
        rest = path[len(start) :].strip(b"/")
        return start, rest.split(b"/") if rest else []

    def _remember(self, path: bytes, directory: Directory) -> Directory:
        if len(self._cache) >= _CACHED_DIRECTORIES:
            self._retire(self._cache.pop(next(iter(self._cache))))
        self._cache[path] = directory
        return directory

    def _retire(self, directory: Directory) -> None:
        if directory.descriptor in self._used:
            self._retired.append(directory.descriptor)
        else:
            os.close(directory.descriptor)

    def _open_child(self, parent: Directory, name: bytes, path: bytes, *, make: bool) -> Directory:
        try:
            descriptor = os.open(name, DIRECTORY, dir_fd=parent.descriptor)
        except FileNotFoundError:
            if not make:
                raise
            descriptor = self._open_implied(parent, name)
        except NotADirectoryError:
            descriptor = self._replace_or_follow(parent, name, path, make=make)
        status = os.fstat(descriptor)
        try:
            self._keep_time(status)
        except FilesystemError:
            os.close(descriptor)
            raise
        return Directory(descriptor, status.st_ino)

    def _open_implied(self, parent: Directory, name: bytes) -> int:
        self._make_implied(parent.descriptor, name)
        return os.open(name, DIRECTORY, dir_fd=parent.descriptor)

    def _make_implied(self, parent: int, name: bytes) -> None:
        self.keep_time(parent)
        self._make_directory(parent, name)
        self.imply(os.stat(name, dir_fd=parent, follow_symlinks=False).st_ino)

    def _make_directory(self, parent: int, name: bytes) -> None:
        """Make a directory with the mode that it has until finish()."""
        if self._mark:
            _make_marked(parent, name)
        else:
            os.mkdir(name, _PRIVATE, dir_fd=parent)

    def _replace_or_follow(self, parent: Directory, name: bytes, path: bytes, *, make: bool) -> int:
        """Open the target of a symbolic link, or replace anything else by a directory."""
        if stat.S_ISLNK(self.status(parent, name).st_mode):
            return self._follow_link(path, make=make)
        if not make:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        os.unlink(name, dir_fd=parent.descriptor)
        return self._open_implied(parent, name)

    def _follow_link(self, path: bytes, *, make: bool) -> int:
        try:
            return self._resolver(self._root.descriptor, path)
        except FileNotFoundError:
            if not make:
                raise
            return walk(self._root.descriptor, path, make=self._make_implied)


def _make_marked(parent: int, name: bytes) -> None:
    # mkdir(2) sets the mark itself: a run that is killed before a later chmod(2) would leave a directory without it
    umask = os.umask(0)
    try:
        os.mkdir(name, _MARKED, dir_fd=parent)
    finally:
        os.umask(umask)
    if not _is_marked(os.stat(name, dir_fd=parent, follow_symlinks=False)):  # the default ACL of parent removed bits
        change_mode(parent, name, _MARKED)


def _is_marked(status: os.stat_result) -> bool:
    # ignore the setgid bit, which a directory inherits
    return status.st_mode & 0o5777 == _MARKED


def _reopen(root: int) -> int:
    try:
        return os.open(b".", DIRECTORY, dir_fd=root)
    except OSError as exc:
        raise filesystem_error(exc, doing="opening the root of the tree", path=b".") from exc


__all__ = ("IMPLIED", "Directory", "Tree")
