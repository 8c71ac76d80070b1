# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Bodies of responses: a whole file, one range, or several ranges as multipart/byteranges. Called by app.py."""

from __future__ import annotations

import secrets
import typing as t

from .ranges import Span

if t.TYPE_CHECKING:
    from ..content.snapshot import ServedFile

# literal bytes, or a part of the file
Piece = t.Union[bytes, Span]


class Body(t.NamedTuple):
    """The body of a response, made of parts of one file, with the status and the headers of the response."""

    status: int
    headers: dict[str, str]
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """The number of bytes of all pieces."""
        return sum(piece.length if isinstance(piece, Span) else len(piece) for piece in self.pieces)

    def cut_from(self, data: bytes) -> bytes:
        """Return the bytes of the body; data is the whole file."""
        return b"".join(
            data[piece.start : piece.start + piece.length] if isinstance(piece, Span) else piece
            for piece in self.pieces
        )


def plan(content: ServedFile, headers: t.Mapping[str, str], spans: tuple[Span, ...] | None) -> Body:
    """Make the body for ranges: the whole file (None), one range, or several (RFC 9110, 15.3.7 and 14.6).

    headers are those of the whole file, without Content-Length.
    """
    if spans is None:
        return Body(200, {**headers, "Content-Length": str(content.size)}, (Span(0, content.size),))
    if len(spans) == 1:
        body = Body(206, {**headers, "Content-Range": spans[0].content_range(content.size)}, spans)
    else:
        body = _multipart(content, headers, spans)
    return body._replace(headers={**body.headers, "Content-Length": str(body.length)})


def _multipart(content: ServedFile, headers: t.Mapping[str, str], spans: tuple[Span, ...]) -> Body:
    # the boundary must not occur in the file; 128 random bits make sure of that
    boundary = secrets.token_hex(16)
    pieces: list[Piece] = []
    for span in spans:
        content_range = span.content_range(content.size)
        head = f"--{boundary}\r\nContent-Type: {headers['Content-Type']}\r\nContent-Range: {content_range}\r\n\r\n"
        pieces += [head.encode("ascii"), span, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode("ascii"))
    return Body(206, {**headers, "Content-Type": f"multipart/byteranges; boundary={boundary}"}, tuple(pieces))


__all__ = ("Body", "Piece", "plan")
