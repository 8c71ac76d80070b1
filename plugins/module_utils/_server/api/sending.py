# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Sending of files: sendfile on plain connections, copying on encrypted ones. Called by app.py."""

from __future__ import annotations

import asyncio
import errno
import logging
import typing as t

from ..libraries import web
from .ranges import Span

if t.TYPE_CHECKING:
    from .body import Body, Piece
    from .content_file import ContentFile

_LOG: t.Final = logging.getLogger("attested.registry")
# the identity of the file is checked after each slice
_SLICE: t.Final = 16 * 1024 * 1024
_CHUNK: t.Final = 256 * 1024
# bodies up to this length are read at once and sent together with the headers
SMALL: t.Final = 64 * 1024
# errors of unreachable clients besides ConnectionError
_UNREACHABLE: t.Final = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)


class FileResponse(web.StreamResponse):
    """A response whose body comes from a file. sent counts the bytes of the body that were written."""

    sent = 0


async def send(
    request: web.BaseRequest, file: ContentFile, body: Body, *, zero_copy: bool, closes: bool
) -> web.StreamResponse | None:
    """Answer a request with parts of a file. Returns None if the file has changed and nothing was sent.

    closes tells whether the connection must close afterwards.

    After the headers, only a broken connection can tell the client about an error. So the connection is aborted when
    the file changes; the response is still returned, for the access log.
    """
    if body.length <= SMALL:
        return _send_at_once(file, body)
    response = FileResponse(status=body.status, headers=body.headers)
    if closes:
        response.force_close()
    sender = _Sender(request, response, file, zero_copy=zero_copy)
    try:
        await response.prepare(request)
        for piece in body.pieces:
            await sender.send(piece)
        await response.write_eof()
    except OSError as exc:
        if not isinstance(exc, ConnectionError) and exc.errno not in _UNREACHABLE:
            raise
        _LOG.debug("sending %s ended early: %s", file.content.path, exc)
        # a failed sendfile leaves the connection open
        _abort(request)
    return response


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _send_at_once(file: ContentFile, body: Body) -> web.Response | None:
    data = b"".join(file.read(*piece) if isinstance(piece, Span) else piece for piece in body.pieces)
    if len(data) != body.length or not file.is_unchanged():
        return None
    return web.Response(status=body.status, headers=body.headers, body=data)


class _Sender:
    """Sender of the pieces of one body; uses sendfile where the connection supports it."""

    def __init__(self, request: web.BaseRequest, response: FileResponse, file: ContentFile, *, zero_copy: bool) -> None:
        self._request = request
        self._response = response
        self._file = file
        self._send_slice = self._sendfile if zero_copy else self._copy

    async def send(self, piece: Piece) -> None:
        """Send a piece. Raises OSError; ConnectionError when the client has disconnected or the file has changed."""
        if not isinstance(piece, Span):
            return await self._write(piece)
        position, end = piece.start, piece.start + piece.length
        while position < end:
            length = min(end - position, _SLICE)
            await self._send_slice(position, length)
            position += length
            if not self._file.is_unchanged():
                self._refuse_changed_file()
        return None

    async def _sendfile(self, position: int, length: int) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has disconnected")
        with self._file.as_file() as file:
            sent = await asyncio.get_running_loop().sendfile(transport, file, position, length)
        self._response.sent += sent
        if sent != length:
            self._refuse_changed_file()

    async def _copy(self, position: int, length: int) -> None:
        loop = asyncio.get_running_loop()
        end = position + length
        while position < end:
            wanted = min(_CHUNK, end - position)
            # a read from the page cache takes less time than the switch to another thread
            chunk: bytes | memoryview | None = self._file.read_cached(position, wanted)
            if chunk is None:
                chunk = await loop.run_in_executor(None, self._file.read, position, wanted)
            if not chunk:
                self._refuse_changed_file()
            await self._write(chunk)
            position += len(chunk)
            # a fast reader must not starve the other connections
            await asyncio.sleep(0)

    async def _write(self, data: bytes | memoryview) -> None:
        await self._response.write(data)
        self._response.sent += len(data)

    def _refuse_changed_file(self) -> t.NoReturn:
        _LOG.error("%s changed while it was sent; the connection is aborted", self._file.content.path)
        raise ConnectionResetError("the file has changed")


__all__ = ("SMALL", "FileResponse", "send")
