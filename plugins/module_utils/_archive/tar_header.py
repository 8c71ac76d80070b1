# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The header of a member of a tar archive as bytes: ustar (POSIX.1-1988) with an extended header where that is needed.

The extended header is that of POSIX.1-2001, "pax Interchange Format", with extended attributes as GNU tar writes them.
tar_writer.py, tree_tar.py and mark.py write with it.
"""

from __future__ import annotations

import types
import typing as t

BLOCK: t.Final = 512
# The name of the extended header itself, which only tools that do not know such headers show.
_EXTENDED: t.Final = b"PaxHeader"
_MAX_NAME: t.Final = 100
# What 11 and 7 octal digits can state.
_MAX_LONG: t.Final = 8**11 - 1
_MAX_SHORT: t.Final = 8**7 - 1
_SECOND: t.Final = 10**9
_NO_XATTRS: t.Final[t.Mapping[bytes, bytes]] = types.MappingProxyType({})


class Header(t.NamedTuple):
    """What the header of a member says. kind is the type flag, mtime is in nanoseconds since the epoch.

    comment is what every tool ignores.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: t.Mapping[bytes, bytes] = _NO_XATTRS
    comment: bytes = b""

    def to_bytes(self) -> bytes:
        """Return the header, with an extended header in front of it if one is needed."""
        records = b"".join(self._records())
        extended = _extended_header(records) if records else b""
        size, mtime = _fitting(self.size, _MAX_LONG), _fitting(self.mtime // _SECOND, _MAX_LONG)
        name, uid, gid = self.name[:_MAX_NAME], _fitting(self.uid, _MAX_SHORT), _fitting(self.gid, _MAX_SHORT)
        target = self.target[:_MAX_NAME]
        return extended + _block(name, self.kind, self.mode, uid, gid, size, mtime, target, self.device)

    def _records(self) -> t.Iterator[bytes]:
        if self.comment:
            yield record(b"comment", self.comment)
        yield from _text_record(b"path", self.name)
        yield from _text_record(b"linkpath", self.target)
        for keyword, value, most in (
            (b"size", self.size, _MAX_LONG),
            (b"uid", self.uid, _MAX_SHORT),
            (b"gid", self.gid, _MAX_SHORT),
        ):
            if value > most:
                yield record(keyword, b"%d" % value)
        if self.mtime % _SECOND or not 0 <= self.mtime // _SECOND <= _MAX_LONG:
            yield record(b"mtime", _decimal(self.mtime))
        for name, content in sorted(self.xattrs.items()):
            # the escapes of GNU tar: the keyword ends at the first "="
            yield record(b"SCHILY.xattr." + name.replace(b"%", b"%25").replace(b"=", b"%3D"), content)


def _extended_header(records: bytes) -> bytes:
    block = _block(_EXTENDED, b"x", 0o644, 0, 0, len(records), 0, b"", (0, 0))
    return block + records + b"\0" * (-len(records) % BLOCK)


def record(keyword: bytes, value: bytes) -> bytes:
    """Return a record of an extended header, which begins with its own length."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return b"%d" % length + rest


def _text_record(keyword: bytes, text: bytes) -> t.Iterator[bytes]:
    """Yield a record for a name that the fields of ustar cannot hold as what it is.

    They have no known character set, and those of extended headers is UTF-8. A name in another one is written as it is.
    """
    if len(text) > _MAX_NAME:
        if not _is_utf8(text):
            yield record(b"hdrcharset", b"BINARY")
        yield record(keyword, text)
    elif not text.isascii() and _is_utf8(text):
        yield record(keyword, text)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decimal(nanoseconds: int) -> bytes:
    """Return a time in seconds with as many decimals as it has."""
    sign, rest = (b"-", -nanoseconds) if nanoseconds < 0 else (b"", nanoseconds)
    return sign + (b"%d.%09d" % divmod(rest, _SECOND)).rstrip(b"0").rstrip(b".")


def _fitting(value: int, most: int) -> int:
    """Return the value for a field of ustar, 0 if a record has it instead."""
    return value if 0 <= value <= most else 0


def _block(
    name: bytes,
    kind: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    target: bytes,
    device: tuple[int, int],
) -> bytes:
    start = name.ljust(_MAX_NAME, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    end = kind + target.ljust(_MAX_NAME, b"\0") + b"ustar\x0000" + b"\0" * 64 + b"%07o\0%07o\0" % device
    block = (start + b" " * 8 + end).ljust(BLOCK, b"\0")
    return start + b"%06o\0 " % sum(block) + block[len(start) + 8 :]


__all__ = ("BLOCK", "Header", "record")
