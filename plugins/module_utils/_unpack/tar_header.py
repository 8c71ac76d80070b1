# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import re
import struct
import typing as t

from .errors import LayerInvalid

BLOCK = 512
"""Everything in a tar archive is padded to this many bytes."""

_FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_CHECKSUM = slice(148, 156)
_NUMBERS = slice(100, 156)
_USUAL_NUMBERS = re.compile(rb"([0-7]{7})\0([0-7]{7})\0([0-7]{7})\0([0-7]{11})\0([0-7]{11})\0([0-7]{6})[ \0]{2}")
"""Mode, uid, gid, size, mtime and checksum as nearly all archives have them; read at once, in a third of the time."""

_USTAR = b"ustar\0"
_GNU = b"ustar "


class Header(t.NamedTuple):
    """One ustar, GNU or v7 header block (POSIX.1-2017 pax, "ustar Interchange Format"), its fields decoded."""

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
    """Decodes the 512 bytes of block; raises LayerInvalid for a wrong checksum or a field that is not a number."""
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
        _check_sum(block, numbers.checksum)
    else:
        _check_sum(block, _number(checksum, "checksum"))
        numbers = _Numbers(
            _number(mode, "mode"),
            _number(uid, "uid"),
            _number(gid, "gid"),
            _number(size, "size"),
            _number(mtime, "mtime"),
        )
    name = _text(name)
    if prefix[0] and (magic == _USTAR or (magic == _GNU and _is_misplaced(prefix))):
        name = _text(prefix) + b"/" + name
    is_device = flag in (b"3", b"4")
    return Header(
        name,
        numbers.mode,
        numbers.uid,
        numbers.gid,
        numbers.size,
        numbers.mtime,
        flag,
        _text(link),
        (_number(major, "devmajor"), _number(minor, "devminor")) if is_device else (0, 0),
        magic == _GNU,
    )


def _is_misplaced(prefix: bytes) -> bool:
    """Tells whether a GNU header has a ustar prefix where its times belong, as archives of old docker have: Go's
    archive/tar wrote them before 1.8, and reads them like this since."""
    try:
        _number(prefix[:12], "atime")
        _number(prefix[12:24], "ctime")
    except LayerInvalid:
        return _text(prefix).isascii()
    return False


def parse_number(field: bytes, what: str) -> int:
    """Decodes a numeric field: octal digits, or GNU base-256 where the first bit is set; an empty one is 0."""
    return _number(field, what)


def _check_sum(block: bytes, wanted: int) -> None:
    spaces = 8 * 0x20
    total = sum(block) - sum(block[_CHECKSUM]) + spaces
    if total == wanted:
        return
    signed = sum(struct.unpack("512b", block)) - sum(struct.unpack("8b", block[_CHECKSUM])) + spaces
    if signed != wanted:
        raise LayerInvalid(
            "A header in the tar archive of the layer has a wrong checksum; the image is damaged, push it again."
        )


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, what: str) -> int:
    if field[0] & 0x80:
        return _base256(field)
    digits = field.lstrip(b"\0 ").partition(b"\0")[0].rstrip(b" ")
    if not digits:
        return 0
    if digits.isdigit() and not digits.translate(None, b"01234567"):
        return int(digits, 8)
    raise LayerInvalid(
        f"A header in the tar archive of the layer has a {what} that is not an octal number: {digits!r}."
    )


def _base256(field: bytes) -> int:
    """GNU's large numbers: big-endian two's complement, the first bit being the mark, the second the sign."""
    value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    if field[0] & 0x40:
        value -= 1 << (8 * len(field) - 1)
    return value


__all__ = ("BLOCK", "Header", "parse_header", "parse_number")
