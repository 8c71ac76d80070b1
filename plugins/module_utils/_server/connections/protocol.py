# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""HTTP protocol of the server, on top of aiohttp's: time limits, slow readers, passwords, error documents, access log.

worker.py makes one HttpServer for its process; the listeners pass connections to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import socket
import struct
import typing as t
from dataclasses import dataclass

from ..._base.text import visible
from ..access.passwords import parse_basic
from ..api.answers import error_answer, written
from ..api.request_head import MAX_HEAD, MAX_RANGE
from ..errors import Refusal
from ..identity import Peer
from ..libraries import MALFORMED, NO_URL, web
from ..metrics.counters import Board
from .access_log import Form, body_bytes, log_request
from .pace import Progress, SlowReaderCheck, delivery_of
from .tls import subject_of

if t.TYPE_CHECKING:
    from ..access.attested_client import AttestedClient
    from ..access.passwords import Passwords
    from ..metrics.counters import Counters
    from .connections import Admission

_LOG: t.Final = logging.getLogger("attested.registry")
# how long to read and discard the body of a request that was refused
_LINGER_SECONDS: t.Final = 1.0
# how long a retired server waits for another request on an idle connection
_RETIRED_SECONDS: t.Final = 5.0
# how long a client may take to close TLS
_CLOSING_SECONDS: t.Final = 3.0
_POLL_SECONDS: t.Final = 0.05
_RESET_ON_CLOSE: t.Final = struct.pack("ii", 1, 0)
# limits of pipelined requests on a connection, and of bytes of an incomplete head; not all supported versions of
# aiohttp have such limits
_MAX_WAITING: t.Final = 64
_MAX_INCOMPLETE: t.Final = MAX_RANGE + 4 * MAX_HEAD
_BAD_REQUEST: t.Final = Refusal(
    400, "UNSUPPORTED", "The request is not valid HTTP/1.1; check the request line and the header fields."
)


class Handler(t.Protocol):
    """An application that answers requests, such as Application."""

    async def handle(self, request: web.BaseRequest, *, zero_copy: bool, peer: Peer | None) -> web.StreamResponse:
        """Answer a request of this peer; zero_copy tells whether the connection supports sendfile."""


@dataclass(frozen=True)
class Limits:
    """Time limits for clients in seconds, and the lowest rate at which they must read, in bytes per second."""

    head_seconds: float = 20
    idle_seconds: float = 75
    stall_seconds: float = 60
    minimum_rate: float = 1024
    handshake_seconds: float = 10


class _Connection(web.RequestHandler):
    """A connection of aiohttp with a peer, time limits, and errors as the distribution-spec defines them."""

    __slots__ = (
        "_admission",
        "_body",
        "_busy",
        "_closing_since",
        "_cut",
        "_head_since",
        "_held",
        "_idle_since",
        "_incomplete",
        "_pace",
        "_progress",
        "_realm",
        "_socket",
        "_used",
        "_wire",
        "_writer",
        "peer",
        "server",
        "user",
    )

    def __init__(
        self, server: HttpServer, *, admission: Admission | None, realm: AttestedClient | None = None, **options: t.Any
    ) -> None:
        super().__init__(server, **options)
        self.server = server
        self._realm = realm
        self._admission = admission
        limits = server.limits
        self._pace = SlowReaderCheck(seconds=limits.stall_seconds, minimum=limits.minimum_rate * limits.stall_seconds)
        self._progress = Progress(seconds=limits.stall_seconds)
        self._busy = self._used = self._held = self._cut = False
        self._incomplete = 0
        self._body: t.Any = None
        # writer of the latest request; _current_request of aiohttp is None while a complete response is written
        self._writer: t.Any = None
        # transport until the connection is lost; the attribute transport of aiohttp is None once closing starts
        self._wire: asyncio.Transport | None = None
        # read once: the TLS transport of asyncio raises AttributeError for it after a second close()
        self._socket: t.Any = None
        self._head_since: float | None = None
        self._closing_since: float | None = None
        self._idle_since = self._loop.time()
        self.peer = Peer(None, realm=realm)
        # user whose password was verified for the current request
        self.user: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with a connection whose handshake, if any, is complete."""
        self._idle_since = self._loop.time()
        self._wire = t.cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket")
        self.peer = peer_of(transport, realm=self._realm)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Release the place of the connection."""
        self._wire = None
        self.release()
        super().connection_lost(exc)

    def release(self) -> None:
        """Release the place of the connection under the limits. Further calls do nothing."""
        if self._admission is not None:
            self._admission.release()

    def data_received(self, data: bytes) -> None:
        """Parse bytes of requests."""
        # aiohttp calls this with b"" to resume parsing buffered data
        if data and not self._busy and self._head_since is None:
            self._head_since = self._loop.time()
        waiting = len(self._messages)
        try:
            super().data_received(data)
        except Exception as exc:
            # from yarl, for example, about a malformed URL; asyncio would log a traceback and close without a response
            _LOG.debug("parsing a request failed: %r", exc)
            self._refuse_malformed()
            return
        if self._body is None or self._body.is_eof():
            now_waiting = len(self._messages)
            self._incomplete = self._incomplete + len(data) if now_waiting == waiting else 0
            if now_waiting > _MAX_WAITING or self._incomplete > _MAX_INCOMPLETE:
                self._limit_pipeline()

    def _limit_pipeline(self) -> None:
        """Pause reading, because too many requests or bytes wait; close the connection when a head is too long."""
        if not self._busy and not self._messages:
            self.cut("head")
        elif isinstance(self.transport, asyncio.ReadTransport):
            self._held = True
            self.transport.pause_reading()

    def _refuse_malformed(self) -> None:
        """Answer a request that aiohttp cannot parse, or close the connection if an earlier response is pending."""
        if self._busy or self._messages or self.transport is None:
            self.cut("head")
            return
        answer = written(_BAD_REQUEST)
        self.server.counters.request("other", 400, size=len(answer), seconds=0)
        t.cast("asyncio.WriteTransport", self.transport).write(answer)
        self.force_close()

    def begin(self, body: t.Any, writer: t.Any) -> None:
        """Start a request whose head is complete; body is its payload, writer sends its response."""
        self._body, self._writer = body, writer
        self._busy = self._used = True
        self._head_since = self.user = None
        self._progress.begin(self._loop.time())

    async def wait(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        """Await work that has its own time limit, without counting it as lack of progress."""
        self._progress.end()
        try:
            await work
        finally:
            self._progress.begin(self._loop.time())

    def end(self) -> None:
        """End a request after its response was sent."""
        self._busy = False
        self._idle_since = self._loop.time()
        self._pace.rest()
        self._progress.end()
        if self._held and len(self._messages) <= _MAX_WAITING // 2:
            self._held = False
            if isinstance(self.transport, asyncio.ReadTransport):
                self.transport.resume_reading()

    def check(self, now: float) -> None:
        """Close the connection if its client exceeds a time limit. Called about once per second."""
        if self._wire is None:
            return
        if self._cut:
            # with no read or write in progress, asyncio does not notice the shutdown of the socket
            self._wire.abort()
            return
        limits = self.server.limits
        if self._busy or self.transport is None or self._wire.is_closing():
            self._check_answer(now)
        elif self._head_since is not None or not self._used:
            since = self._idle_since if self._head_since is None else self._head_since
            if now - since > limits.head_seconds:
                self.cut("head")
        elif self.server.retired_at is not None and now - self.server.retired_at > _RETIRED_SECONDS:
            self.finish()

    def _check_answer(self, now: float) -> None:
        # a connection that is closing waits until the client has read all data
        wire = t.cast("asyncio.Transport", self._wire)
        limits, closing = self.server.limits, self.transport is None or wire.is_closing()
        delivery = delivery_of(self._socket)
        if limits.minimum_rate and self._pace.is_too_slow(delivery, now):
            self.cut("slow")
        elif closing and not (delivery and delivery.pending):
            self._end_closing(now)
        elif self._progress.is_stuck(delivery, now, begun=self._has_begun()):
            _LOG.warning(
                "aborting the connection of %s: no byte of the response was sent in %g s; check the disk and the load",
                self.peer.address or "a unix socket",
                limits.stall_seconds,
            )
            self.cut("stuck")
            if self._task_handler is not None:
                self._task_handler.cancel()

    def _end_closing(self, now: float) -> None:
        """Abort a connection whose client has read all and sends no close_notify.

        Before Python 3.11, asyncio waits for it forever.
        """
        if self._closing_since is None:
            self._closing_since = now
        elif now - self._closing_since >= _CLOSING_SECONDS:
            # a TLS transport ignores abort() after a second close()
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            t.cast("asyncio.Transport", self._wire).abort()

    def finish(self) -> None:
        """Close the connection after the response in progress, or at once if there is none."""
        if self._busy:
            self.close()
        else:
            self.force_close()

    def _has_begun(self) -> bool:
        """Tell whether some bytes of the response in progress were sent."""
        return self.transport is None or (self._writer is not None and self._writer.output_size > 0)

    def cut(self, why: str) -> None:
        """Abort the connection and count the reason; why is one of counters.CUT."""
        if self._wire is None or self._cut:
            return
        self._cut = True
        _LOG.debug("aborting the connection of %s: %s", self.peer.address or "a unix socket", why)
        self.server.counters.add("cut", why)
        try:
            # discard data that the client has not read
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            # interrupts a sendfile in progress, which closing the transport does not
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError as exc:
            _LOG.debug("the connection was already closed: %s", exc)
        if not self._busy or self.transport is None:
            self._wire.abort()

    def finish_response(self, request: web.BaseRequest, resp: t.Any, start_time: float | None) -> t.Any:
        """Finish a response and discard the bytes after a declined upgrade, on which some versions of aiohttp fail."""
        if self._message_tail:
            self._message_tail = b""
            self.close()
        return super().finish_response(request, resp, start_time)

    def log_exception(self, *args: t.Any, **kw: t.Any) -> None:
        """Log an exception of aiohttp; a malformed body is an error of the client and logged at debug level."""
        exc = kw.get("exc_info")
        if isinstance(exc, MALFORMED):
            _LOG.debug("a request from %s is malformed: %s", self.peer.address or "a unix socket", exc)
        else:
            super().log_exception(*args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Make the response to a malformed request or after a fault of the server; it closes the connection."""
        if status >= 500:
            _LOG.error("answering %s failed", visible(request.raw_path), exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionResetError("a response is already in progress")
        refusal = Refusal(status, "UNSUPPORTED", f"{http.HTTPStatus(status).phrase}.")
        answer = error_answer(_BAD_REQUEST if status == _BAD_REQUEST.status else refusal)
        answer.force_close()
        return answer


def peer_of(transport: asyncio.BaseTransport, *, realm: AttestedClient | None = None) -> Peer:
    """Return the peer of a connection, with a normalized address and the subject of its certificate."""
    name = transport.get_extra_info("peername")
    address = None
    if isinstance(name, tuple):
        address = plain_address(str(name[0]))
    return Peer(address, subject_of(transport.get_extra_info("peercert")), realm)


def plain_address(address: str) -> str:
    """Return an IP address without its zone, and an IPv4-mapped IPv6 address as IPv4."""
    address = address.partition("%")[0]
    return address[len("::ffff:") :] if address.startswith("::ffff:") and "." in address else address


class _Observer:
    """Access logger for aiohttp, which calls it after every response."""

    enabled = True

    def __init__(self, counters: Counters, form: Form) -> None:
        self._counters = counters
        self._form = form

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Count and log a response that was sent."""
        connection: t.Any = request.protocol
        connection.end()
        size = body_bytes(request, response)
        self._counters.request(request.method, response.status, size=size, seconds=time)
        if self._form != "none":
            log_request(request, response, time, form=self._form, peer=connection.peer, user=connection.user, size=size)


class HttpServer(web.Server):
    """Factory of the protocol of each connection, for all listeners of a process. Needs a running event loop.

    retired_at is the time of the call to retire, after which responses close their connections.
    """

    def __init__(
        self,
        application: Handler,
        *,
        zero_copy: bool,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        counters: Counters | None = None,
        passwords: Passwords | None = None,
        access_log: Form = "text",
    ) -> None:
        self.limits = limits
        self.counters = counters or Board(1).take()
        self.retired_at: float | None = None
        self._application = application
        self._zero_copy = zero_copy
        self._passwords = passwords
        observer = _Observer(self.counters, access_log)
        super().__init__(
            self._answer,
            request_factory=self._make_request,
            access_log_class=lambda *dummy: observer,
            access_log=_LOG,
            logger=_LOG,
            lingering_time=_LINGER_SECONDS,
            keepalive_timeout=limits.idle_seconds,
            # a Range header beyond its limit is ignored, not refused
            max_field_size=MAX_RANGE + MAX_HEAD,
            # bodies are discarded; decompressing them would waste work and expose the server to compression bombs
            auto_decompress=False,
        )

    def _answer(self, request: web.BaseRequest) -> t.Awaitable[web.StreamResponse]:
        if self._passwords is not None:
            return self._answer_user(request, self._passwords)
        connection: t.Any = request.protocol
        return self._application.handle(request, zero_copy=self._zero_copy, peer=connection.peer)

    async def _answer_user(self, request: web.BaseRequest, passwords: Passwords) -> web.StreamResponse:
        connection = t.cast("_Connection", request.protocol)
        authorization = request.headers.get("Authorization")
        try:
            await connection.wait(passwords.verify(authorization, address=connection.peer.address))
        except Refusal as refusal:
            return error_answer(refusal)
        credentials = parse_basic(authorization)
        if credentials is not None and passwords.is_known(credentials):
            connection.user = credentials.user
        return await self._application.handle(request, zero_copy=self._zero_copy, peer=connection.peer)

    def _make_request(
        self, message: t.Any, payload: t.Any, protocol: t.Any, writer: t.Any, task: t.Any
    ) -> web.BaseRequest:
        # aiohttp derives URLs from that of the message, which fails for some targets and ends the task without a
        # response. Only the raw target is used here; it is None for CONNECT without a target.
        message = message._replace(
            path=message.path or "", url=NO_URL, should_close=message.should_close or self.retired_at is not None
        )
        request = web.BaseRequest(message, payload, protocol, writer, task, self._loop)
        protocol.begin(payload, writer)
        return request

    def connect(self, admission: Admission | None = None, *, realm: AttestedClient | None = None) -> _Connection:
        """Make the protocol of a new connection; realm is its client if that was attested."""
        return _Connection(self, admission=admission, realm=realm, loop=self._loop, **self._kwargs)

    def __call__(self) -> _Connection:
        return self.connect()

    def retire(self) -> None:
        """Close connections after their next response, idle connections after a while: other workers take over."""
        self.retired_at = self._loop.time()

    def check(self) -> None:
        """Check the time limits of all connections. Called about once per second."""
        now = self._loop.time()
        for connection in self.connections:
            try:
                t.cast("_Connection", connection).check(now)
            except Exception:
                # one failure must not stop the checks of the other connections
                _LOG.exception("checking a connection failed")

    async def close(self, grace: float) -> None:
        """Close idle connections now and others after their response; abort the rest after about grace seconds."""
        self.retire()
        for connection in self.connections:
            t.cast("_Connection", connection).finish()
        deadline = self._loop.time() + grace
        while self.connections and self._loop.time() < deadline:
            await asyncio.sleep(min(_POLL_SECONDS, grace))
        for connection in self.connections:
            t.cast("_Connection", connection).cut("drain")
        # aiohttp takes 0 as "no timeout"
        await self.shutdown(_POLL_SECONDS)


__all__ = ("Handler", "HttpServer", "Limits", "peer_of", "plain_address")
