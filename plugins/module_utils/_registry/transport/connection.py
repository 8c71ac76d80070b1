# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""HTTP connections with time and size limits on every read, and on every write of a body.

The only file that imports requests and urllib3.

Private parts of both libraries are overridden here and nowhere else. Called by transport.py.
"""

from __future__ import annotations

import errno
import http.client
import importlib.util
import io
import socket
import threading
import traceback
import typing as t
from dataclasses import dataclass, field

from ..._base.errors import CollectionError, DependencyMissing
from ..errors import ConfigurationError
from .guard import CHUNK

if t.TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    from ..url import Origin
    from .guard import Guard

    # makes a TLS connection over a connected socket within a timeout in seconds; returns the object to use as socket
    Secure = Callable[[socket.socket, float], t.Any]

IMPORT_ERROR: str | None = None
_found_version = _urllib3_version = "0"
try:
    from requests.__version__ import __version__ as _found_version
    from requests.adapters import HTTPAdapter
    from requests.models import PreparedRequest, Response
    from requests.structures import CaseInsensitiveDict
    from urllib3 import __version__ as _urllib3_version  # type: ignore[attr-defined]
    from urllib3 import disable_warnings
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import HTTPError, InsecureRequestWarning
except ImportError:
    IMPORT_ERROR = traceback.format_exc()
    HTTPAdapter = HTTPConnection = HTTPSConnection = object  # type: ignore[assignment, misc]
    HTTPConnectionPool = HTTPSConnectionPool = object  # type: ignore[assignment, misc]
    HTTPError = Exception  # type: ignore[assignment, misc]

MINIMUM_REQUESTS: t.Final = "2.25.0"

_BUFFER: t.Final = 16 * 1024
_POOL_SIZE: t.Final = 32


def require_requests() -> None:
    """Raise DependencyMissing if requests is missing or too old; an old version may fail to import."""
    wanted = f"requests >= {MINIMUM_REQUESTS}"
    if _found_version != "0" and _parse_version(_found_version) < _parse_version(MINIMUM_REQUESTS):
        raise DependencyMissing(
            f"The Python library {wanted} is needed and {_found_version[:20]} was found; upgrade it.",
            library=wanted,
        )
    if IMPORT_ERROR is not None:
        error = DependencyMissing(f"The Python library {wanted} cannot be imported; install it.", library=wanted)
        error.traceback = IMPORT_ERROR
        raise error


@dataclass
class Exchange:
    """One request and its state on the way through the libraries; belongs to the thread that sends it.

    target is the target of the request line, byte for byte; the libraries would rewrite it. streams: the request has a
    body in pieces, and sent tells whether all of them have been sent.
    """

    guard: Guard
    target: str
    check_peer: Callable[[str], None] | None = None
    peer: str | None = field(default=None, init=False)
    response: http.client.HTTPResponse | None = field(default=None, init=False)
    streams: bool = field(default=False, init=False)
    sent: bool = field(default=False, init=False)


@dataclass(frozen=True)
class Received:
    """An answer with an unread body. Either finish() or abandon() must be called, once.

    is_reusable: the connection can be used for another request, because the whole body of this one was sent.
    """

    response: http.client.HTTPResponse
    _raw: t.Any
    is_reusable: bool = True

    def finish(self) -> None:
        """Return the connection to the pool for the next request; the body has been read to its end."""
        if not self.is_reusable:
            self.abandon()
            return
        # read1 does not close the response at its end on every Python, and the connection waits for that
        self.response.close()
        self._raw.release_conn()

    def abandon(self) -> None:
        """Close the connection and drop the unread rest of the body."""
        self._raw.close()
        self.response.close()
        self._raw.release_conn()


class _Current(threading.local):
    exchange: Exchange | None = None


_current = _Current()


class _WatchedSocket(io.RawIOBase):
    """The reading side of a socket; it reports every read to the guard and takes its timeouts from it."""

    def __init__(self, raw: t.Any, sock: socket.socket, guard: Guard) -> None:
        self._raw = raw
        self._sock = sock
        self._guard = guard

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Read within the time limit of the guard. Raises the RegistryErrors of the guard, and OSError."""
        guard = self._guard
        timeout = guard.read_timeout()
        if timeout != self._sock.gettimeout():
            self._sock.settimeout(timeout)
        start = guard.clock()
        try:
            count: int = self._raw.readinto(buffer) or 0
        except socket.timeout:
            raise guard.timed_out() from None
        guard.received(count, guard.clock() - start)
        return count

    def close(self) -> None:
        """Close the reading side only; the connection owns the socket."""
        if not self.closed:
            self._raw.close()
            super().close()


class _WatchedResponse(http.client.HTTPResponse):
    """A response of http.client on a watched socket; it registers itself with the exchange."""

    def __init__(self, sock: socket.socket, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(sock, *args, **kwargs)
        exchange = _current.exchange
        if exchange is not None:
            watched = _WatchedSocket(self.fp.detach(), sock, exchange.guard)
            self.fp = io.BufferedReader(watched, _BUFFER)
            exchange.response = self

    def _read_status(self) -> tuple[str, int, str]:
        # http.client skips only 100: it would take 103 for the answer, and the real answer for that of the next request
        version, status, reason = super()._read_status()  # type: ignore[misc]
        interim = 100 < status < 200 and status != http.client.SWITCHING_PROTOCOLS
        return version, http.client.CONTINUE if interim else status, reason


class _Watched:
    """A mixin that precedes the methods of all connections of urllib3."""

    response_class: t.Any = _WatchedResponse

    def _new_conn(self) -> t.Any:
        return _check_peer(super()._new_conn())  # type: ignore[misc]

    def request(self, method: str, url: str, *args: t.Any, **kwargs: t.Any) -> None:
        """Send a request as urllib3 does, with the exact target and a checked peer. Raises what check_peer raises."""
        super().request(method, _prepare(self, url), *args, **kwargs)  # type: ignore[misc]

    def send(self, data: t.Any) -> None:
        """Send as http.client does; a request with a body in pieces is sent within the time limits of the guard.

        Raises BrokenPipeError if the peer has closed the connection: all versions of urllib3 then read its answer.
        Raises the RegistryErrors of the guard, and OSError.
        """
        exchange = _current.exchange
        if exchange is None or not exchange.streams:
            super().send(data)  # type: ignore[misc]
            return
        guard, sock = exchange.guard, self.sock  # type: ignore[attr-defined]
        with memoryview(data) as view:
            for at in range(0, len(view), CHUNK):
                sock.settimeout(guard.write_timeout())
                start = guard.clock()
                try:
                    super().send(view[at : at + CHUNK])  # type: ignore[misc]
                except socket.timeout:
                    raise guard.write_timed_out() from None
                except (ConnectionResetError, ConnectionAbortedError) as exc:
                    raise BrokenPipeError(errno.EPIPE, exc.strerror) from None
                guard.sent(len(view[at : at + CHUNK]), guard.clock() - start)


class _Connection(_Watched, HTTPConnection):
    """A connection without TLS."""


class _TlsConnection(_Watched, HTTPSConnection):
    """A connection with TLS."""


class _AttestedConnection(_TlsConnection):
    """A connection whose TLS the function secure provides."""

    secure: t.ClassVar[Secure]

    def connect(self) -> None:
        """Connect as urllib3 does, through a tunnel if there is a proxy. Raises what secure raises, too."""
        sock = self.sock = self._new_conn()
        if self._tunnel_host:
            # urllib3 1.26 and 2 have different attributes for a proxy that is reached over TLS
            if getattr(self, "tls_in_tls_required", False) or getattr(self, "_tunnel_scheme", "") == "https":
                sock = self.sock = self._connect_tls_proxy(self.host, sock)
            self._has_connected_to_proxy = True
            self._tunnel()
        exchange = t.cast("Exchange", _current.exchange)
        self.sock = type(self).secure(sock, exchange.guard.connect_timeout())
        self.is_verified = True


def _check_peer(sock: socket.socket) -> socket.socket:
    """Check the peer of a new connection before TLS begins on it; close the connection if it is refused."""
    exchange = _current.exchange
    if exchange is not None and exchange.check_peer is not None:
        try:
            exchange.check_peer(str(sock.getpeername()[0]))
        except BaseException:
            sock.close()
            raise
    return sock


def _prepare(connection: t.Any, url: str) -> str:
    """Connect if necessary, check the peer before any byte of the request is sent, and return the target to send."""
    if connection.sock is None:
        connection.connect()
    exchange = _current.exchange
    if exchange is None:
        return url
    exchange.peer = str(connection.sock.getpeername()[0])
    if exchange.check_peer is not None:
        exchange.check_peer(exchange.peer)
    return exchange.target


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _make_pools(secure: Secure | None) -> dict[str, type]:
    """Return the pool classes by scheme."""
    if secure is None:
        return {"http": _Pool, "https": _TlsPool}
    connection = type("_Connection", (_AttestedConnection,), {"secure": staticmethod(secure)})
    return {"http": _Pool, "https": type("_AttestedPool", (_TlsPool,), {"ConnectionCls": connection})}


def _make_socks_pools() -> dict[str, type]:
    """Return the pool classes by scheme for connections through a SOCKS proxy. Raises DependencyMissing."""
    if importlib.util.find_spec("socks") is None:
        raise DependencyMissing(
            "The Python library PySocks cannot be imported, and the proxy in the environment of the task uses SOCKS; "
            "install the library, or name an HTTP proxy in http_proxy, https_proxy or all_proxy.",
            library="PySocks",
        )
    from urllib3.contrib import socks

    plain = type("_SocksConnection", (_Watched, socks.SOCKSConnection), {})
    secure = type("_SocksTlsConnection", (_Watched, socks.SOCKSHTTPSConnection), {})
    return {
        "http": type("_SocksPool", (socks.SOCKSHTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_SocksTlsPool", (socks.SOCKSHTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class _Adapter(HTTPAdapter):
    """The adapter of requests with watched connections; it trusts only what the context trusts."""

    def __init__(self, context: ssl.SSLContext | None, secure: Secure | None) -> None:
        self._context = context
        self._pools = _make_pools(secure)
        self._is_attested = secure is not None
        super().__init__(pool_connections=_POOL_SIZE, pool_maxsize=_POOL_SIZE)

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Set context and pool classes; requests calls this."""
        super().init_poolmanager(*args, **{**kwargs, "ssl_context": self._context})
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: t.Any) -> t.Any:
        """Set context and pool classes; requests calls this. Raises ConfigurationError for SOCKS with ra-tls."""
        is_socks = proxy.lower().startswith("socks")
        if is_socks and self._is_attested:
            raise ConfigurationError(
                "The proxy in the environment of the task cannot be used: ra-tls does not support SOCKS proxies; name "
                "an HTTP proxy in https_proxy, or list the registry in no_proxy."
            )
        pools = _make_socks_pools() if is_socks else self._pools
        manager = super().proxy_manager_for(proxy, **{**kwargs, "ssl_context": self._context})
        manager.pool_classes_by_scheme = pools
        return manager

    def cert_verify(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Do nothing: requests would add its own list of authorities to the context."""

    def build_response(self, req: t.Any, resp: t.Any) -> t.Any:
        """Return an answer with its connection only: requests would parse cookies, which can take seconds."""
        answer = Response()
        answer.raw = resp
        return answer


class Pool:
    """The connections to some hosts with one TLS configuration; threads may share it.

    secure makes the TLS connections in place of context.
    """

    def __init__(self, context: ssl.SSLContext | None, *, verify: bool, secure: Secure | None = None) -> None:
        require_requests()
        if not verify:
            # the task warns about the option; the warning of the library goes to standard error
            disable_warnings(InsecureRequestWarning)
        if context is not None and _parse_version(_urllib3_version) < (2,):
            # urllib3 1 passes no name to OpenSSL if the host is an address, and checks names and addresses itself
            context.check_hostname = False
        self._adapter = _Adapter(context, secure)
        self._verify = verify

    def send(
        self,
        exchange: Exchange,
        *,
        method: str,
        origin: Origin,
        headers: Mapping[str, str],
        body: bytes | Iterator[bytes] | None = None,
        proxy: str | None = None,
    ) -> Received:
        """Send one request and read the head of its answer; do not follow, decode, store or repeat anything.

        A body in pieces needs a Content-Length. Raises CONNECTION_ERRORS; its RegistryErrors come from the guard and
        the peer check.
        """
        exchange.streams = body is not None and not isinstance(body, bytes)
        request = PreparedRequest()
        # the libraries get only the origin: they would rewrite path and query
        request.method, request.url = method, f"{origin}/"
        request.body = body if body is None or isinstance(body, bytes) else _record_end(body, exchange)
        request.headers = CaseInsensitiveDict(headers)
        guard = exchange.guard
        # the body of a request may be read from another one, in the same thread
        outer, _current.exchange = _current.exchange, exchange
        try:
            answer = self._adapter.send(
                request,
                stream=True,
                timeout=(guard.connect_timeout(), guard.read_timeout()),
                verify=self._verify,
                proxies={} if proxy is None else {"http": proxy, "https": proxy},
            )
        finally:
            _current.exchange = outer
        if exchange.response is None:
            answer.close()
            raise http.client.HTTPException("no response was captured")
        return Received(exchange.response, answer.raw, is_reusable=exchange.sent or not exchange.streams)

    def close(self) -> None:
        """Close all idle connections."""
        self._adapter.close()


# all errors of a connection; CollectionErrors come from the guard, _tls13 and _ratls
CONNECTION_ERRORS: t.Final = (OSError, HTTPError, http.client.HTTPException, ValueError, CollectionError)


def _record_end(pieces: Iterator[bytes], exchange: Exchange) -> Iterator[bytes]:
    yield from pieces
    exchange.sent = True


def _parse_version(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


__all__ = ("CONNECTION_ERRORS", "IMPORT_ERROR", "MINIMUM_REQUESTS", "Exchange", "Pool", "Received", "require_requests")
