# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of _unpack and _destination, and the text of those that the operating system causes."""

from __future__ import annotations

import errno
import os
import typing as t

from .._base.errors import FULL, CollectionError, errno_name, errno_remedy
from .._base.text import visible


class UnpackError(CollectionError):
    """Unpacking a layer failed, or a destination cannot be used."""

    kind = "unpack"


class LayerInvalid(UnpackError):
    """The bytes of a layer are not a valid compressed stream, tar archive or changeset."""

    kind = "layer_invalid"


class LimitExceeded(UnpackError):
    """A layer exceeds a limit. Fields: limit, maximum."""

    kind = "limit_exceeded"


class DiffIdMismatch(UnpackError):
    """The decompressed layer does not have the diff_id in the image config. Fields: expected, actual."""

    kind = "diff_id_mismatch"


class CompressionUnavailable(UnpackError):
    """No library on this host can decompress the layer. Fields: library, or module of the standard library."""

    kind = "dependency_missing"


class NothingSelected(UnpackError):
    """The options that select a part of the image leave nothing of it. Fields: option."""

    kind = "nothing_selected"


class MountPointInvalid(UnpackError):
    """A mount point cannot be made in the tree. Fields: path, option."""

    kind = "mount_point_invalid"


class DestinationError(UnpackError):
    """The destination cannot be used, or its state directory is invalid."""

    kind = "destination"


class Locked(UnpackError):
    """Another run holds the lock of the destination."""

    kind = "locked"


class FilesystemError(UnpackError):
    """The operating system refused an operation. Fields: path, errno (its symbolic name)."""

    kind = "filesystem"


class NoSpace(FilesystemError):
    """The file system or the quota is full."""

    kind = "no_space"


class OwnerNotMapped(OSError):
    """The user namespace of the task does not map this owner: chown(2) fails with EINVAL."""

    def __init__(self, uid: int, gid: int) -> None:
        super().__init__(errno.EINVAL, os.strerror(errno.EINVAL))
        self.uid = uid
        self.gid = gid


_REMEDIES: t.Final = {
    errno.EPERM: "run the task as root (become: true), or skip what needs root with ownership: false and devices: skip",
    errno.ENOSYS: "mount /proc, without which this needs Linux 6.6 or later",
}


def filesystem_error(error: OSError, *, doing: str, path: str | bytes) -> FilesystemError:
    """Return the FilesystemError for error, which was caught while doing something to path."""
    number = error.errno or 0
    name = errno_name(number)
    shown = visible(path)
    if isinstance(error, OwnerNotMapped):
        return FilesystemError(
            f"While {doing} {shown}: it belongs to the user id {error.uid} and the group id {error.gid}, and the user"
            " namespace that the task runs in does not map both of them; map more ids to it (/etc/subuid, /etc/subgid),"
            " run the task outside of it, or set ownership: false, which gives every file to the user of the task.",
            path=shown,
            errno=name,
        )
    remedy = errno_remedy(number, _REMEDIES)
    kind = NoSpace if number in FULL else FilesystemError
    return kind(f"While {doing} {shown}: {os.strerror(number)} ({name}); {remedy}.", path=shown, errno=name)


__all__ = (
    "CompressionUnavailable",
    "DestinationError",
    "DiffIdMismatch",
    "FilesystemError",
    "LayerInvalid",
    "LimitExceeded",
    "Locked",
    "MountPointInvalid",
    "NoSpace",
    "NothingSelected",
    "OwnerNotMapped",
    "UnpackError",
    "filesystem_error",
)
