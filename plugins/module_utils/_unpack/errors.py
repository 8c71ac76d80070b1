# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import errno
import os

from .._base.errors import CollectionError
from .._base.text import path_text


class UnpackError(CollectionError):
    """A layer could not be put on disk, or a destination is not as it must be."""

    kind = "unpack"


class LayerInvalid(UnpackError):
    """The bytes of a layer are not a valid compressed stream, tar archive or changeset."""

    kind = "layer_invalid"


class LimitExceeded(UnpackError):
    """A layer asks for more than a limit allows; fields limit and maximum."""

    kind = "limit_exceeded"


class DiffIdMismatch(UnpackError):
    """The decompressed layer is not the one that the image config names; fields expected, actual."""

    kind = "diff_id_mismatch"


class CompressionUnavailable(UnpackError):
    """No library on this host can decompress the layer; field library."""

    kind = "dependency_missing"


class DestinationError(UnpackError):
    """The destination may not be used, or its state directory is not as it must be."""

    kind = "destination"


class Locked(UnpackError):
    """Another run holds the destination."""

    kind = "locked"


class FilesystemError(UnpackError):
    """The operating system refused an operation; field errno is its symbolic name."""

    kind = "filesystem"


class NoSpace(FilesystemError):
    """The file system, or the quota, is full."""

    kind = "no_space"


class OwnerNotMapped(OSError):
    """The user namespace that the task runs in has no such owner: chown(2) says EINVAL."""

    def __init__(self, uid: int, gid: int) -> None:
        super().__init__(errno.EINVAL, os.strerror(errno.EINVAL))
        self.uid = uid
        self.gid = gid


_REMEDIES = {
    errno.ENOSPC: "free some space there, or choose a destination on a larger file system",
    errno.EDQUOT: "raise the quota, or choose a destination on another file system",
    errno.EROFS: "choose a destination on a file system that is mounted read-write",
    errno.EACCES: "run the task as a user that may write there (become: true)",
    errno.EPERM: "run the task as root (become: true), or skip what needs root with ownership: false and devices: skip",
    errno.ENAMETOOLONG: "the file system cannot hold that name; choose a destination on another one",
    errno.ENOSYS: "mount /proc, without which this needs Linux 6.6 or later",
    errno.EMFILE: "raise the limit of open files of the user that runs the task",
}


def filesystem_error(error: OSError, *, doing: str, path: str | bytes) -> FilesystemError:
    """Returns the error to raise for error, met while doing something to path."""
    number = error.errno or 0
    name = errno.errorcode.get(number, str(number))
    shown = printable(path)
    if isinstance(error, OwnerNotMapped):
        return FilesystemError(
            f"While {doing} {shown}: it belongs to the user id {error.uid} and the group id {error.gid}, and the user"
            " namespace that the task runs in does not map both of them; map more ids to it (/etc/subuid, /etc/subgid),"
            " run the task outside of it, or set ownership: false, which gives every file to the user of the task.",
            path=shown,
            errno=name,
        )
    remedy = _REMEDIES.get(number, "check the file system and the permissions there")
    kind = NoSpace if number in (errno.ENOSPC, errno.EDQUOT) else FilesystemError
    return kind(f"While {doing} {shown}: {os.strerror(number)} ({name}); {remedy}.", path=shown, errno=name)


def printable(path: str | bytes, *, maximum: int = 256) -> str:
    """Returns path as text that is safe to show: what cannot be printed is escaped, and its length is bounded."""
    text = path_text(os.fsdecode(path) if isinstance(path, bytes) else path)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: maximum + 1])
    return shown if len(shown) <= maximum else shown[: maximum - 3] + "..."


__all__ = (
    "CompressionUnavailable",
    "DestinationError",
    "DiffIdMismatch",
    "FilesystemError",
    "LayerInvalid",
    "LimitExceeded",
    "Locked",
    "NoSpace",
    "OwnerNotMapped",
    "UnpackError",
    "filesystem_error",
    "printable",
)
