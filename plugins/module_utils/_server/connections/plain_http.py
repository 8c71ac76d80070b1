# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.
"""Clients that speak HTTP without TLS to a port for TLS: listeners.py looks for them, and tells them so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import typing as t

from ..api.answers import written
from ..errors import Refusal

_REFUSAL: t.Final = Refusal(
    400, "UNSUPPORTED", "The request came without TLS to a port for TLS; use https:// in place of http://."
)
# how long to read, and throw away, what the client sends: closing before that would take the answer from it
_LINGER_SECONDS: t.Final = 1.0
_READ: t.Final = 65536


async def speaks_plainly(sock: socket.socket) -> bool:
    """Wait for the first byte, leave it there, and say whether it is a letter; a record of TLS begins with none.

    Raises OSError.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            return sock.recv(1, socket.MSG_PEEK).isalpha()
        except (BlockingIOError, InterruptedError):
            pass
        there: asyncio.Future[None] = loop.create_future()
        loop.add_reader(sock.fileno(), _note, there)
        try:
            await there
        finally:
            loop.remove_reader(sock.fileno())


def _note(there: asyncio.Future[None]) -> None:
    if not there.done():
        there.set_result(None)


async def refuse_plain(sock: socket.socket) -> None:
    """Answer 400 with a sentence; the caller closes the socket. Raises OSError."""
    # what the kernel does not take of so little, nobody reads
    with contextlib.suppress(BlockingIOError):
        sock.send(written(_REFUSAL))
    sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_throw_away(sock), _LINGER_SECONDS)


async def _throw_away(sock: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(sock, _READ):
        pass


__all__ = ("refuse_plain", "speaks_plainly")
