# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Checks of transfer rates: how many bytes of a response the client has acknowledged, as the kernel reports it.

Neither sendfile nor TLS reports that. Called by protocol.py.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
import termios
import typing as t

_U64: t.Final = struct.Struct("=Q")
# tcpi_bytes_acked of struct tcp_info (linux/tcp.h), since Linux 4.1
_ACKED_AT: t.Final = 120
# SIOCOUTQ of tcp(7) has the value of TIOCOUTQ
_OUTQ: t.Final = termios.TIOCOUTQ


class Delivery(t.NamedTuple):
    """State of a TCP connection: acked bytes were acknowledged by the client, pending bytes were not."""

    acked: int
    pending: int


class _Socket(t.Protocol):
    def fileno(self) -> int:
        """Do the same as socket.socket."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Do the same as socket.socket."""


def delivery_of(sock: _Socket | None) -> Delivery | None:
    """Return the delivery of a connection; None on unix sockets, closed sockets and systems other than Linux."""
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
    """Check for slow readers: a client with pending data must acknowledge minimum bytes in each period of seconds."""

    __slots__ = ("_acked", "_minimum", "_seconds", "_since")

    def __init__(self, *, seconds: float, minimum: float) -> None:
        self._seconds = seconds
        self._minimum = minimum
        self._since: float | None = None
        self._acked = 0

    def rest(self) -> None:
        """Restart the measurement, because no data is pending."""
        self._since = None
        self._acked = 0

    def is_too_slow(self, delivery: Delivery | None, now: float) -> bool:
        """Update the measurement, and tell whether the client is too slow."""
        if delivery is None or not delivery.pending:
            # the client has read all, so a delay is on our side
            self.rest()
        elif self._since is None or delivery.acked - self._acked >= self._minimum:
            self._since, self._acked = now, delivery.acked
        else:
            return now - self._since >= self._seconds
        return False


class Progress:
    """Check for stuck responses: in each period of seconds some bytes must reach the client.

    SlowReaderCheck finds clients that do not read; here the fault is on our side, such as a disk that does not answer.
    """

    __slots__ = ("_acked", "_seconds", "_since")

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._acked = 0

    def begin(self, now: float) -> None:
        """Start the measurement with a request."""
        self._since = now
        self._acked = 0

    def end(self) -> None:
        """Stop the measurement."""
        self._since = None

    def is_stuck(self, delivery: Delivery | None, now: float, *, begun: bool) -> bool:
        """Tell whether the response is stuck. After its first byte (begun), progress is measured by delivery."""
        if self._since is None:
            return False
        if begun and (delivery is None or delivery.pending or delivery.acked != self._acked):
            self._since, self._acked = now, 0 if delivery is None else delivery.acked
        return now - self._since >= self._seconds


__all__ = ("Delivery", "Progress", "SlowReaderCheck", "delivery_of")
