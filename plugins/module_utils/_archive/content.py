# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Content of an image in a file: a range of bytes of an open file, or bytes in memory.

tar_file.py, directory.py and docker_save.py return it; _module/registry/layout_source.py verifies it.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from .._base.strict_json import MAX_BYTES
from .._base.text import visible
from .._layout.errors import DocumentRefused, Unreadable

# How many bytes are read at once.
_CHUNK: t.Final = 256 * 1024
# How many bytes the kernel copies at once.
_COPIED: t.Final = 64 * 1024 * 1024


class Content(t.Protocol):
    """Bytes of known number, not verified."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    def pieces(self, offset: int = 0) -> t.Iterator[bytes]:
        """Yield the bytes from offset on. Raises Unreadable."""


@dataclass(frozen=True)
class FileRange:
    """A range of an open file. Threads may read it at the same time; it must lie in the file when it is made."""

    fd: int
    offset: int
    size: int
    path: str

    def pieces(self, offset: int = 0) -> t.Iterator[bytes]:
        """Yield the bytes from offset on. Raises Unreadable, also if the file has become shorter."""
        position, end = self.offset + offset, self.offset + self.size
        while position < end:
            piece = read_at(self.fd, position, min(_CHUNK, end - position), path=self.path)
            if not piece:
                raise self._error("it became shorter while it was read")
            position += len(piece)
            yield piece

    def copy_to(self, fd: int) -> None:
        """Append the bytes to another open file, without reading them here. Raises Unreadable, OSError."""
        position, end = self.offset, self.offset + self.size
        while position < end:
            count = os.sendfile(fd, self.fd, position, min(_COPIED, end - position))
            if not count:
                raise self._error("it became shorter while it was read")
            position += count

    def _error(self, why: str) -> Unreadable:
        return _unreadable_error(self.path, why, "try again when no process writes to it")


@dataclass(frozen=True)
class HeldBytes:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    def pieces(self, offset: int = 0) -> t.Iterator[bytes]:
        """Yield the bytes from offset on."""
        yield self.data[offset:]


def read_at(fd: int, position: int, size: int, *, path: str) -> bytes:
    """Return up to size bytes of an open file, none at its end. Raises Unreadable."""
    try:
        return os.pread(fd, size, position)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise _unreadable_error(path, reason, "check the path and the disk, then copy the file again") from None


def _unreadable_error(path: str, why: str, advice: str) -> Unreadable:
    return Unreadable(f"Reading {visible(path)} failed: {why}; {advice}.", path=visible(path))


def read_all(content: Content, *, what: str) -> bytes:
    """Return all bytes of a document; what names it. Raises DocumentRefused above 4 MiB, Unreadable."""
    if content.size > MAX_BYTES:
        raise DocumentRefused(
            f"Reading {what} failed: it has {content.size} bytes, and {MAX_BYTES} is the limit for documents."
        )
    return b"".join(content.pieces())


__all__ = ("Content", "FileRange", "HeldBytes", "read_all", "read_at")
