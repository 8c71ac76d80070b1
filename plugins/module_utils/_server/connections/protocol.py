# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import asyncio
import http
import logging
import socket
import struct
import typing as t
from dataclasses import dataclass

from ..._base.text import visible
from ..access.identity import Peer
from ..access.passwords import parse_basic
from ..api.answers import error_answer, written
from ..api.request_head import MAX_HEAD, MAX_RANGE
from ..errors import Refusal
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
# how long to go on reading, and throwing away, the body of a request that was refused
_LINGER_SECONDS: t.Final = 1.0
# how long a retired server waits for one more request on a connection that is kept alive
_RETIRED_SECONDS: t.Final = 5.0
# how long a client may take to end TLS
_CLOSING_SECONDS: t.Final = 3.0
_POLL_SECONDS: t.Final = 0.05
_RESET_ON_CLOSE: t.Final = struct.pack("ii", 1, 0)
# how many requests may wait for their turn on a connection, and how many bytes that are no complete head yet; not all
# versions of aiohttp that this runs with have limits of their own
_MAX_WAITING: t.Final = 64
_MAX_INCOMPLETE: t.Final = MAX_RANGE + 4 * MAX_HEAD
_BAD_REQUEST: t.Final = Refusal(
    400, "UNSUPPORTED", "The request is not valid HTTP/1.1; check the request line and the header fields."
)


class Handler(t.Protocol):
    """What answers requests, such as Application."""

    async def handle(self, request: web.BaseRequest, *, zero_copy: bool, peer: Peer | None) -> web.StreamResponse:
        """Answer a request of this peer; zero_copy says whether files can go out by sendfile."""


@dataclass(frozen=True)
class Limits:
    """How long clients may take, in seconds, and the bytes a second that they must take of an answer."""

    head_seconds: float = 20
    idle_seconds: float = 75
    stall_seconds: float = 60
    minimum_rate: float = 1024
    handshake_seconds: float = 10


class _Connection(web.RequestHandler):
    """aiohttp's connection; it knows its peer and what it waits for, and its own errors are the distribution-spec's."""

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
        # of the latest request; aiohttp's _current_request is None while a complete answer is written
        self._writer: t.Any = None
        # until the connection is gone; what aiohttp calls transport is None as soon as it is to be closed
        self._wire: asyncio.Transport | None = None
        self._head_since: float | None = None
        self._closing_since: float | None = None
        self._idle_since = self._loop.time()
        self.peer = Peer(None, realm=realm)
        # whose password came with the request under way
        self.user: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake, if any, is over."""
        self._idle_since = self._loop.time()
        self._wire = t.cast("asyncio.Transport", transport)
        self.peer = peer_of(transport, realm=self._realm)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        self._wire = None
        self.release()
        super().connection_lost(exc)

    def release(self) -> None:
        """Give up the place among the connections."""
        if self._admission is not None:
            self._admission.release()

    def data_received(self, data: bytes) -> None:
        """Some of a request is there."""
        # of nothing at all aiohttp itself may speak, to go on with what it has
        if data and not self._busy and self._head_since is None:
            self._head_since = self._loop.time()
        waiting = len(self._messages)
        try:
            super().data_received(data)
        except Exception as exc:
            # such as of yarl, about a target that is no URL; asyncio would log a traceback and close without answer
            _LOG.debug("a request cannot be read: %r", exc)
            self._refuse()
            return
        if self._body is None or self._body.is_eof():
            self._incomplete = self._incomplete + len(data) if len(self._messages) == waiting else 0
            self._hold_back()

    def _hold_back(self) -> None:
        """Read no further ahead of the answers than there is room for; a head that is longer is none."""
        if len(self._messages) <= _MAX_WAITING and self._incomplete <= _MAX_INCOMPLETE:
            return
        if not self._busy and not self._messages:
            self.cut("head")
        elif isinstance(self.transport, asyncio.ReadTransport):
            self._held = True
            self.transport.pause_reading()

    def _refuse(self) -> None:
        """Answer what aiohttp cannot read, or end the connection where an earlier answer is still to come."""
        if self._busy or self._messages or self.transport is None:
            self.cut("head")
            return
        answer = written(_BAD_REQUEST)
        self.server.counters.request("other", 400, size=len(answer), seconds=0)
        t.cast("asyncio.WriteTransport", self.transport).write(answer)
        self.force_close()

    def begin(self, body: t.Any, writer: t.Any) -> None:
        """The head of a request is complete; body is what follows it, writer is what its answer goes through."""
        self._body, self._writer = body, writer
        self._busy = self._used = True
        self._head_since = self.user = None
        self._progress.begin(self._loop.time())

    async def wait(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        """Wait for something that has a limit of its own, which is no lack of progress."""
        self._progress.end()
        try:
            await work
        finally:
            self._progress.begin(self._loop.time())

    def end(self) -> None:
        """The request is answered."""
        self._busy = False
        self._idle_since = self._loop.time()
        self._pace.rest()
        self._progress.end()
        if self._held and len(self._messages) <= _MAX_WAITING // 2:
            self._held = False
            if isinstance(self.transport, asyncio.ReadTransport):
                self.transport.resume_reading()

    def check(self, now: float) -> None:
        """Close the connection if its client takes too long. To be called every now and then."""
        if self._wire is None:
            return
        if self._cut:
            # the shutdown of the socket was not noticed, because nothing is read or written
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
        # one that is to be closed waits until the client has taken what was written
        wire = t.cast("asyncio.Transport", self._wire)
        limits, closing = self.server.limits, self.transport is None or wire.is_closing()
        delivery = delivery_of(self._socket())
        if limits.minimum_rate and self._pace.is_too_slow(delivery, now):
            self.cut("slow")
        elif closing and not (delivery and delivery.pending):
            self._end_closing(now)
        elif self._progress.is_stuck(delivery, now, begun=self._has_begun()):
            _LOG.warning(
                "the connection of %s is cut: no byte of the answer was sent in %g s; look at the disk and the load",
                self.peer.address or "a unix socket",
                limits.stall_seconds,
            )
            self.cut("stuck")
            if self._task_handler is not None:
                self._task_handler.cancel()

    def _end_closing(self, now: float) -> None:
        """Wait no longer for the close_notify of a client that has taken all; asyncio would, before 3.11 for ever."""
        if self._closing_since is None:
            self._closing_since = now
        elif now - self._closing_since >= _CLOSING_SECONDS:
            t.cast("asyncio.Transport", self._wire).abort()

    def finish(self) -> None:
        """End the connection with the answer under way, now if there is none."""
        if self._busy:
            self.close()
        else:
            self.force_close()

    def _has_begun(self) -> bool:
        """Whether some of the answer under way is out."""
        return self.transport is None or (self._writer is not None and self._writer.output_size > 0)

    def _socket(self) -> t.Any:
        """Give the socket, None where TLS has let it go and the connection is not yet said to be lost."""
        return t.cast("asyncio.Transport", self._wire).get_extra_info("socket")

    def cut(self, why: str) -> None:
        """End the connection now, whatever it does; why is one of counters.CUT."""
        if self._wire is None or self._cut:
            return
        self._cut = True
        _LOG.debug("the connection of %s is cut: %s", self.peer.address or "a unix socket", why)
        self.server.counters.add("cut", why)
        sock = self._socket()
        if sock is None:
            self._wire.abort()
            return
        try:
            # what the client did not take is not kept for it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            # wakes up a sendfile, which closing the transport would not
            sock.shutdown(socket.SHUT_RDWR)
        except OSError as exc:
            _LOG.debug("it was gone already: %s", exc)
        if not self._busy or self.transport is None:
            self._wire.abort()

    async def finish_response(self, request: web.BaseRequest, resp: t.Any, start_time: float | None) -> t.Any:
        """Send the rest of an answer. aiohttp would parse what follows a declined upgrade, and some versions fail."""
        if self._message_tail:
            self._message_tail = b""
            self.close()
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: t.Any, **kw: t.Any) -> None:
        """Log what went wrong around an answer; a body that is malformed is a matter of the client."""
        exc = kw.get("exc_info")
        if isinstance(exc, MALFORMED):
            _LOG.debug("a request of %s is malformed: %s", self.peer.address or "a unix socket", exc)
        else:
            super().log_exception(*args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that is no HTTP, or that ran into a fault of ours; the connection ends with it."""
        if status >= 500:
            _LOG.error("answering %s failed", visible(request.raw_path), exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer is under way already")
        refusal = Refusal(status, "UNSUPPORTED", f"{http.HTTPStatus(status).phrase}.")
        answer = error_answer(_BAD_REQUEST if status == _BAD_REQUEST.status else refusal)
        answer.force_close()
        return answer


def peer_of(transport: asyncio.BaseTransport, *, realm: AttestedClient | None = None) -> Peer:
    """Who is at the other end: an IPv4 address in IPv6 form is shown as what it is, and without a zone."""
    name = transport.get_extra_info("peername")
    address = None
    if isinstance(name, tuple):
        address = plain_address(str(name[0]))
    return Peer(address, subject_of(transport.get_extra_info("peercert")), realm)


def plain_address(address: str) -> str:
    """An IP address without what only this host knows it by."""
    address = address.partition("%")[0]
    return address[len("::ffff:") :] if address.startswith("::ffff:") and "." in address else address


class _Observer:
    """Has the shape of aiohttp's access logger, which is told of every answer."""

    enabled = True

    def __init__(self, counters: Counters, form: Form) -> None:
        self._counters = counters
        self._form = form

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """The answer is out."""
        connection = t.cast("_Connection", request.protocol)
        connection.end()
        size = body_bytes(request, response)
        self._counters.request(request.method, response.status, size=size, seconds=time)
        log_request(request, response, time, form=self._form, peer=connection.peer, user=connection.user, size=size)


class HttpServer(web.Server):
    """Makes a protocol for every connection. One for all listeners of a process; needs a running event loop.

    retired_at is the time at which it was told that others take over: its answers then end their connections.
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
            request_factory=self._begin,
            access_log_class=lambda *dummy: observer,
            access_log=_LOG,
            logger=_LOG,
            lingering_time=_LINGER_SECONDS,
            keepalive_timeout=limits.idle_seconds,
            # a Range header beyond its limit is passed over, not refused
            max_field_size=MAX_RANGE + MAX_HEAD,
            # bodies are thrown away: unpacking them first would be work for nothing, and bombs would go off
            auto_decompress=False,
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = t.cast("_Connection", request.protocol)
        if self._passwords is not None:
            authorization = request.headers.get("Authorization")
            try:
                await connection.wait(self._passwords.verify(authorization, address=connection.peer.address))
            except Refusal as refusal:
                return error_answer(refusal)
            credentials = parse_basic(authorization)
            if credentials is not None and self._passwords.is_known(credentials):
                connection.user = credentials.user
        return await self._application.handle(request, zero_copy=self._zero_copy, peer=connection.peer)

    def _begin(self, message: t.Any, payload: t.Any, protocol: t.Any, writer: t.Any, task: t.Any) -> web.BaseRequest:
        # aiohttp makes other URLs of that of the message, which fails for some and ends its task without an answer; all
        # that is looked at here is the target as it came, which is None for CONNECT without one
        message = message._replace(
            path=message.path or "", url=NO_URL, should_close=message.should_close or self.retired_at is not None
        )
        request = web.BaseRequest(message, payload, protocol, writer, task, self._loop)
        protocol.begin(payload, writer)
        return request

    def connect(self, admission: Admission | None = None, *, realm: AttestedClient | None = None) -> _Connection:
        """The protocol of a new connection; realm is its client, if that was attested."""
        return _Connection(self, admission=admission, realm=realm, loop=self._loop, **self._kwargs)

    def __call__(self) -> _Connection:
        return self.connect()

    def retire(self) -> None:
        """Others take over: let connections end with their next answer, and those without one after a while."""
        self.retired_at = self._loop.time()

    def check(self) -> None:
        """Look at all connections; to be called about every second."""
        now = self._loop.time()
        for connection in self.connections:
            try:
                t.cast("_Connection", connection).check(now)
            except Exception:
                # the others must be looked at all the same, or nobody would be cut any more
                _LOG.exception("looking at a connection failed")

    async def close(self, grace: float) -> None:
        """End idle connections now, and others when their answer is out, or is cut after about grace seconds."""
        self.retire()
        for connection in self.connections:
            t.cast("_Connection", connection).finish()
        deadline = self._loop.time() + grace
        while self.connections and self._loop.time() < deadline:
            await asyncio.sleep(min(_POLL_SECONDS, grace))
        for connection in self.connections:
            t.cast("_Connection", connection).cut("drain")
        # to aiohttp nought would mean to wait for ever
        await self.shutdown(_POLL_SECONDS)


__all__ = ("Handler", "HttpServer", "Limits", "peer_of", "plain_address")
