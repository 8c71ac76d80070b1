# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# How much of what was written has reached the other end: sendfile and TLS alike say nothing about it, the kernel does.
import array
import fcntl
import socket
import struct
import termios
import typing as t

_U64: t.Final = struct.Struct("=Q")
# tcpi_bytes_acked of struct tcp_info (linux/tcp.h), since Linux 4.1
_ACKED_AT: t.Final = 120
# SIOCOUTQ has the number of TIOCOUTQ
_OUTQ: t.Final = termios.TIOCOUTQ


class Delivery(t.NamedTuple):
    """acked counts the bytes that the other end has acknowledged, pending those that it has not."""

    acked: int
    pending: int


class _Socket(t.Protocol):
    def fileno(self) -> int:
        """As socket.socket."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """As socket.socket."""


def delivery_of(sock: _Socket | None) -> Delivery | None:
    """How far a TCP connection is; None where the system does not say: unix sockets, closed ones, other systems."""
    if sock is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + _U64.size)
        pending = array.array("i", [0])
        fcntl.ioctl(sock.fileno(), _OUTQ, pending)
    except (OSError, ValueError):
        return None
    if len(info) < _ACKED_AT + _U64.size:
        return None
    return Delivery(_U64.unpack_from(info, _ACKED_AT)[0], pending[0])


class SlowReaderCheck:
    """Whether a reader takes enough: minimum bytes in each stretch of so many seconds in which it had some to take."""

    __slots__ = ("_acked", "_minimum", "_seconds", "_since")

    def __init__(self, *, seconds: float, minimum: float) -> None:
        self._seconds = seconds
        self._minimum = minimum
        self.rest()

    def rest(self) -> None:
        """There is nothing to take now."""
        self._since: float | None = None
        self._acked = 0

    def is_too_slow(self, delivery: Delivery | None, now: float) -> bool:
        """Look at it again."""
        if delivery is None or not delivery.pending:
            # the delay is ours
            self.rest()
        elif self._since is None or delivery.acked - self._acked >= self._minimum:
            self._since, self._acked = now, delivery.acked
        else:
            return now - self._since >= self._seconds
        return False


class Progress:
    """Whether an answer gets on: something of it reaches the client in each stretch of so many seconds.

    SlowReaderCheck finds clients that do not read; here the fault is on our side, such as a disk that does not answer.
    """

    __slots__ = ("_acked", "_seconds", "_since")

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self.end()

    def begin(self, now: float) -> None:
        """There is something to do."""
        self._since: float | None = now
        self._acked = 0

    def end(self) -> None:
        """There is nothing to do."""
        self._since = None

    def is_stuck(self, delivery: Delivery | None, now: float, *, begun: bool) -> bool:
        """Look at it again; begun says whether some of the answer is out, from when on only delivery tells."""
        if self._since is None:
            return False
        if begun and (delivery is None or delivery.pending or delivery.acked != self._acked):
            self._since, self._acked = now, 0 if delivery is None else delivery.acked
        return now - self._since >= self._seconds


__all__ = ("Delivery", "Progress", "SlowReaderCheck", "delivery_of")
