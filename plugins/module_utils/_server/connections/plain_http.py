# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.
"""Detection of clients that send plain HTTP to a TLS port, and the response for them. Called by listeners.py."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import typing as t

from ..api.answers import written
from ..errors import Refusal

_REFUSAL: t.Final = Refusal(400, "UNSUPPORTED", "This port requires TLS; use https:// instead of http://.")
# how long to read and discard data of the client; closing with unread data would reset the connection before the client
# has read the response
_LINGER_SECONDS: t.Final = 1.0
_READ: t.Final = 65536


async def is_plain_http(sock: socket.socket) -> bool:
    """Wait for the first byte, without reading it, and tell whether it is a letter; TLS records begin with none.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            return sock.recv(1, socket.MSG_PEEK).isalpha()
        except (BlockingIOError, InterruptedError):
            pass
        there: asyncio.Future[None] = loop.create_future()
        loop.add_reader(sock.fileno(), _set_ready, there)
        try:
            await there
        finally:
            loop.remove_reader(sock.fileno())


def _set_ready(there: asyncio.Future[None]) -> None:
    if not there.done():
        there.set_result(None)


async def refuse_plain(sock: socket.socket) -> None:
    """Send a response with status 400; the caller closes the socket. Raises OSError."""
    # if the send buffer has no room for so few bytes, the client does not read
    with contextlib.suppress(BlockingIOError):
        sock.send(written(_REFUSAL))
    sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_discard_input(sock), _LINGER_SECONDS)


async def _discard_input(sock: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(sock, _READ):
        pass


__all__ = ("is_plain_http", "refuse_plain")
