# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import asyncio
import socket
import ssl
import typing as t
from dataclasses import dataclass

from .errors import CertificateError, ListenError
from .protocol import HttpServer

if t.TYPE_CHECKING:  # pragma: no cover
    from .app import Application

_BACKLOG: t.Final = 1024
_HANDSHAKE_SECONDS: t.Final = 10.0


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """What a TLS server needs: TLS 1.2 or later, HTTP/1.1, this certificate chain (PEM) and its private key (PEM).

    Raises CertificateError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as exc:
        raise CertificateError(
            f"Loading the certificate {certificate} with the key {key} failed: {_why(exc)}; both must be PEM files, "
            "the key without a password, and belong together."
        ) from None
    except OSError as exc:
        raise CertificateError(
            f"Loading the certificate {certificate} with the key {key} failed: {exc.strerror}; "
            "check both paths and that this user may read them."
        ) from None
    return context


def _no_password() -> str:
    # without this, OpenSSL would ask on the terminal
    return ""


def _why(exc: ssl.SSLError) -> str:
    return (exc.reason or "they cannot be read").replace("_", " ").lower()


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket at this address (IPv4, IPv6 or a name for one), not listening yet. Raises ListenError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, dummy, address = found[0]
        sock = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as exc:
        raise _refused(host, port, exc) from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as exc:
        sock.close()
        raise _refused(host, port, exc) from None
    return sock


def _refused(host: str, port: int, exc: OSError | UnicodeError) -> ListenError:
    why = (exc.strerror if isinstance(exc, OSError) else None) or "the host name is malformed"
    return ListenError(f"Listening on {host} port {port} failed: {why}; choose another --host or --port.")


@dataclass(frozen=True)
class Listener:
    """An address that requests come in by."""

    url: str
    _server: asyncio.AbstractServer
    _http: HttpServer

    async def close(self, grace: float) -> None:
        """Stop listening at once, let the requests under way end for up to grace seconds, then cut them."""
        self._server.close()
        await self._http.close(grace)


async def listen(application: Application, sock: socket.socket, *, tls: ssl.SSLContext | None = None) -> Listener:
    """Serve on a bound socket, plain or with TLS. Raises ListenError."""
    http = HttpServer(application, zero_copy=tls is None)
    host, port = sock.getsockname()[:2]
    handshake = None if tls is None else _HANDSHAKE_SECONDS
    try:
        server = await asyncio.get_running_loop().create_server(
            http, sock=sock, ssl=tls, backlog=_BACKLOG, ssl_handshake_timeout=handshake
        )
    except OSError as exc:
        raise _refused(host, port, exc) from None
    scheme = "http" if tls is None else "https"
    return Listener(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}", server, http)


__all__ = ("Listener", "bind", "listen", "tls_context")
