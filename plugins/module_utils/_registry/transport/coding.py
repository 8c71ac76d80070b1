# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decode content codings that servers and proxies apply unasked: gzip and deflate (RFC 9110, 8.4.1).

The client requests none, because content is verified as it is stored. answer.py decodes documents, blobs.py decodes
blobs whose raw body does not match the digest.
"""

from __future__ import annotations

import typing as t
import zlib
from dataclasses import dataclass
from itertools import chain

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from hashlib import _Hash

PIECE: t.Final = 64 * 1024
MAX_CODINGS: t.Final = 3

# zlib's wbits for the gzip format, the zlib format and raw deflate
_GZIP: t.Final = 31
_ZLIB: t.Final = 15
_RAW: t.Final = -15
_GZIP_MAGIC: t.Final = b"\x1f\x8b"


class CodingInvalid(Exception):
    """Content is not in the coding that the answer names; the text says why and quotes nothing from outside."""


class ContentTooLong(CodingInvalid):
    """The content, or the output of one of its codings, exceeds the limit."""


def parse_codings(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the codings of Content-Encoding headers in the order of their application, without identity. Total."""
    names = (name.strip().lower() for line in lines for name in line.split(","))
    return tuple("gzip" if name == "x-gzip" else name for name in names if name not in ("", "identity"))


def is_known(codings: tuple[str, ...]) -> bool:
    """Tell whether decoded() supports these codings."""
    return len(codings) <= MAX_CODINGS and all(name in ("gzip", "deflate") for name in codings)


def decoded(pieces: Iterable[bytes], codings: tuple[str, ...], *, limit: int) -> Iterator[bytes]:
    """Decode content in pieces of up to 64 KiB with bounded memory. Raises CodingInvalid for damaged or cut content.

    Content that is declared as gzip but does not begin as gzip is passed on unchanged. limit applies after each coding:
    one coding can expand its input a thousandfold, two a millionfold, even if the content is empty.
    """
    for name in reversed(codings):
        pieces = _limit(limit, _gunzip(pieces) if name == "gzip" else _inflate(pieces))
    return iter(pieces)


@dataclass(frozen=True)
class Digests:
    """Hexadecimal digests of a body as received and of its content.

    The digest of the content is None if the content is too long or cannot be decoded. The sizes are in bytes.
    """

    stored: str
    content: str | None
    stored_size: int
    content_size: int


class _Counter:
    """A hash that counts its bytes."""

    def __init__(self, state: _Hash) -> None:
        self.state = state
        self.size = 0

    def update(self, piece: bytes) -> None:
        """Hash a piece."""
        self.state.update(piece)
        self.size += len(piece)


def which_has_digest(
    pieces: Iterable[bytes], codings: tuple[str, ...], new_hash: Callable[[], _Hash], *, limit: int
) -> Digests:
    """Hash a body and its content of at most limit bytes in one pass. Raises what pieces raises."""
    stored, content = _Counter(new_hash()), _Counter(new_hash())

    def passing() -> Iterator[bytes]:
        for piece in pieces:
            stored.update(piece)
            yield piece

    # a plain generator would be closed together with a decoder that fails
    source = chain(passing())
    is_right = is_known(codings) and _hash_all(decoded(source, codings, limit=limit), content)
    for dummy in source:
        pass
    hexadecimal = content.state.hexdigest() if is_right else None
    return Digests(stored.state.hexdigest(), hexadecimal, stored.size, content.size)


def _hash_all(pieces: Iterable[bytes], into: _Counter) -> bool:
    try:
        for piece in pieces:
            into.update(piece)
    except CodingInvalid:
        return False
    return True


def _limit(limit: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    left = limit
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise ContentTooLong(f"it has more than {limit} bytes after decoding")
        yield piece


def _gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    head, rest = _split_head(pieces)
    if head != _GZIP_MAGIC:
        yield head
        yield from rest
        return
    member = zlib.decompressobj(_GZIP)
    for data in _prepend(head, rest):
        while True:
            yield from _pieces_of(member, data)
            if not member.eof or not member.unused_data:
                break
            # gzip data may have several members (RFC 1952, 2.2)
            data, member = member.unused_data, zlib.decompressobj(_GZIP)
    if not member.eof:
        raise CodingInvalid("its gzip stream ends too early")


def _inflate(pieces: Iterable[bytes]) -> Iterator[bytes]:
    head, rest = _split_head(pieces)
    # some servers omit the zlib wrapper of RFC 1950
    wrapped = len(head) == 2 and head[0] & 15 == 8 and int.from_bytes(head, "big") % 31 == 0
    stream = zlib.decompressobj(_ZLIB if wrapped else _RAW)
    for data in _prepend(head, rest):
        yield from _pieces_of(stream, data)
        if stream.unused_data:
            raise CodingInvalid("data follows its deflate stream")
    if not stream.eof:
        raise CodingInvalid("its deflate stream ends too early")


def _pieces_of(stream: t.Any, data: bytes) -> Iterator[bytes]:
    try:
        piece = stream.decompress(data, PIECE)
        while piece:
            yield piece
            piece = stream.decompress(stream.unconsumed_tail, PIECE)
    except zlib.error:
        raise CodingInvalid("its compression is damaged") from None


def _split_head(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first two bytes, and an iterator of the rest."""
    source, head = iter(pieces), b""
    while len(head) < 2:
        piece = next(source, None)
        if piece is None:
            return head, source
        head += piece
    return head[:2], _prepend(head[2:], source)


def _prepend(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


__all__ = (
    "MAX_CODINGS",
    "CodingInvalid",
    "ContentTooLong",
    "Digests",
    "decoded",
    "is_known",
    "parse_codings",
    "which_has_digest",
)
