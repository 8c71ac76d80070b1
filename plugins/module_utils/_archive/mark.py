# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The mark at the start of an exported tar archive: what was exported, how long the file is, and its digest.

It is a global extended header (POSIX.1-2001, type g) with a comment, which every tool skips. In a compressed archive it
is a gzip member (RFC 1952) or zstd frame (RFC 8878) of its own that is stored as it is, so that its length is known
before the length and the digest of the rest are. pending.py writes marks, _module/export/existing.py reads them.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import typing as t
import zlib

from .._base.text import ignore
from .._unpack.errors import LayerInvalid
from .._unpack.pipeline.decompress import MAGIC_BYTES, CompressedInput, decompress, detect
from .content import FileRange, read_at
from .tar_header import BLOCK, extended_header, record

if t.TYPE_CHECKING:
    from .tar_writer import Output

# Go refuses an extended header of more than 1 MiB, and with it docker import.
MAX_TEXT: t.Final = 512 * 1024
_MAX_HEADER: t.Final = MAX_TEXT + 2 * BLOCK
_KEYWORD: t.Final = b"comment"
_SIZE: t.Final = re.compile(rb"[0-7]{11}\0")
_RECORD: t.Final = re.compile(
    rb"[0-9]+ comment=attested\.registry\.oci_image_export ([0-9]{20}) ([0-9a-f]{64}) (.*)\n", re.DOTALL
)
_SIZE_AT: t.Final = slice(124, 136)

_GZIP_HEADER: t.Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_GZIP_BLOCK: t.Final = 65535
# A single segment, its size in 4 bytes, no checksum.
_ZSTD_HEADER: t.Final = b"\x28\xb5\x2f\xfd\xa0"
_ZSTD_BLOCK: t.Final = 128 * 1024


class Mark(t.NamedTuple):
    """The mark of an archive: text says what was exported, size is that of the file.

    begin is the length of the mark in the file, sha256 the digest of text and of all that follows the mark.
    """

    text: bytes
    size: int
    sha256: str
    compression: str
    begin: int

    def fault(self, fd: int, *, path: str, hashed: bool) -> str | None:
        """Return how the open file differs from what was written, None if it does not.

        Only with hashed all of the file is read. Raises Unreadable.
        """
        actual = os.fstat(fd).st_size
        if actual != self.size:
            return f"it has {actual} bytes, and {self.size} were written"
        if read_at(fd, 0, self.begin, path=path) != _wrap(self._header(), self.compression):
            return "it was compressed again"
        if hashed and self._hash(FileRange(fd, self.begin, actual - self.begin, path)) != self.sha256:
            return "its content is not what was written"
        return None

    def _hash(self, rest: FileRange) -> str:
        found = hashlib.sha256(self.text)
        for piece in rest.pieces():
            found.update(piece)
        return found.hexdigest()

    def _header(self) -> bytes:
        return _make_header(self.text, self.size, self.sha256)


class MarkedOutput:
    """Writes an archive to output with a mark in front, which is complete at the end only.

    text is at most MAX_TEXT bytes without a line end.
    """

    def __init__(self, output: Output, text: bytes, *, compression: str) -> None:
        self._output, self._text, self._compression = output, text, compression
        self._hash = hashlib.sha256(text)
        reserved = _wrap(_make_header(text, 0, "0" * 64), compression)
        self._size = len(reserved)
        output.write(reserved)

    def write(self, piece: bytes) -> None:
        """Write the next bytes after the mark."""
        self._hash.update(piece)
        self._size += len(piece)
        self._output.write(piece)

    def copy(self, content: FileRange) -> None:
        """Write a part of a file, which is read to be hashed."""
        for piece in content.pieces():
            self.write(piece)

    def mark(self) -> bytes:
        """Return the mark of what was written, to be put at the start of the file."""
        return _wrap(_make_header(self._text, self._size, self._hash.hexdigest()), self._compression)


def read_mark(fd: int, *, path: str) -> Mark | None:
    """Return the mark of an open file, None if it has none. Raises Unreadable, CompressionUnavailable."""
    compression = detect(read_at(fd, 0, MAGIC_BYTES, path=path))
    source = CompressedInput(FileRange(fd, 0, os.fstat(fd).st_size, path).pieces())
    head = b""
    try:
        for piece in decompress(source, declared=None, warn=ignore):
            head += piece
            if len(head) >= _needed(head):
                break
    except LayerInvalid:
        return None
    return _parse(head, compression)


def _needed(head: bytes) -> int:
    """Return how many bytes the header has, one block if that is not known."""
    found = _SIZE.fullmatch(head[_SIZE_AT])
    size = 0 if found is None else int(head[_SIZE_AT][:-1], 8)
    return BLOCK + min(size + -size % BLOCK, _MAX_HEADER)


def _parse(head: bytes, compression: str) -> Mark | None:
    found = _SIZE.fullmatch(head[_SIZE_AT])
    if found is None:
        return None
    records = head[BLOCK : BLOCK + int(head[_SIZE_AT][:-1], 8)]
    parts = _RECORD.fullmatch(records)
    if parts is None or len(parts[3]) > MAX_TEXT:
        return None
    header = _make_header(parts[3], int(parts[1]), parts[2].decode("ascii"))
    if not head.startswith(header):
        return None
    return Mark(parts[3], int(parts[1]), parts[2].decode("ascii"), compression, len(_wrap(header, compression)))


def _make_header(text: bytes, size: int, sha256: str) -> bytes:
    comment = b"attested.registry.oci_image_export %020d %s %s" % (size, sha256.encode("ascii"), text)
    return extended_header(record(_KEYWORD, comment), b"g")


def _wrap(data: bytes, compression: str) -> bytes:
    """Return data as a gzip member or zstd frame without compression: its length depends on that of data alone."""
    if compression == "gzip":
        blocks = [data[at : at + _GZIP_BLOCK] for at in range(0, len(data), _GZIP_BLOCK)]
        heads = [struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) for block in blocks]
        stored = b"".join(head + block for head, block in zip(heads, blocks))
        return _GZIP_HEADER + stored + struct.pack("<II", zlib.crc32(data), len(data))
    if compression == "zstd":
        blocks = [data[at : at + _ZSTD_BLOCK] for at in range(0, len(data), _ZSTD_BLOCK)]
        heads = [(len(block) << 3 | (block is blocks[-1])).to_bytes(3, "little") for block in blocks]
        return _ZSTD_HEADER + struct.pack("<I", len(data)) + b"".join(map(bytes.__add__, heads, blocks))
    return data


__all__ = ("MAX_TEXT", "Mark", "MarkedOutput", "read_mark")
