# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Make the mount points that a tree lacks, after its last layer and before its record.

What exists stays as it is, whatever it is. Symbolic links are followed inside the tree, but nothing is made where a
link leads to nothing: that place is another one than the task names. writer.py calls it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import typing as t

from ..._base.text import Warn, visible
from ..errors import MountPointInvalid, filesystem_error
from .metadata import Attributes
from .missing import Missing, find_missing, has_path
from .mount_points import MERGED_USR, VolumeWarnings

if t.TYPE_CHECKING:
    from ..limits import Budget
    from .inode_table import InodeTable
    from .metadata import Attributor
    from .mount_points import MountPoints
    from .tree import Tree

_DIRECTORIES: t.Final = "mount_points"
_FILES: t.Final = "mount_files"

# Like the directories that an image uses and does not describe: of root, with a fixed time.
_FILE: t.Final = Attributes(0o644, 0, 0, 0, {})
_LINK: t.Final = Attributes(0o777, 0, 0, 0, {})
_CREATE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# Why the way to a place does not end, by the error that says so.
_ENDLESS: t.Final = {
    errno.ELOOP: "symbolic links in the tree lead to each other, or are too many",
    errno.ENAMETOOLONG: "a symbolic link in the tree leads to a name that is too long",
}


class _Point(t.NamedTuple):
    """A place, and the option for places of its type."""

    path: str
    option: str


class _Dangling(Exception):
    """The place is behind a symbolic link that leads to nothing, which another place may change."""

    def __init__(self, error: MountPointInvalid) -> None:
        super().__init__()
        self.error = error


class PointMaker:
    """Makes mount points in a tree that is private to the caller, whose root is open as root.

    Each directory and file that is made counts as an entry of budget. digests, if given, gets that of each file: the
    inode number may be that of a removed file, whose digest it still has.
    """

    def __init__(
        self, tree: Tree, root: int, *, attributor: Attributor, budget: Budget, digests: InodeTable | None = None
    ) -> None:
        self._tree = tree
        self._root = root
        self._attributor = attributor
        self._budget = budget
        self._digests = digests

    def make(self, points: MountPoints) -> None:
        """Make all that is missing. Raises MountPointInvalid, LimitExceeded, FilesystemError.

        A place behind a dangling link is tried again after the others, which may be what the link leads to.
        """
        left = [_Point(path, _DIRECTORIES) for path in points.directories]
        left += [_Point(path, _FILES) for path in points.files]
        while left:
            dangling: dict[_Point, MountPointInvalid] = {}
            for point in left:
                try:
                    self._make(point)
                except _Dangling as exc:
                    dangling[point] = exc.error
            if len(dangling) == len(left):
                raise dangling[left[0]]
            left = list(dangling)

    def make_volumes(self, paths: t.Iterable[str], *, warn: Warn) -> None:
        """Make directories for the volumes of an image; warn of those that cannot be made.

        Raises LimitExceeded, FilesystemError.
        """
        warnings = VolumeWarnings(warn)
        for path in paths:
            try:
                self._make(_Point(path, _DIRECTORIES))
            except _Dangling as exc:
                warnings.add(_volume_warning(path, exc.error))
            except MountPointInvalid as exc:
                warnings.add(_volume_warning(path, exc))
        warnings.close()

    def _make(self, point: _Point) -> None:
        try:
            missing = _find(self._root, point)
            if missing is None:
                return
            if missing.link is not None:
                raise _Dangling(_dangling_error(point, missing))
            for dummy in missing.names:
                self._budget.add_entry()
            if point.option == _FILES:
                self._make_file(missing)
            elif missing.path in MERGED_USR and has_path(self._root, b"/usr" + missing.path):
                self._make_link(missing.names[0])
            else:
                self._tree.directory(b"/".join((*missing.where, *missing.names)), make=True)
        except OSError as exc:
            raise filesystem_error(exc, doing="making the mount point", path=point.path) from exc
        finally:
            self._tree.release()

    def _make_file(self, missing: Missing) -> None:
        *names, name = missing.names
        parent = self._tree.directory(b"/".join((*missing.where, *names)), make=True)
        fd = os.open(name, _CREATE, self._attributor.creation_mode(_FILE), dir_fd=parent.descriptor)
        try:
            self._attributor.set_file(fd, _FILE)
            if self._digests is not None:
                self._digests[os.fstat(fd).st_ino] = hashlib.sha256().digest()
        finally:
            os.close(fd)

    def _make_link(self, name: bytes) -> None:
        """Make the link to the directory of this name in /usr, as systemd does."""
        os.symlink(b"usr/" + name, name, dir_fd=self._root)
        self._attributor.set_symlink(self._root, name, _LINK)


def _find(root: int, point: _Point) -> Missing | None:
    try:
        return find_missing(root, point.path.encode())
    except NotADirectoryError as exc:
        at = visible(t.cast(bytes, exc.filename))
        remedy = f"choose another path in the option {point.option}, or build the image without {at}"
        raise _error(point, f"{at} in the tree is not a directory", remedy) from None
    except OSError as exc:
        why = _ENDLESS.get(exc.errno or 0)
        if why is None:
            raise
        raise _error(point, why, f"choose another path in the option {point.option}") from None


def _dangling_error(point: _Point, missing: Missing) -> MountPointInvalid:
    link, first = visible(b"/" + t.cast(bytes, missing.link)), missing.before_up
    target, option = (missing.path, point.option) if first is None else (first, _DIRECTORIES)
    why = f"{link} in the tree is a symbolic link to something that the tree does not have"
    return _error(point, why, f"add {visible(target)} to the option {option}")


def _error(point: _Point, why: str, remedy: str) -> MountPointInvalid:
    shown = visible(point.path)
    message = f"The mount point {shown} cannot be made: {why}; {remedy}."
    return MountPointInvalid(message, path=shown, option=point.option)


def _volume_warning(path: str, error: MountPointInvalid) -> str:
    return f"The volume {visible(path)} of the image gets no directory in the tree. {error.message}"


__all__ = ("PointMaker",)
