# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A small HTTP/1.1 client with one deadline over all, on http.client; called by session.py and keys.py."""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import socket
import ssl
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ..._base.text import visible
from ..errors import ConfigurationInvalid, VeraisonFailed
from .ear import veraison_error
from .exchange import DEFAULT_PORTS, MAX_BODY, HttpAnswer

USER_AGENT: t.Final = "attested.registry"
_MAX_WIRE: t.Final = MAX_BODY + 256 * 1024  # a body with status line, headers and chunk framing
_PIECE: t.Final = 64 * 1024
_CONNECT_SECONDS: t.Final = 5.0  # for each address of a host


@dataclass(frozen=True)
class HttpClient:
    """Sends HTTP requests, each over its own connection; see Http.

    TLS is verified with the certificates in ca (PEM), or with those of the system if ca is None. Proxies of the
    environment are not used: they would see who is attested and could refuse any client.
    """

    ca: str | None = field(default=None, repr=False)

    def __call__(
        self, method: str, url: str, *, headers: t.Mapping[str, str], body: bytes | None, timeout: float
    ) -> HttpAnswer:
        """Send a request; see Http."""
        end = time.monotonic() + timeout
        parts = urllib.parse.urlsplit(url)
        try:
            with _open(parts, self.ca, end=end) as sock:
                return _exchange(_Socket(sock, end=end), method, parts, headers, body)
        except ssl.SSLCertVerificationError as exc:
            raise veraison_error(
                f"its certificate was rejected ({visible(exc.verify_message)})",
                "give the authority that issued it (ca_path), or a name that it contains (url)",
            ) from None
        except (ssl.SSLEOFError, http.client.IncompleteRead, http.client.RemoteDisconnected):
            raise veraison_error("it closed the connection early", _RUNS) from None
        except ssl.SSLError as exc:
            raise veraison_error(f"TLS with it failed ({visible(exc.reason or 'for no reason')})", _RUNS) from None
        except socket.timeout:
            raise veraison_error(f"it did not answer a {method} in time", _RUNS) from None
        except OSError as exc:
            raise veraison_error(f"it cannot be reached ({exc.strerror or type(exc).__name__})", _RUNS) from None
        except (http.client.HTTPException, ValueError):
            raise veraison_error("its answer is not HTTP", "check the address of the service") from None


_RUNS: t.Final = "check that the service is running"


def check_authorities(ca: str, path: str) -> None:
    """Check that a file contains usable certificates. Raises ConfigurationInvalid."""
    try:
        _context(ca)
    except (ssl.SSLError, ValueError):
        raise ConfigurationInvalid(
            f"Reading the certificates {path} failed: the file must contain PEM certificates only, at least "
            "one; give those of the authorities that issue the certificate of the Veraison service."
        ) from None


@functools.lru_cache(maxsize=8)
def _context(ca: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate for the host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=ca)
    return context


class _Wire(io.RawIOBase):
    """Reads from a socket until a deadline, at most _MAX_WIRE bytes, however the other end behaves."""

    def __init__(self, sock: socket.socket, *, end: float) -> None:
        self._sock, self._end, self._allowed = sock, end, _MAX_WIRE

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Read as io.RawIOBase does. Raises OSError, and VeraisonFailed after too many bytes."""
        self._sock.settimeout(_seconds_left(self._end))
        count = self._sock.recv_into(buffer)
        self._allowed -= count
        if self._allowed < 0:
            raise _length_error()
        return count


class _Socket:
    """The part of a socket that http.client uses, with one deadline over all calls in place of a timeout for each."""

    def __init__(self, sock: socket.socket, *, end: float) -> None:
        self._sock, self._end = sock, end

    def makefile(self, dummy: str) -> t.BinaryIO:
        """Return a buffered reader."""
        return t.cast("t.BinaryIO", io.BufferedReader(_Wire(self._sock, end=self._end), _PIECE))

    def sendall(self, data: bytes) -> None:
        """Send all data. Raises OSError."""
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(_seconds_left(self._end))
            rest = rest[self._sock.send(rest) :]

    def close(self) -> None:
        """Do nothing: http.client closes the socket when the answer has begun, and it is still read then."""


def _open(parts: urllib.parse.SplitResult, ca: str | None, *, end: float) -> socket.socket:
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    sock = _connect_any(host, port, end)
    try:
        if parts.scheme == "https":
            sock.settimeout(_seconds_left(end))
            return _context(ca).wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_any(host: str, port: int, end: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise veraison_error("its name cannot be resolved", "check the name and the resolver") from None
    for place in found[:-1]:
        with contextlib.suppress(OSError):  # try the next address
            return _connect(place, end)
    return _connect(found[-1], end)


def _connect(place: tuple[t.Any, ...], end: float) -> socket.socket:
    family, kind, protocol, dummy, address = place
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(min(_seconds_left(end), _CONNECT_SECONDS))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _exchange(
    sock: _Socket,
    method: str,
    parts: urllib.parse.SplitResult,
    headers: t.Mapping[str, str],
    body: bytes | None,
) -> HttpAnswer:
    sender = http.client.HTTPConnection(parts.hostname or "")
    sender.sock = sock  # _Socket has the methods that it uses
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = {"Host": parts.netloc, "User-Agent": USER_AGENT, "Connection": "close"}
    sender.request(method, target, body=body, headers={**own, **headers})
    answer = sender.getresponse()
    if answer.length is not None and answer.length > MAX_BODY:
        raise _length_error()
    # http.client detects a body shorter than its Content-Length only in a read without a size
    data = answer.read() if answer.length is not None else answer.read(MAX_BODY + 1)
    if len(data) > MAX_BODY:
        raise _length_error()
    found: dict[str, str] = {}
    for name, value in answer.getheaders():
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return HttpAnswer(answer.status, found, data)


def _seconds_left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise socket.timeout
    return left


def _length_error() -> VeraisonFailed:
    return veraison_error(f"its answer is longer than {MAX_BODY} bytes", "check the address of the service")


__all__ = ("USER_AGENT", "HttpClient", "check_authorities")
