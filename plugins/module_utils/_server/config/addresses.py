# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Addresses to listen on: TCP, unix sockets, sockets that systemd passes. Called by settings.py and listeners.py."""

from __future__ import annotations

import re
import socket
import typing as t
from dataclasses import dataclass

_TCP: t.Final = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\[\]:]+)):(?P<port>[0-9]{1,5})", re.ASCII)
MAX_PORT: t.Final = 65535
# sun_path of unix(7) has 108 bytes, one of them for the NUL at the end
_UNIX_LIMIT: t.Final = 107


@dataclass(frozen=True)
class TcpAddress:
    """A TCP address to listen on: a name or an IPv4 or IPv6 address, and a port; port 0 is any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class UnixAddress:
    """The path of a unix socket to listen on."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True)
class SystemdAddress:
    """The sockets that systemd passes (sd_listen_fds)."""

    def __str__(self) -> str:
        return "systemd"


Address = t.Union[TcpAddress, UnixAddress, SystemdAddress]


def parse_address(text: str) -> Address:
    """Read ADDRESS:PORT, [IPV6]:PORT, unix:/path or systemd. Raises ValueError with the reason."""
    if text == "systemd":
        return SystemdAddress()
    if text.startswith("unix:"):
        return _parse_unix(text[len("unix:") :])
    return parse_tcp(text)


def parse_tcp(text: str) -> TcpAddress:
    """Read ADDRESS:PORT or [IPV6]:PORT. Raises ValueError with the reason."""
    match = _TCP.fullmatch(text)
    if not match or not text.isprintable():
        raise ValueError("is not ADDRESS:PORT, [IPV6]:PORT, unix:/path or systemd")
    port = int(match["port"])
    if port > MAX_PORT:
        raise ValueError(f"has a port that is not from 0 to {MAX_PORT}")
    return TcpAddress(match["v6"] or match["host"], port)


def network_of(address: str | None) -> str | None:
    """Return the key by which limits count clients: an IPv4 address, or the /64 of an IPv6 address.

    One host can own a whole /64. None and text that is no address are returned unchanged.
    """
    if address is None or ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        return address
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8)) + "/64"


def _parse_unix(path: str) -> UnixAddress:
    if not path.startswith("/") or "\0" in path:
        raise ValueError("needs an absolute path after unix:")
    if len(path.encode(errors="surrogateescape")) > _UNIX_LIMIT:
        raise ValueError(f"has a path longer than {_UNIX_LIMIT} bytes, the limit of unix sockets")
    return UnixAddress(path)


__all__ = (
    "MAX_PORT",
    "Address",
    "SystemdAddress",
    "TcpAddress",
    "UnixAddress",
    "network_of",
    "parse_address",
    "parse_tcp",
)
