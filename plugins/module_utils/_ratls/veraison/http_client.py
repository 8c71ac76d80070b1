# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""An HTTP client with one deadline over all, on aiohttp; called by session.py and keys.py.

Each request has its own connection and its own event loop, so it may be sent from any thread that runs no event loop.
The only file of this package that imports aiohttp; without it every file can still be imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import ssl
import typing as t
from dataclasses import dataclass, field

from ..._base.errors import DependencyMissing
from ..._base.text import visible
from ..errors import ConfigurationInvalid, VeraisonFailed
from .ear import veraison_error
from .exchange import MAX_BODY, HttpAnswer

try:
    import aiohttp
    from aiohttp import TCPConnector
    from yarl import URL

    _FOUND = tuple(map(int, re.findall(r"[0-9]+", aiohttp.__version__)[:2]))
except ImportError:
    _FOUND = (0, 0)
    TCPConnector = object  # type: ignore[misc, assignment]

USER_AGENT: t.Final = "attested.registry"

# the oldest release that the registry server runs with
_OLDEST: t.Final = (3, 11)

# a body with status line, headers and chunk framing
_MAX_WIRE: t.Final = MAX_BODY + 256 * 1024

_MAX_HEADERS: t.Final = 100
_RUNS: t.Final = "check that the service is running"


@dataclass(frozen=True)
class HttpClient:
    """Sends HTTP requests, each over its own connection; see Http.

    TLS is verified with the certificates in ca (PEM), or with those of the system if ca is None. Proxies of the
    environment are not used: they would see who is attested and could refuse any client.
    """

    ca: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raise DependencyMissing if aiohttp is absent or too old."""
        if _FOUND < _OLDEST:
            wanted = f"aiohttp >= {'.'.join(map(str, _OLDEST))}"
            raise DependencyMissing(
                f"Verification by Veraison needs the Python library {wanted}, which cannot be imported; install it.",
                library=wanted,
            )

    def __call__(
        self, method: str, url: str, *, headers: t.Mapping[str, str], body: bytes | None, timeout: float
    ) -> HttpAnswer:
        """Send a request; see Http."""
        try:
            return asyncio.run(asyncio.wait_for(_exchange(method, url, headers, body, self.ca), timeout))
        except asyncio.TimeoutError:
            raise veraison_error(f"it did not answer a {method} in time", _RUNS) from None
        except (aiohttp.ClientConnectorDNSError, UnicodeError):
            raise veraison_error("its name cannot be resolved", "check the name and the resolver") from None
        except aiohttp.ClientConnectorCertificateError as exc:
            raise veraison_error(
                f"its certificate was rejected ({visible(getattr(exc.certificate_error, 'verify_message', ''))})",
                "give the authority that issued it (ca_path), or a name that it contains (url)",
            ) from None
        except aiohttp.ClientOSError as exc:
            raise _connection_error(exc) from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            raise veraison_error("it closed the connection early", _RUNS) from None
        except (aiohttp.ClientError, ValueError):
            raise veraison_error("its answer is not HTTP", "check the address of the service") from None


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


class _Connector(TCPConnector):
    """Opens the connection of one request."""

    wire: _Wire

    async def connect(self, *arguments: t.Any, **options: t.Any) -> t.Any:
        """Open a connection, as aiohttp.BaseConnector does, with a _Wire in it."""
        connection: t.Any = await super().connect(*arguments, **options)
        self.wire = _Wire(connection.transport, connection.protocol)
        return connection


class _Wire(asyncio.Protocol):
    """Stands between a connection and aiohttp: the protocol of the one, the transport of the other.

    It adds what aiohttp lacks: a limit of all bytes, 1xx answers and headers included; a close that does not wait for
    the other end, as that of TLS does while it keeps the socket; and an end of the wait for a body after garbage in it.
    """

    def __init__(self, transport: asyncio.Transport, protocol: t.Any) -> None:
        self.content: aiohttp.StreamReader | None = None
        self._transport, self._protocol, self._allowed = transport, protocol, _MAX_WIRE
        protocol.transport = self
        transport.set_protocol(self)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass on data within the limit."""
        self._allowed -= len(data)
        if self._allowed >= 0:
            self._protocol.data_received(data)
        else:
            (self._protocol if self.content is None else self.content).set_exception(_length_error())
            self.close()

    def eof_received(self) -> None:
        """Pass on the end of the data."""
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on the end of the connection, and end the body."""
        if not self._protocol.is_eof():
            # aiohttp would send a GET or DELETE again after an error of its own
            self._protocol.set_exception(exc or aiohttp.ClientPayloadError())
        self._protocol.connection_lost(exc)
        if self.content is not None and not self.content.is_eof() and self.content.exception() is None:
            self.content.set_exception(ValueError("the body is malformed"))

    def pause_writing(self) -> None:
        """Pass on that the buffer is full."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the buffer has room."""
        self._protocol.resume_writing()


async def _exchange(
    method: str, url: str, headers: t.Mapping[str, str], body: bytes | None, ca: str | None
) -> HttpAnswer:
    own = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close"}
    connector = _Connector(ssl=_context(ca), resolver=aiohttp.ThreadedResolver())
    no_limits = aiohttp.ClientTimeout()
    async with aiohttp.ClientSession(connector=connector, timeout=no_limits, auto_decompress=False) as session:
        answer = await session.request(
            method, URL(url, encoded=True), headers={**own, **headers}, data=body, allow_redirects=False
        )
        connector.wire.content = answer.content
        with contextlib.closing(answer):
            return await _read(answer)


async def _read(answer: aiohttp.ClientResponse) -> HttpAnswer:
    if len(answer.raw_headers) > _MAX_HEADERS:
        raise ValueError("there are too many headers")
    if (answer.content_length or 0) > MAX_BODY:
        raise _length_error()
    data = bytearray()
    async for piece in answer.content.iter_any():
        data += piece
        if len(data) > MAX_BODY:
            raise _length_error()
    found: dict[str, str] = {}
    for name, value in answer.headers.items():
        found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
    return HttpAnswer(answer.status, found, bytes(data))


def _connection_error(exc: aiohttp.ClientOSError) -> VeraisonFailed:
    """Return the error for a connection that failed, from the error of the system or of TLS below that of aiohttp."""
    error = exc.__cause__ if isinstance(exc.__cause__, OSError) else exc
    if isinstance(error, ssl.SSLEOFError) or (isinstance(error, ConnectionResetError) and not error.errno):
        return veraison_error("it closed the connection early", _RUNS)
    if isinstance(error, ssl.SSLError):
        return veraison_error(f"TLS with it failed ({visible(error.reason or 'for no reason')})", _RUNS)
    return veraison_error(
        f"it cannot be reached ({os.strerror(error.errno) if error.errno else type(error).__name__})", _RUNS
    )


def _length_error() -> VeraisonFailed:
    return veraison_error(f"its answer is longer than {MAX_BODY} bytes", "check the address of the service")


__all__ = ("USER_AGENT", "HttpClient", "check_authorities")
