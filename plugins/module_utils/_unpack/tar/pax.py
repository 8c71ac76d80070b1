# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decode the records of an extended header: POSIX.1-2017 pax, "pax Extended Header".

reader.py calls this for every header of type x or X.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import typing as t
import urllib.parse

from ..errors import LayerInvalid

_SCHILY: t.Final = b"SCHILY.xattr."
_LIBARCHIVE: t.Final = b"LIBARCHIVE.xattr."
_SPARSE: t.Final = b"GNU.sparse."
_KEYWORDS: t.Final = frozenset((b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"))
_LENGTH_DIGITS: t.Final = 8
_TIME: t.Final = re.compile(rb"(-?)([0-9]{1,20})(?:\.([0-9]*))?")
_INTEGER: t.Final = re.compile(rb"-?[0-9]{1,40}")
# Times beyond this, in either direction, are clamped: every file system clamps far earlier, and the system call takes
# at most 63 bits.
_FURTHEST_SECOND: t.Final = 2**55


@dataclasses.dataclass(frozen=True)
class Pax:
    """The records of an extended header that this collection uses.

    values holds path, linkpath, size, uid, gid and mtime where given; sparse holds the GNU.sparse records in order,
    without that prefix. Other keywords (atime, ctime, uname, gname, comment, charsets) are ignored: an unpack does not
    need them.
    """

    values: t.Mapping[bytes, bytes] = dataclasses.field(default_factory=dict)
    xattrs: t.Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    sparse: tuple[tuple[bytes, bytes], ...] = ()


def parse_pax(data: bytes) -> Pax:
    """Decode the content of an extended header; raise LayerInvalid if it is malformed."""
    values: dict[bytes, bytes] = {}
    xattrs: dict[str, bytes] = {}
    sparse: list[tuple[bytes, bytes]] = []
    for keyword, value in _split_records(data):
        if keyword in _KEYWORDS:
            values[keyword] = value
        elif keyword.startswith(_SCHILY):
            xattrs[_xattr_name(keyword[len(_SCHILY) :])] = value
        elif keyword.startswith(_LIBARCHIVE):
            name = _xattr_name(urllib.parse.unquote_to_bytes(keyword[len(_LIBARCHIVE) :]))
            xattrs.setdefault(name, _decode_base64(value))
        elif keyword.startswith(_SPARSE):
            sparse.append((keyword[len(_SPARSE) :], value))
    return Pax(values, xattrs, tuple(sparse))


def parse_integer(value: bytes, what: str) -> int:
    """Decode a decimal number of a record; raise LayerInvalid for anything else."""
    if not _INTEGER.fullmatch(value):
        raise LayerInvalid(
            f"An extended header in the tar archive of the layer has a {what} that is not a number: {value[:40]!r}."
        )
    return int(value)


def parse_time(value: bytes) -> int:
    """Decode seconds with any number of decimals to nanoseconds, rounding down; raise LayerInvalid if malformed."""
    match = _TIME.fullmatch(value)
    if not match:
        raise LayerInvalid(
            f"An extended header in the tar archive of the layer has a time that is not a number: {value[:40]!r}."
        )
    sign, seconds, decimals = match.groups()
    decimals = decimals or b""
    nanoseconds = min(int(seconds), _FURTHEST_SECOND) * 10**9 + int(decimals[:9].ljust(9, b"0"))
    if not sign:
        return nanoseconds
    below = 1 if decimals[9:].strip(b"0") else 0
    return -nanoseconds - below


def _split_records(data: bytes) -> t.Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(data):
        length, start = _record_length(data, position)
        end = position + length
        keyword, equals, value = data[start : end - 1].partition(b"=")
        if end > len(data) or start >= end or data[end - 1 : end] != b"\n" or not equals or not keyword:
            raise _header_error("a record does not end where its length says")
        yield keyword, value
        position = end


def _record_length(data: bytes, position: int) -> tuple[int, int]:
    space = data.find(b" ", position, position + _LENGTH_DIGITS + 1)
    digits = data[position:space] if space > position else b""
    if not digits.isdigit():
        raise _header_error("a record does not start with its length")
    return int(digits), space + 1


def _xattr_name(raw: bytes) -> str:
    if not raw or b"\0" in raw:
        raise _header_error("the name of an extended attribute is empty or has a NUL in it")
    return raw.decode("utf-8", "surrogateescape")


def _decode_base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error as exc:
        raise _header_error("the value of an extended attribute is not base64") from exc


def _header_error(why: str) -> LayerInvalid:
    return LayerInvalid(
        f"An extended header in the tar archive of the layer is broken: {why}; the image is damaged, push it again."
    )


__all__ = ("Pax", "parse_integer", "parse_pax", "parse_time")
