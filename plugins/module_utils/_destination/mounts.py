# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The mount points that this process sees: proc_pid_mountinfo(5).

place.py, location.py and os_errors.py ask it.
"""

from __future__ import annotations

import os
import re
import typing as t

_MOUNTINFO: t.Final = "/proc/self/mountinfo"
_ESCAPE: t.Final = re.compile(rb"\\([0-7]{3})")


class Mounts:
    """The mount points of file systems, or of parts of them, for this process."""

    def __init__(self, points: t.Iterable[bytes]) -> None:
        self._points = frozenset(points)

    @classmethod
    def read(cls) -> Mounts:
        """Read the mount points from the kernel; without /proc, only / is known."""
        try:
            with open(_MOUNTINFO, "rb") as file:
                return cls.parse(file.read())
        except OSError:
            return cls((b"/",))

    @classmethod
    def parse(cls, mountinfo: bytes) -> Mounts:
        """Parse mountinfo: the fifth field of every line. Lines without it are skipped."""
        lines = (line.split(b" ", 5) for line in mountinfo.splitlines())
        return cls(_ESCAPE.sub(_unescape, fields[4]) for fields in lines if len(fields) > 5)

    def at(self, path: str) -> bool:
        """Return whether something is mounted at the canonical path."""
        return os.fsencode(path) in self._points

    def below(self, path: str) -> frozenset[bytes]:
        """Return the mount points below the canonical path, relative to it."""
        start = os.fsencode(path).rstrip(b"/") + b"/"
        return frozenset(point[len(start) :] for point in self._points if point.startswith(start) and point != b"/")

    def holding(self, path: str) -> str:
        """Return the mount point of the file system that holds the canonical path."""
        encoded = os.fsencode(path).rstrip(b"/") + b"/"
        holders = (point for point in self._points if encoded.startswith(point.rstrip(b"/") + b"/"))
        return os.fsdecode(max(holders, key=len, default=b"/"))


def mount_id(fd: int) -> str | None:
    """Return what identifies the mount that an open file or directory was reached through; None without /proc."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return None
    found = fields.get("mnt_id")
    return None if found is None else found.strip()


def _unescape(found: re.Match[bytes]) -> bytes:
    return bytes((int(found.group(1), 8) & 0xFF,))


__all__ = ("Mounts", "mount_id")
