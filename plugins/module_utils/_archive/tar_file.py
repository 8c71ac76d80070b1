# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The members of a tar archive, found by one pass over its headers; their content stays where it is.

The formats are those of the reader of layers (_unpack/tar). Nothing is extracted, so names are only keys: those that
are absolute or have a part ".." are left out, and links are not followed.
"""

from __future__ import annotations

import os
import typing as t

from .._base.text import quote, visible
from .._unpack.errors import UnpackError
from .._unpack.tar.reader import TarReader
from .._unpack.tar.stream import ByteStream
from .content import FileRange, read_at
from .errors import ArchiveInvalid

if t.TYPE_CHECKING:
    from .._unpack.tar.entry import Entry

# Of all headers of an archive together: 43,000 members with extended headers, 130,000 without.
MAX_HEADER_BYTES: t.Final = 64 * 1024 * 1024
# Longer names are left out: those of an image have 80 bytes.
_MAX_NAME: t.Final = 512


class Member(t.NamedTuple):
    """A member of an archive: where its content is. fault says why the content cannot be used, None if it can."""

    offset: int
    size: int
    fault: str | None
    is_link: bool = False


class TarFile:
    """The members of an open tar archive that are not directories. Raises ArchiveInvalid, also for a truncated one."""

    def __init__(self, fd: int, *, path: str) -> None:
        self.path = path
        self._fd = fd
        self.members: dict[str, Member] = {}
        stream = _HeaderStream(fd, path)
        try:
            for entry in TarReader(stream).entries():
                self._add(entry, stream.position)
        except UnpackError as exc:
            why = f"its tar headers are invalid near byte {stream.position}"
            raise invalid_error(path, why, "copy or save it again") from exc

    def _add(self, entry: Entry, offset: int) -> None:
        name = _plain_name(entry.path)
        if name is None or entry.kind == "directory":
            return
        if name in self.members:
            self.members[name] = Member(0, 0, "is in the archive more than once")
        elif entry.kind in ("hardlink", "symlink"):
            self.members[name] = Member(0, 0, "is a link, and links are not followed", is_link=True)
        elif entry.kind != "file" or entry.sparse is not None:
            self.members[name] = Member(0, 0, "is a sparse or special file")
        else:
            self.members[name] = Member(offset, entry.size, None)

    def file(self, name: str) -> FileRange | None:
        """Return the content of a member, None if there is none. Raises ArchiveInvalid for a link or a doubled one."""
        member = self.members.get(name)
        if member is None:
            return None
        if member.fault is not None:
            raise invalid_error(self.path, f"{quote(name)} {member.fault}", "save the image again")
        return FileRange(self._fd, member.offset, member.size, self.path)


def invalid_error(path: str, why: str, advice: str) -> ArchiveInvalid:
    """Return the error for an archive; the caller raises it."""
    return ArchiveInvalid(f"Reading the archive {visible(path)} failed: {why}; {advice}.", path=visible(path))


def _plain_name(raw: bytes) -> str | None:
    if len(raw) > _MAX_NAME or raw.startswith(b"/"):
        return None
    parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
    try:
        return None if b".." in parts or not parts else b"/".join(parts).decode("utf-8")
    except UnicodeDecodeError:
        return None


class _HeaderStream(ByteStream):
    """Reads the headers of an archive in an open file, and moves over the content between them."""

    def __init__(self, fd: int, path: str) -> None:
        super().__init__(iter(()))
        self._fd, self._path = fd, path
        self._size = os.fstat(fd).st_size
        self._read = 0
        self.position = 0

    def block(self, size: int) -> bytes:
        """Return the next size bytes, none at the end of the file. Raises ArchiveInvalid, Unreadable."""
        if self.position == self._size:
            return b""
        start = self.position
        self.skip(size)
        self._read += size
        if self._read > MAX_HEADER_BYTES:
            raise invalid_error(
                self._path, f"it has more than {MAX_HEADER_BYTES} bytes of tar headers", "use one with fewer members"
            )
        data = read_at(self._fd, start, size, path=self._path)
        if len(data) != size:
            raise invalid_error(self._path, "it became shorter while it was read", "try again")
        return data

    def pieces(self, size: int) -> t.Iterable[bytes]:
        """Return the next size bytes. Raises ArchiveInvalid."""
        return (self.block(size),) if size else ()

    def skip(self, size: int) -> None:
        """Move over the next size bytes. Raises ArchiveInvalid if the file ends before."""
        if size > self._size - self.position:
            raise invalid_error(self._path, "it is truncated", "copy or save it again")
        self.position += size


__all__ = ("MAX_HEADER_BYTES", "Member", "TarFile", "invalid_error")
