# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The mark at the start of an exported tar archive: what was exported, how long the file is, and its digest.

It is a comment (POSIX.1-2001, "pax Extended Header Keywords") in the extended header of the first member, the root of
the tree. A global header would be the place for it, but umoci refuses archives that have one. In a compressed archive
the header of the root is a gzip member (RFC 1952) or zstd frame (RFC 8878) of its own that is stored as it is, so that
its length is known before the length and the digest of the file are. pending.py writes marks, exported.py reads them.
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
from .tar_header import BLOCK, record

if t.TYPE_CHECKING:
    from .tar_header import Header
    from .tar_writer import Output

# Go refuses an extended header of more than 1 MiB, which the extended attributes of the root are in, too.
MAX_TEXT: t.Final = 512 * 1024
# The extended header of a root with as many extended attributes as a layer can give it, and then some.
_MAX_HEADER: t.Final = 4 * 1024 * 1024
_COMMENT: t.Final = b"attested.registry.oci_image_export %020d %s %s"
_START: t.Final = re.compile(rb"([0-9]{1,7}) comment=attested\.registry\.oci_image_export ([0-9]{20}) ([0-9a-f]{64}) ")
_SIZE: t.Final = re.compile(rb"[0-7]{11}\0")
_SIZE_AT: t.Final = slice(124, 136)
_KIND_AT: t.Final = slice(156, 157)
_NO_DIGEST: t.Final = "0" * 64

_GZIP_HEADER: t.Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_GZIP_BLOCK: t.Final = 65535
# A single segment, its size in 4 bytes, no checksum.
_ZSTD_HEADER: t.Final = b"\x28\xb5\x2f\xfd\xa0"
_ZSTD_BLOCK: t.Final = 128 * 1024


class NewMark(t.NamedTuple):
    """What a mark is made of: the header of the root, and a text of at most MAX_TEXT bytes."""

    root: Header
    text: bytes

    def to_header(self, *, size: int = 0, sha256: str = _NO_DIGEST) -> bytes:
        """Return the header of the root with the mark in it; its length depends on root and text alone."""
        comment = _COMMENT % (size, sha256.encode("ascii"), self.text)
        return self.root._replace(comment=comment).to_bytes()


class Mark(t.NamedTuple):
    """The mark of an archive: text says what was exported, size is that of the file, and header that of the root.

    sha256 is the digest of the archive, with the header as it is before size and digest are known.
    """

    text: bytes
    size: int
    sha256: str
    compression: str
    header: bytes

    def fault(self, fd: int, *, path: str, hashed: bool) -> str | None:
        """Return how the open file differs from what was written, None if it does not.

        Only with hashed all of the file is read. Raises Unreadable.
        """
        actual = os.fstat(fd).st_size
        if actual != self.size:
            return f"it has {actual} bytes, and {self.size} were written"
        start = _wrap(self.header, self.compression)
        if read_at(fd, 0, len(start), path=path) != start:
            return "it was compressed again"
        if hashed and self._hash(FileRange(fd, len(start), actual - len(start), path)) != self.sha256:
            return "its content is not what was written"
        return None

    def _hash(self, rest: FileRange) -> str:
        written = b"%020d %s " % (self.size, self.sha256.encode("ascii"))
        found = hashlib.sha256(self.header.replace(written, b"%020d %s " % (0, _NO_DIGEST.encode("ascii")), 1))
        for piece in rest.pieces():
            found.update(piece)
        return found.hexdigest()


class MarkedOutput:
    """Writes an archive to output, which begins with the header of the root; the mark in it is complete at the end."""

    def __init__(self, output: Output, new: NewMark, *, compression: str) -> None:
        self._output, self._new, self._compression = output, new, compression
        header = new.to_header()
        self._hash = hashlib.sha256(header)
        reserved = _wrap(header, compression)
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

    def start(self) -> bytes:
        """Return the first bytes of the file, as they must be after what was written."""
        header = self._new.to_header(size=self._size, sha256=self._hash.hexdigest())
        return _wrap(header, self._compression)


def read_mark(fd: int, *, path: str) -> Mark | None:
    """Return the mark of an open file, None if it has none. Raises Unreadable, CompressionUnavailable."""
    compression = detect(read_at(fd, 0, MAGIC_BYTES, path=path))
    source = CompressedInput(FileRange(fd, 0, os.fstat(fd).st_size, path).pieces())
    head = bytearray()
    try:
        for piece in decompress(source, declared=None, warn=ignore):
            head += piece
            if len(head) >= _needed(head):
                break
    except LayerInvalid:
        return None
    return _parse(bytes(head), compression)


def _needed(head: bytes | bytearray) -> int:
    """Return how many bytes the header of the first member has, a block if it has no extended header."""
    size = _extended_size(head)
    return BLOCK if size is None else 2 * BLOCK + min(size + -size % BLOCK, _MAX_HEADER)


def _extended_size(head: bytes | bytearray) -> int | None:
    """Return the size of the extended header at the start of an archive, None if there is none."""
    if head[_KIND_AT] != b"x" or not _SIZE.fullmatch(head[_SIZE_AT]):
        return None
    return int(head[_SIZE_AT][:-1], 8)


def _parse(head: bytes, compression: str) -> Mark | None:
    size, parts = _extended_size(head), _START.match(head, BLOCK)
    if size is None or parts is None or size > _MAX_HEADER or len(head) < _needed(head):
        return None
    end = BLOCK + int(parts[1])
    text = head[parts.end() : end - 1]
    comment = _COMMENT % (int(parts[2]), parts[3], text)
    if len(text) > MAX_TEXT or end > BLOCK + size or head[BLOCK:end] != record(b"comment", comment):
        return None
    return Mark(text, int(parts[2]), parts[3].decode("ascii"), compression, head[: _needed(head)])


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


__all__ = ("MAX_TEXT", "Mark", "MarkedOutput", "NewMark", "read_mark")
