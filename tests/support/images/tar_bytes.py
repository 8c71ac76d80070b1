# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tar archives made byte by byte for the tests of the reader, including those that no tar library writes.

    archive = pax({b"path": b"long"}) + member(b"short", b"content", uid=base256(2**31, 8)) + END

Every field of a header is an int, which is written in octal, or the exact bytes of the field.
"""

from __future__ import annotations

import typing as t

BLOCK: t.Final = 512
END: t.Final = bytes(2 * BLOCK)

USTAR: t.Final = b"ustar\x0000"
GNU: t.Final = b"ustar  \0"
V7: t.Final = bytes(8)

Number = t.Union[int, bytes]
Records = t.Union[t.Mapping[bytes, bytes], t.Iterable[tuple[bytes, bytes]]]
# The regions of a sparse file that have data: offset and content.
Regions = t.Sequence[tuple[int, bytes]]

_CHECKSUM: t.Final = slice(148, 156)


def octal(value: int, width: int) -> bytes:
    """Return a number as in POSIX: octal digits and a NUL."""
    return b"%0*o\0" % (width - 1, value)


def base256(value: int, width: int) -> bytes:
    """Return a number as GNU tar writes large and negative ones: two's complement with the first bit set."""
    bits = 8 * width - 1
    return ((1 << bits) | (value & ((1 << bits) - 1))).to_bytes(width, "big")


def header(
    name: bytes = b"file",
    *,
    typeflag: bytes = b"0",
    size: Number = 0,
    mode: Number = 0o644,
    uid: Number = 0,
    gid: Number = 0,
    mtime: Number = 0,
    linkname: bytes = b"",
    magic: bytes = USTAR,
    uname: bytes = b"",
    gname: bytes = b"",
    devmajor: Number = 0,
    devminor: Number = 0,
    prefix: bytes = b"",
    checksum: t.Literal["unsigned", "signed"] | bytes = "unsigned",
) -> bytes:
    """Return one header block. prefix may have up to 167 bytes: GNU headers have other fields there."""
    block = b"".join(
        (
            name.ljust(100, b"\0"),
            _encode_number(mode, 8),
            _encode_number(uid, 8),
            _encode_number(gid, 8),
            _encode_number(size, 12),
            _encode_number(mtime, 12),
            b" " * 8,
            typeflag,
            linkname.ljust(100, b"\0"),
            magic,
            uname.ljust(32, b"\0"),
            gname.ljust(32, b"\0"),
            _encode_number(devmajor, 8),
            _encode_number(devminor, 8),
            prefix.ljust(167, b"\0"),
        )
    )
    assert len(block) == BLOCK, "a field is too long"
    return with_checksum(block, checksum)


def with_checksum(block: bytes, checksum: t.Literal["unsigned", "signed"] | bytes = "unsigned") -> bytes:
    """Return the header block with its right checksum, or with these 8 bytes in its place."""
    if isinstance(checksum, bytes):
        field = checksum
    else:
        blank = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
        total = sum(blank) if checksum == "unsigned" else sum(byte - 256 * (byte > 127) for byte in blank)
        field = b"%06o\0 " % total
    assert len(field) == 8, "a checksum has 8 bytes"
    return block[: _CHECKSUM.start] + field + block[_CHECKSUM.stop :]


def padded(content: bytes) -> bytes:
    """Return the content, padded to whole blocks."""
    return content + bytes(-len(content) % BLOCK)


def member(name: bytes = b"file", content: bytes = b"", **fields: t.Any) -> bytes:
    """Return a header and its content; fields as for header(), with size that of the content by default."""
    fields.setdefault("size", len(content))
    return header(name, **fields) + padded(content)


def record(keyword: bytes, value: bytes) -> bytes:
    """Return one PAX record: its own length in decimal, a space, keyword=value and a newline."""
    rest = b" " + keyword + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def pax(records: Records | bytes, *, typeflag: bytes = b"x", **fields: t.Any) -> bytes:
    """Return an extended header for the next member (or, with typeflag g, for all): records, or the exact content."""
    if not isinstance(records, bytes):
        pairs = records.items() if isinstance(records, t.Mapping) else records
        records = b"".join(record(keyword, value) for keyword, value in pairs)
    return member(b"PaxHeaders/x", records, typeflag=typeflag, **fields)


def long_name(name: bytes) -> bytes:
    """Return a GNU header with the name of the next member."""
    return member(b"././@LongLink", name + b"\0", typeflag=b"L", magic=GNU)


def long_target(target: bytes) -> bytes:
    """Return a GNU header with the link target of the next member."""
    return member(b"././@LongLink", target + b"\0", typeflag=b"K", magic=GNU)


def sparse_old(name: bytes, regions: Regions, size: int, *, magic: bytes = GNU) -> bytes:
    """Return a sparse file in the old GNU format: four regions in the header, 21 in each block after it."""
    pairs = [octal(offset, 12) + octal(len(data), 12) for offset, data in regions]
    content = b"".join(data for dummy, data in regions)
    rest = [pairs[start : start + 21] for start in range(4, len(pairs), 21)]
    fields = bytes(41) + b"".join(pairs[:4]).ljust(96, b"\0") + bytes((bool(rest),)) + octal(size, 12)
    block = header(name, typeflag=b"S", size=len(content), magic=magic, prefix=fields)
    maps = [
        b"".join(chunk).ljust(504, b"\0") + bytes((number < len(rest),)) + bytes(7)
        for number, chunk in enumerate(rest, 1)
    ]
    return block + b"".join(maps) + padded(content)


def sparse_00(name: bytes, regions: Regions, size: int) -> bytes:
    """Return a sparse file in PAX format 0.0: a pair of records for each region."""
    records = [(b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(regions))]
    for offset, data in regions:
        records += [(b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % len(data))]
    return pax(records) + member(name, b"".join(data for dummy, data in regions))


def sparse_01(name: bytes, regions: Regions, size: int) -> bytes:
    """Return a sparse file in PAX format 0.1: the map in one record, the real name in another."""
    numbers = b",".join(b"%d,%d" % (offset, len(data)) for offset, data in regions)
    records = {
        b"GNU.sparse.size": b"%d" % size,
        b"GNU.sparse.numblocks": b"%d" % len(regions),
        b"GNU.sparse.name": name,
        b"GNU.sparse.map": numbers,
    }
    return pax(records) + member(b"GNUSparseFile.0/x", b"".join(data for dummy, data in regions))


def sparse_10(name: bytes, regions: Regions, size: int, *, claimed: bytes | None = None) -> bytes:
    """Return a sparse file in PAX format 1.0: the map in front of the content.

    claimed, if given, stands in place of the number of regions.
    """
    numbers = [b"%d" % len(regions) if claimed is None else claimed]
    for offset, data in regions:
        numbers += [b"%d" % offset, b"%d" % len(data)]
    content = padded(b"".join(number + b"\n" for number in numbers)) + b"".join(data for dummy, data in regions)
    records = {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": name,
        b"GNU.sparse.realsize": b"%d" % size,
    }
    return pax(records) + member(b"GNUSparseFile.0/x", content)


def reused_views(data: bytes, size: int) -> t.Iterator[memoryview]:
    """Yield data in pieces that are overwritten when the next one is requested, as the slots of a ring are."""
    for start in range(0, len(data), size):
        memory = bytearray(data[start : start + size])
        yield memoryview(memory).toreadonly()
        memory[:] = b"#" * len(memory)


def _encode_number(value: Number, width: int) -> bytes:
    return value if isinstance(value, bytes) else octal(value, width)


__all__ = (
    "BLOCK",
    "END",
    "GNU",
    "USTAR",
    "V7",
    "Number",
    "Records",
    "Regions",
    "base256",
    "header",
    "long_name",
    "long_target",
    "member",
    "octal",
    "padded",
    "pax",
    "record",
    "reused_views",
    "sparse_00",
    "sparse_01",
    "sparse_10",
    "sparse_old",
    "with_checksum",
)
