# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Digests of the content and the extended attributes of one file, and whether a directory can be listed.

record.py, hashing.py and _destination/drift.py call this.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import typing as t

from ..tree.reach import reached

_OPEN: t.Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE: t.Final = 256 * 1024
# The attributes that the host's own policy sets on files.
_SYSTEM_XATTRS: t.Final = frozenset(("security.selinux", "security.ima", "security.evm", "system.nfs4_acl"))

# What digest_xattrs() returns for a file without extended attributes.
NO_XATTRS: t.Final = hashlib.sha256().digest()


def digest_file(dir_fd: int, name: str) -> bytes:
    """Return the SHA-256 digest of a regular file; follow no link. Raises OSError, EINVAL for any other type."""
    fd = os.open(name, _OPEN, dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        digest = hashlib.sha256()
        while True:
            piece = os.read(fd, _PIECE)
            if not piece:
                return digest.digest()
            digest.update(piece)
    finally:
        os.close(fd)


def digest_xattrs(dir_fd: int, name: str) -> bytes:
    """Return a SHA-256 digest of the extended attributes, names and values, without those of the host's policy.

    Follows no link. On a file system without extended attributes there are none. Raises OSError.
    """
    with reached(dir_fd, os.fsencode(name)) as path:
        return _digest_xattrs(path)


def _digest_xattrs(path: bytes) -> bytes:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as exc:
        if exc.errno != errno.ENOTSUP:
            raise
        names = []
    if not names:
        return NO_XATTRS
    digest = hashlib.sha256()
    for attribute in sorted(names):
        if attribute not in _SYSTEM_XATTRS:
            value = os.getxattr(path, attribute, follow_symlinks=False)
            digest.update(b"%s\0%d\0%s" % (os.fsencode(attribute), len(value), value))
    return digest.digest()


def can_list(dir_fd: int, name: str) -> bool:
    """Return whether this user may list a directory and call lstat(2) on its entries."""
    mode = os.R_OK | os.X_OK
    return os.access(name, mode, dir_fd=dir_fd, effective_ids=True, follow_symlinks=False)


__all__ = ("NO_XATTRS", "can_list", "digest_file", "digest_xattrs")
