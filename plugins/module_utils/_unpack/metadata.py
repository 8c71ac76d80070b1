# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .errors import OwnerNotMapped, printable
from .inode_table import InodeTable
from .reach import change_mode, reached

Warn = t.Callable[[str], None]
XattrPolicy = t.Literal["keep", "require", "skip"]

MODE_BITS = 0o7777
_SET_ID_BITS = 0o6000
_FURTHEST = 2**55 * 10**9
"""Times beyond are clamped: every file system clamps far earlier, and the system call takes no more than 63 bits of
seconds."""

_FOREIGN_XATTRS = frozenset(("security.selinux", "system.nfs4_acl"))
"""What belongs to the host's policy or to one file system, not to an image; umoci leaves out the same."""

_OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")
"""Would change what an overlay mount over the tree shows."""

_UNSUPPORTED = frozenset((errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ERANGE, errno.E2BIG))


class Attributes(t.NamedTuple):
    """What a file, directory or device node carries besides its content; mtime in nanoseconds since the epoch."""

    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: t.Mapping[str, bytes]


class Attributor:
    """Puts Attributes on what was just made, in the one order that keeps them all.

    chown(2) clears the setuid and setgid bits and security.capability, so that the owner comes first, then extended
    attributes, then times, and last the mode, by which a directory is known that a run did not finish. Nothing here
    follows a symbolic link. OSError is raised for what the kernel refuses, but for extended attributes, where xattrs
    says what a refusal means: with keep a warning, with require an error; skip sets none. marked receives the inode
    numbers of what was given extended attributes.
    """

    def __init__(self, *, ownership: bool, xattrs: XattrPolicy, warn: Warn, marked: InodeTable | None = None) -> None:
        self._ownership = ownership
        self._xattrs = xattrs
        self._warn = warn
        self._warned: set[str] = set()
        self.marked = marked

    def kept(self, wanted: Attributes) -> Attributes:
        """Returns wanted without what the policy for extended attributes leaves out anyway."""
        return wanted._replace(xattrs={}) if self._xattrs == "skip" else wanted

    def set_file(self, descriptor: int, wanted: Attributes) -> None:
        """For an open regular file. Without its owner it must not run as whoever owns it instead."""
        self.set_open(descriptor, wanted if self._ownership else wanted._replace(mode=wanted.mode & ~_SET_ID_BITS))

    def set_open(self, descriptor: int, wanted: Attributes) -> None:
        """For an open directory, and all that set_file does besides."""
        if self._ownership:
            _change_owner(descriptor, wanted)
        if wanted.xattrs:
            self._set_xattrs(descriptor, wanted.xattrs)
        set_mtime(descriptor, wanted.mtime)
        os.fchmod(descriptor, wanted.mode & MODE_BITS)

    def set_symlink(self, directory: int, name: bytes, wanted: Attributes) -> None:
        """For a symbolic link, which has no mode of its own."""
        if self._ownership:
            _change_owner(name, wanted, dir_fd=directory, follow_symlinks=False)
        if wanted.xattrs:
            with reached(directory, name) as path:
                self._set_xattrs(path, wanted.xattrs)
        os.utime(name, ns=_times(wanted.mtime), dir_fd=directory, follow_symlinks=False)

    def set_node(self, directory: int, name: bytes, wanted: Attributes) -> None:
        """For a device node or fifo, which must not be opened: a driver could act on it, or nobody ever answer."""
        if self._ownership:
            _change_owner(name, wanted, dir_fd=directory, follow_symlinks=False)
        if wanted.xattrs:
            with reached(directory, name) as path:
                self._set_xattrs(path, wanted.xattrs)
        _change_mode(directory, name, wanted.mode & MODE_BITS)
        os.utime(name, ns=_times(wanted.mtime), dir_fd=directory, follow_symlinks=False)

    def clear_xattrs(self, descriptor: int) -> None:
        """Removes what an open directory carried before an upper layer replaced its attributes.

        What cannot be removed, such as the label of a security module, does not come from an image.
        """
        if self._xattrs == "skip":
            return
        for name in self._listed(descriptor):
            if not _is_foreign(name):
                self._remove_xattr(descriptor, name)

    def _remove_xattr(self, descriptor: int, name: str) -> None:
        try:
            os.removexattr(descriptor, name)
        except OSError as exc:
            if exc.errno not in _UNSUPPORTED:
                raise

    def _listed(self, descriptor: int) -> list[str]:
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
            if _is_foreign(name):
                self._warn_once(name, "it belongs to the host, not to an image")
                continue
            try:
                raw = name.encode("utf-8", "surrogateescape")  # whatever the locale of the host is
                os.setxattr(where, raw, value, follow_symlinks=isinstance(where, int))
            except OSError as exc:
                if self._xattrs == "require" or exc.errno not in _UNSUPPORTED:
                    raise
                self._warn_once(name, os.strerror(exc.errno or 0))

    def _warn_once(self, name: str, why: str) -> None:
        if name not in self._warned and len(self._warned) < 100:
            self._warned.add(name)
            self._warn(f"The extended attribute {printable(name)} of the image was not set: {why}.")


def _change_owner(where: int | bytes, wanted: Attributes, **options: t.Any) -> None:
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
    """Sets both times of an open file or directory to mtime nanoseconds since the epoch, clamped to what fits."""
    os.utime(descriptor, ns=_times(mtime))


def _times(mtime: int) -> tuple[int, int]:
    mtime = clamped(mtime)
    return mtime, mtime


def clamped(mtime: int) -> int:
    """Returns the time that is nearest to mtime of those that fit."""
    return max(-_FURTHEST, min(mtime, _FURTHEST))


def _is_foreign(name: str) -> bool:
    return name in _FOREIGN_XATTRS or name.startswith(_OVERLAY_XATTRS)


def _change_mode(directory: int, name: bytes, mode: int) -> None:
    if stat.S_IMODE(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode) == mode:
        return
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        change_mode(descriptor, mode)
    finally:
        os.close(descriptor)


__all__ = ("MODE_BITS", "Attributes", "Attributor", "XattrPolicy", "clamped", "set_mtime")
