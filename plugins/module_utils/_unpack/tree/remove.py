# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Remove a directory tree of any depth without following links or entering other file systems.

tree.py, _destination/store.py and _destination/publish.py call this.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from ..._base.text import visible
from ..errors import FilesystemError, filesystem_error
from . import reach
from .descent import Descent, Names

# How often other processes may add or remove files while their directory is removed.
_ATTEMPTS: t.Final = 32


def remove_tree(parent_fd: int, name: bytes) -> None:
    """Remove name in the directory parent_fd, whatever its type, with everything below it.

    A missing name is no error. Follows no symbolic link and does not enter other file systems. Needs neither recursion
    nor paths, so a tree can have any depth. Directories that deny access to their owner are made accessible first. What
    another process adds meanwhile is removed too, a bounded number of times. Raises FilesystemError, with the path that
    could not be removed as field path; the rest of the tree may be gone then.
    """
    path_parts: list[bytes] = [name]
    try:
        if not _unlink(parent_fd, name):
            _remove_directory(parent_fd, path_parts)
    except OSError as exc:
        raise _removal_error(exc, path_parts) from exc


def _remove_directory(parent_fd: int, path_parts: list[bytes]) -> None:
    """Remove the directory at path_parts; on failure, path_parts is the path that could not be removed."""
    with Descent(parent_fd) as here:
        removal = _Removal(here, path_parts)
        removal.run()


class _Removal:
    def __init__(self, here: Descent, path_parts: list[bytes]) -> None:
        self._here = here
        self._path_parts = path_parts
        self._left = [Names([path_parts.pop()])]
        self._device = os.fstat(here.descriptor).st_dev
        self._attempts = _ATTEMPTS

    def run(self) -> None:
        """Remove the directory with all that is in it, depth first, without recursion. Raises OSError."""
        while True:
            if self._left[-1]:
                self._enter_directory(self._left[-1].pop())
                continue
            self._left.pop()
            if not self._left:
                return
            self._here.leave()
            self._remove_empty()

    def _enter_directory(self, name: bytes) -> None:
        self._path_parts.append(name)
        try:
            _enter(self._here, name)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            _unlink(self._here.descriptor, name)
            self._path_parts.pop()
            return
        self._allow_access()
        self._left.append(self._remove_files())

    def _allow_access(self) -> None:
        status = os.fstat(self._here.descriptor)
        if status.st_dev != self._device:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with contextlib.suppress(PermissionError):
                os.fchmod(self._here.descriptor, stat.S_IRWXU)

    def _remove_files(self) -> Names:
        """Remove the files of this directory; return the directories that are left."""
        directories = Names()
        with os.scandir(self._here.descriptor) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                self._path_parts.append(name)
                if entry.is_dir(follow_symlinks=False) or not _unlink(self._here.descriptor, name):
                    directories.add(name)
                self._path_parts.pop()
        return directories

    def _remove_empty(self) -> None:
        name = self._path_parts[-1]
        try:
            os.rmdir(name, dir_fd=self._here.descriptor)
        except OSError as exc:
            self._attempts -= 1
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT) or not self._attempts:
                raise
            self._left[-1].add(name)  # another process added a file or removed the directory: look again
        self._path_parts.pop()


def _unlink(dir_fd: int, name: bytes) -> bool:
    """Remove a file; return False if name is a directory, which is still there."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    except PermissionError:
        # POSIX lets a system answer EPERM for a directory, and Linux answers EACCES before it looks at the type.
        if stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            return False
        raise
    return True


def _enter(here: Descent, name: bytes) -> None:
    try:
        here.enter(name)
    except PermissionError:
        change_mode(here.descriptor, name, stat.S_IRWXU)
        here.enter(name)


def change_mode(dir_fd: int, name: str | bytes, mode: int) -> None:
    """Set the mode of the directory name, which may deny all access; follow no link. Raises OSError."""
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        reach.change_mode(fd, mode)
    finally:
        os.close(fd)


def _removal_error(error: OSError, path_parts: list[bytes]) -> FilesystemError:
    path = b"/".join(path_parts)
    if error.errno == errno.EPERM and os.geteuid() == 0:
        shown = visible(path)
        return FilesystemError(
            f"While removing {shown}: {os.strerror(errno.EPERM)} (EPERM); if it or its directory carries the immutable"
            " or append-only attribute, clear that with chattr -R -i -a and run the task again.",
            path=shown,
            errno="EPERM",
        )
    return filesystem_error(error, doing="removing", path=path)


__all__ = ("change_mode", "remove_tree")
