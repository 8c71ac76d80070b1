# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decode one header block of a tar archive: POSIX.1-2017 pax, "ustar Interchange Format", and GNU tar's variant.

reader.py decodes every header with it; sparse.py uses the number format.
"""

from __future__ import annotations

import re
import struct
import typing as t
import zlib

from ..errors import LayerInvalid

# Headers and content in a tar archive are padded to this many bytes.
BLOCK: t.Final = 512

_FIELDS: t.Final = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_CHECKSUM: t.Final = slice(148, 156)
# The checksum is that of the header with spaces in its place.
_SPACES: t.Final = 8 * 0x20
_HALF: t.Final = 256
_NUMBERS: t.Final = slice(100, 156)
# Mode, uid, gid, size, mtime and checksum as nearly all archives have them; matched at once, in a third of the time.
_USUAL_NUMBERS: t.Final = re.compile(
    rb"([0-7]{7})\0([0-7]{7})\0([0-7]{7})\0([0-7]{11})\0([0-7]{11})\0([0-7]{6})[ \0]{2}"
)

_USTAR: t.Final = b"ustar\0"
_GNU: t.Final = b"ustar "


class Header(t.NamedTuple):
    """One ustar, GNU or v7 header block with its fields decoded."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    typeflag: bytes
    linkname: bytes
    device: tuple[int, int]
    gnu: bool


class _Numbers(t.NamedTuple):
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    checksum: int = 0


def parse_header(block: bytes) -> Header:
    """Decode the 512 bytes of block; raise LayerInvalid for a wrong checksum or a field that is not a number."""
    (
        name,
        mode,
        uid,
        gid,
        size,
        mtime,
        checksum,
        flag,
        link,
        magic,
        dummy_version,
        dummy_user,
        dummy_group,
        major,
        minor,
        prefix,
    ) = _FIELDS.unpack(block)
    usual = _USUAL_NUMBERS.fullmatch(block, _NUMBERS.start, _NUMBERS.stop)
    if usual:
        numbers = _Numbers(*[int(digits, 8) for digits in usual.groups()])
        _verify_checksum(block, numbers.checksum)
    else:
        _verify_checksum(block, parse_number(checksum, "checksum"))
        numbers = _Numbers(
            parse_number(mode, "mode"),
            parse_number(uid, "uid"),
            parse_number(gid, "gid"),
            parse_number(size, "size"),
            parse_number(mtime, "mtime"),
        )
    name = _decode_text(name)
    if prefix[0] and (magic == _USTAR or (magic == _GNU and _is_prefix(prefix))):
        name = _decode_text(prefix) + b"/" + name
    is_device = flag in (b"3", b"4")
    return Header(
        name,
        numbers.mode,
        numbers.uid,
        numbers.gid,
        numbers.size,
        numbers.mtime,
        flag,
        _decode_text(link),
        (parse_number(major, "devmajor"), parse_number(minor, "devminor")) if is_device else (0, 0),
        magic == _GNU,
    )


def _is_prefix(prefix: bytes) -> bool:
    """Return whether a GNU header has a ustar prefix in the place of its times, as archives of old docker do.

    Go's archive/tar wrote such headers before 1.8, and reads them like this since.
    """
    try:
        parse_number(prefix[:12], "atime")
        parse_number(prefix[12:24], "ctime")
    except LayerInvalid:
        return _decode_text(prefix).isascii()
    return False


def _verify_checksum(block: bytes, wanted: int) -> None:
    field = block[_CHECKSUM]
    if _sum_half(block[:_HALF]) + _sum_half(block[_HALF:]) - sum(field) + _SPACES == wanted:
        return
    signed = sum(struct.unpack("512b", block)) - sum(struct.unpack("8b", field)) + _SPACES
    if signed != wanted:
        raise LayerInvalid(
            "A header in the tar archive of the layer has a wrong checksum; the image is damaged, push it again."
        )


def _sum_half(data: bytes) -> int:
    """Return the sum of at most 256 bytes.

    The lower half of an Adler-32 checksum is 1 plus the sum modulo 65521, and 256 bytes cannot reach that. It takes
    0.2 us, sum() 1.5 us.
    """
    return (zlib.adler32(data) & 0xFFFF) - 1


def sum_ascii(block: bytes) -> int:
    """Return the checksum of a header block of ASCII characters, which is its sum with spaces in the checksum field.

    Such bytes cannot reach 65521 in a whole block, so one Adler-32 checksum is enough.
    """
    return (zlib.adler32(block) & 0xFFFF) - 1 - sum(block[_CHECKSUM]) + _SPACES


def _decode_text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def parse_number(field: bytes, what: str) -> int:
    """Decode a numeric field: octal digits, or GNU base-256 if the first bit is set; an empty field is 0."""
    if field[0] & 0x80:
        return _decode_base256(field)
    digits = field.lstrip(b"\0 ").partition(b"\0")[0].rstrip(b" ")
    if not digits:
        return 0
    if digits.isdigit() and not digits.translate(None, b"01234567"):
        return int(digits, 8)
    raise LayerInvalid(
        f"A header in the tar archive of the layer has a {what} that is not an octal number: {digits!r}."
    )


def _decode_base256(field: bytes) -> int:
    """Decode a GNU large number: big-endian two's complement; the first bit marks it, the second is the sign."""
    value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    if field[0] & 0x40:
        value -= 1 << (8 * len(field) - 1)
    return value


__all__ = ("BLOCK", "Header", "parse_header", "parse_number", "sum_ascii")
