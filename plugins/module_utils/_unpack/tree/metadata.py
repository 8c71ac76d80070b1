# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Set owner, mode, times and extended attributes of what the unpacker makes.

changeset.py, tree.py and writer.py share one Attributor.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ..._base.text import Warn, visible
from ..errors import OwnerNotMapped
from .inode_table import InodeTable
from .reach import change_mode, reached

XattrPolicy = t.Literal["keep", "require", "skip"]

MODE_BITS: t.Final = 0o7777
_PERMISSIONS: t.Final = 0o777
_PERMISSIONS_AND_STICKY: t.Final = 0o1777
# The mode of a file that is not complete, in a tree that other users can reach, or that gets extended attributes.
_UNFINISHED: t.Final = 0o600
# Times beyond this, in either direction, are clamped: every file system clamps far earlier, and the system call takes
# at most 63 bits of seconds.
_FURTHEST: t.Final = 2**55 * 10**9

# Attributes that belong to the host's policy or to one file system, not to an image; umoci skips the same ones.
_FOREIGN_XATTRS: t.Final = frozenset(("security.selinux", "system.nfs4_acl"))

# These would change what an overlay mount over the tree shows.
_OVERLAY_XATTRS: t.Final = ("trusted.overlay.", "user.overlay.")

_UNSUPPORTED: t.Final = frozenset((errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ERANGE, errno.E2BIG))


class Attributes(t.NamedTuple):
    """The metadata of a file, directory or device node; mtime in nanoseconds since the epoch."""

    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: t.Mapping[str, bytes]


class Wanted(t.Protocol):
    """What has attributes: Attributes, or an entry of an archive."""

    @property
    def mode(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def mtime(self) -> int: ...
    @property
    def xattrs(self) -> t.Mapping[str, bytes]: ...


class Attributor:
    """Sets Attributes on what was just made, in the only order that keeps them all.

    chown(2) clears the setuid and setgid bits and security.capability, so the owner comes first, then extended
    attributes, then times, and last the mode, which marks a directory as finished. No method follows a symbolic link.
    Raises OSError for what the kernel refuses. For extended attributes the policy xattrs decides: keep makes a refusal
    a warning, require an error; skip sets none. marked receives the inode numbers of all that got extended attributes.

    private says that no other user can reach the tree. Then files without extended attributes are created with their
    mode, and what the kernel has set as it is wanted is not set again: a chown(2) and a chmod(2) less for nearly all
    files, 2 of 14 us. Any other file gets its permissions last, when it is complete.
    """

    def __init__(
        self,
        *,
        ownership: bool,
        xattrs: XattrPolicy,
        warn: Warn,
        marked: InodeTable | None = None,
        private: bool = False,
    ) -> None:
        self._private = private
        self._ownership = ownership
        self._xattrs = xattrs
        self._warn = warn
        self._warned: set[str] = set()
        self.marked = marked

    def filter_xattrs(self, wanted: Attributes) -> Attributes:
        """Return wanted without the extended attributes that the policy skips."""
        return wanted._replace(xattrs={}) if self._xattrs == "skip" else wanted

    def creation_mode(self, wanted: Wanted) -> int:
        """Return the mode to create a regular file with, which set_file() gets these attributes for."""
        # only root may set the attributes of a file that its owner may not write to
        if wanted.xattrs or not self._private:
            return _UNFINISHED
        # setuid and setgid only ever follow the owner
        return wanted.mode & _PERMISSIONS

    def set_file(self, descriptor: int, wanted: Wanted) -> None:
        """Set the attributes of a regular file, which is open and was created with creation_mode().

        Without its owner, a file loses setuid and setgid: it must not run as the user who owns it instead.
        """
        mode = wanted.mode & (MODE_BITS if self._ownership else _PERMISSIONS_AND_STICKY)
        if not self._private or wanted.xattrs:
            self._set(descriptor, wanted, mode)
            return
        # of each file: a network or FUSE file system may give two files of a directory different owners
        status = os.fstat(descriptor)
        if self._ownership and (status.st_uid != wanted.uid or status.st_gid != wanted.gid):
            _change_owner(descriptor, wanted)
        set_mtime(descriptor, wanted.mtime)
        # a chown(2) can only have cleared setuid and setgid, which a new file does not have
        if status.st_mode & MODE_BITS != mode:
            os.fchmod(descriptor, mode)

    def set_open(self, descriptor: int, wanted: Wanted) -> None:
        """Set attributes as they are; set_file() clears setuid and setgid first where owners are not set."""
        self._set(descriptor, wanted, wanted.mode & MODE_BITS)

    def _set(self, descriptor: int, wanted: Wanted, mode: int) -> None:
        if self._ownership:
            _change_owner(descriptor, wanted)
        if wanted.xattrs:
            self._set_xattrs(descriptor, wanted.xattrs)
        set_mtime(descriptor, wanted.mtime)
        os.fchmod(descriptor, mode)

    def set_symlink(self, directory: int, name: bytes, wanted: Wanted) -> None:
        """Set the attributes of a symbolic link, which has no mode of its own."""
        if self._ownership:
            _change_owner(name, wanted, dir_fd=directory, follow_symlinks=False)
        if wanted.xattrs:
            with reached(directory, name) as path:
                self._set_xattrs(path, wanted.xattrs)
        os.utime(name, ns=_times(wanted.mtime), dir_fd=directory, follow_symlinks=False)

    def set_node(self, directory: int, name: bytes, wanted: Wanted) -> None:
        """Set the attributes of a device node or fifo without opening it.

        An open could block, or make a driver act.
        """
        if self._ownership:
            _change_owner(name, wanted, dir_fd=directory, follow_symlinks=False)
        if wanted.xattrs:
            with reached(directory, name) as path:
                self._set_xattrs(path, wanted.xattrs)
        _change_mode(directory, name, wanted.mode & MODE_BITS)
        os.utime(name, ns=_times(wanted.mtime), dir_fd=directory, follow_symlinks=False)

    def clear_xattrs(self, descriptor: int) -> None:
        """Remove the extended attributes of an open directory before an upper layer sets its own.

        An attribute that cannot be removed, such as the label of a security module, does not come from an image.
        """
        if self._xattrs == "skip":
            return
        for name in self._list_xattrs(descriptor):
            if not is_foreign(name):
                self._remove_xattr(descriptor, name)

    def _remove_xattr(self, descriptor: int, name: str) -> None:
        try:
            os.removexattr(descriptor, name)
        except OSError as exc:
            if exc.errno not in _UNSUPPORTED:
                raise

    def _list_xattrs(self, descriptor: int) -> list[str]:
        try:
            return os.listxattr(descriptor)
        except OSError as exc:
            if exc.errno != errno.ENOTSUP:
                raise
            return []

    def _set_xattrs(self, where: int | bytes, xattrs: t.Mapping[str, bytes]) -> None:
        if self._xattrs == "skip":
            return
        if self.marked is not None:
            self.marked[os.stat(where, follow_symlinks=isinstance(where, int)).st_ino] = b""
        for name, value in xattrs.items():
            if is_foreign(name):
                self._warn_once(name, "it belongs to the host, not to an image")
                continue
            try:
                raw = name.encode("utf-8", "surrogateescape")  # independent of the host's locale
                os.setxattr(where, raw, value, follow_symlinks=isinstance(where, int))
            except OSError as exc:
                if self._xattrs == "require" or exc.errno not in _UNSUPPORTED:
                    raise
                self._warn_once(name, os.strerror(exc.errno or 0))

    def _warn_once(self, name: str, why: str) -> None:
        if name not in self._warned and len(self._warned) < 100:
            self._warned.add(name)
            self._warn(f"The extended attribute {visible(name)} of the image was not set: {why}.")


def _change_owner(where: int | bytes, wanted: Wanted, **options: t.Any) -> None:
    try:
        if isinstance(where, int):
            os.fchown(where, wanted.uid, wanted.gid)
        else:
            os.chown(where, wanted.uid, wanted.gid, **options)
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            raise OwnerNotMapped(wanted.uid, wanted.gid) from exc
        raise


def set_mtime(descriptor: int, mtime: int) -> None:
    """Set both times of an open file or directory to mtime, in nanoseconds since the epoch, clamped."""
    if not -_FURTHEST < mtime < _FURTHEST:
        mtime = clamp_time(mtime)
    os.utime(descriptor, ns=(mtime, mtime))


def _times(mtime: int) -> tuple[int, int]:
    mtime = clamp_time(mtime)
    return mtime, mtime


def clamp_time(mtime: int) -> int:
    """Return mtime, limited to the range that can be set."""
    return max(-_FURTHEST, min(mtime, _FURTHEST))


def is_foreign(name: str) -> bool:
    """Return whether an extended attribute belongs to the host or the file system, and not to an image."""
    return name in _FOREIGN_XATTRS or name.startswith(_OVERLAY_XATTRS)


def _change_mode(directory: int, name: bytes, mode: int) -> None:
    if stat.S_IMODE(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode) == mode:
        return
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        change_mode(descriptor, mode)
    finally:
        os.close(descriptor)


__all__ = ("MODE_BITS", "Attributes", "Attributor", "XattrPolicy", "clamp_time", "is_foreign", "set_mtime")
