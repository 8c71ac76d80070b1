# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Write a private directory tree as a tar archive whose bytes depend on the tree alone.

The root is the member "./". Each directory is followed by what is in it, in the order of the bytes of the names. All
names of a file but the first are hard links to that one. _module/export/run.py writes the tree of an image with it.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import stat
import struct
import typing as t

from .._unpack.errors import filesystem_error
from .._unpack.tree.descent import Descent, Names
from .._unpack.tree.inode_table import InodeTable, Scratch
from .._unpack.tree.metadata import is_foreign
from .._unpack.tree.reach import change_mode, reached
from .content import FileRange
from .tar_header import BLOCK, Header
from .tar_writer import END, Output

# How many names of a directory are sorted at once: each takes 200 bytes while it is sorted.
_SORTED_NAMES: t.Final = 131072
_FILE: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK: t.Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS: t.Final = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}
_HARD_LINK: t.Final = b"1"
# Where the first name of a file is in the scratch file, and how long it is.
_PLACE: t.Final = struct.Struct("<QQ")
_UNSUPPORTED: t.Final = (errno.ENOTSUP, errno.ENODATA)


class TreeTar:
    """The tree of the directory open as root, which no other process changes, as a tar archive.

    Without ownership, all members belong to user and group 0; without xattrs, they have no extended attributes. Files
    and directories that deny access to this user, who owns them, are made accessible; what is written is the mode that
    they had. Memory holds the names of the directories on the way to a file, scratch the names of files that have
    several.
    """

    def __init__(self, root: int, *, ownership: bool, xattrs: bool, scratch: Scratch) -> None:
        self._root, self._status = root, os.fstat(root)
        self._ownership, self._xattrs = ownership, xattrs
        self._scratch = scratch
        self._first_names = InodeTable(_PLACE.size, scratch)
        self._parts: list[bytes] = []

    def root_header(self) -> Header:
        """Return the header of the first member, the root. Raises FilesystemError."""
        with self._translated():
            return self._header(b"./", self._status, self._read_xattrs(self._root))

    def write(self, output: Output) -> None:
        """Write the members after the root, and the end of the archive. Raises FilesystemError, what output raises."""
        with self._translated():
            if self._status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
                with contextlib.suppress(PermissionError):
                    os.fchmod(self._root, stat.S_IRWXU)
            with Descent(self._root) as here:
                self._write_content(here, output)
        output.write(END)

    @contextlib.contextmanager
    def _translated(self) -> t.Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise filesystem_error(exc, doing="reading the unpacked file", path=self._path(b".")) from exc

    def _write_content(self, here: Descent, output: Output) -> None:
        """Write what is in a directory, depth first, without recursion."""
        left = [SortedNames(here.descriptor)]
        while left:
            name = left[-1].next(here.descriptor)
            if name is None:
                left.pop()
                if left:
                    here.leave()
                    self._parts.pop()
                continue
            self._parts.append(name)
            status = os.stat(name, dir_fd=here.descriptor, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._enter(here, name, status, output)
                left.append(SortedNames(here.descriptor))
            else:
                self._write_file(here.descriptor, name, status, output)
                self._parts.pop()

    def _enter(self, here: Descent, name: bytes, status: os.stat_result, output: Output) -> None:
        if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with contextlib.suppress(PermissionError):
                _allow(here.descriptor, name, stat.S_IRWXU)
        here.enter(name)
        output.write(self._header(self._path() + b"/", status, self._read_xattrs(here.descriptor)).to_bytes())

    def _write_file(self, directory: int, name: bytes, status: os.stat_result, output: Output) -> None:
        """Write a member that is not a directory."""
        path = self._path()
        first = self._first_name(path, status) if status.st_nlink > 1 else None
        if first is not None:
            header = self._header(path, status, {})
            output.write(header._replace(kind=_HARD_LINK, size=0, target=first).to_bytes())
        elif stat.S_ISREG(status.st_mode):
            with _opened(directory, name, status) as descriptor:
                self._write_regular(descriptor, path, status, output)
        else:
            with reached(directory, name) as where:
                header = self._header(path, status, self._read_xattrs(where))
            if stat.S_ISLNK(status.st_mode):
                header = header._replace(target=os.readlink(name, dir_fd=directory))
            output.write(header.to_bytes())

    def _write_regular(self, descriptor: int, path: bytes, status: os.stat_result, output: Output) -> None:
        size = status.st_size
        output.write(self._header(path, status, self._read_xattrs(descriptor)).to_bytes())
        if size:
            output.copy(FileRange(descriptor, 0, size, os.fsdecode(path)))
            output.write(b"\0" * (-size % BLOCK))

    def _header(self, path: bytes, status: os.stat_result, xattrs: t.Mapping[bytes, bytes]) -> Header:
        mode = status.st_mode
        is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        return Header(
            path,
            _KINDS[stat.S_IFMT(mode)],
            stat.S_IMODE(mode),
            uid=status.st_uid if self._ownership else 0,
            gid=status.st_gid if self._ownership else 0,
            size=status.st_size if stat.S_ISREG(mode) else 0,
            mtime=status.st_mtime_ns,
            device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
            xattrs=xattrs,
        )

    def _first_name(self, path: bytes, status: os.stat_result) -> bytes | None:
        """Return the name that the file was written with; None if it was not, and then note path as that name."""
        found = self._first_names.get(status.st_ino)
        if found is not None:
            return self._scratch.get(*_PLACE.unpack(found))
        self._first_names[status.st_ino] = _PLACE.pack(self._scratch.put(path), len(path))
        return None

    def _read_xattrs(self, where: int | bytes) -> dict[bytes, bytes]:
        """Return the extended attributes that an image can have set."""
        if not self._xattrs:
            return {}
        follow = isinstance(where, int)
        try:
            names = os.listxattr(where, follow_symlinks=follow)
            wanted = [os.fsencode(name) for name in names if not is_foreign(name)]
            return {name: os.getxattr(where, name, follow_symlinks=follow) for name in wanted}
        except OSError as exc:
            if exc.errno not in _UNSUPPORTED:
                raise
            return {}

    def _path(self, default: bytes = b"") -> bytes:
        return b"/".join(self._parts) or default


class SortedNames:
    """The names in a directory, sorted, of which at most most are in memory. The directory must not change."""

    def __init__(self, descriptor: int, *, most: int = _SORTED_NAMES) -> None:
        self._most = most
        self._names = Names()
        self._last = b""
        self._is_complete = False
        self._read(descriptor)

    def next(self, descriptor: int) -> bytes | None:
        """Return the next name, None after the last one. descriptor is the open directory."""
        if not self._names and not self._is_complete:
            self._read(descriptor)
        return self._names.pop() if self._names else None

    def _read(self, descriptor: int) -> None:
        with os.scandir(descriptor) as found:
            all_names = (os.fsencode(item.name) for item in found)
            names = heapq.nsmallest(self._most, (name for name in all_names if name > self._last))
        self._is_complete = len(names) < self._most
        self._last = names[-1] if names else self._last
        self._names = Names(reversed(names))


@contextlib.contextmanager
def _opened(directory: int, name: bytes, status: os.stat_result) -> t.Iterator[int]:
    try:
        descriptor = os.open(name, _FILE, dir_fd=directory)
    except PermissionError:
        mode = stat.S_IMODE(status.st_mode)
        _allow(directory, name, stat.S_IRUSR)
        descriptor = os.open(name, _FILE, dir_fd=directory)
        os.fchmod(descriptor, mode)  # another name of the file is written with it
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _allow(directory: int, name: bytes, mode: int) -> None:
    """Set the mode of a file or directory of this user."""
    descriptor = os.open(name, _LOOK, dir_fd=directory)
    try:
        change_mode(descriptor, mode)
    finally:
        os.close(descriptor)


__all__ = ("SortedNames", "TreeTar")
