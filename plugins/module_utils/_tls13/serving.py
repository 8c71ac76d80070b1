# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The asyncio protocol and transport over the server's engine; called by _server/connections."""

from __future__ import annotations

import asyncio
import socket
import typing as t

from .config import ServerConfig
from .errors import CertificateRejected, TimedOut, TlsError, without_frames
from .events import Closed, Data, Event, HandshakeComplete, PeerCertificate
from .limits import SEND_BATCH
from .names import Alert
from .server import ServerEngine

# checks the certificate of a client; raises a TlsError, preferably CertificateRejected, to reject it
AsyncJudge = t.Callable[[PeerCertificate, ServerEngine], t.Awaitable[None]]

# called for every connection that TLS ended, with the error and the address of the client
Report = t.Callable[[TlsError, t.Any], None]

_DRAIN_SECONDS: t.Final = 2.0
_DRAIN_BYTES: t.Final = 1024 * 1024

# seconds for a client to read the rest after close, as in asyncio's own TLS
_CLOSE_SECONDS: t.Final = 30.0


class TlsTransport(asyncio.Transport):
    """The transport that the application's protocol writes to. It has no sendfile: all bytes must be protected.

    get_extra_info returns the values of the transport below, and the engine for `tls`, and for `sslcontext`, which
    callers use to detect a protected connection.
    """

    def __init__(self, owner: TlsServerProtocol, below: asyncio.Transport, engine: ServerEngine) -> None:
        super().__init__({"tls": engine, "sslcontext": engine})
        self._owner = owner
        self._below = below
        self._engine = engine

    def get_extra_info(self, name: str, default: t.Any = None) -> t.Any:
        """Return a value as asyncio.BaseTransport does."""
        found = super().get_extra_info(name)
        return self._below.get_extra_info(name, default) if found is None else found

    def write(self, data: t.Any) -> None:
        """Protect data and send it. The transport below tells the protocol when to pause."""
        if self.is_closing():
            return
        with memoryview(data).cast("B") as view:
            for at in range(0, len(view), SEND_BATCH):
                self._engine.send(view[at : at + SEND_BATCH])
                self._below.write(self._engine.data_to_send())

    def writelines(self, list_of_data: t.Iterable[t.Any]) -> None:
        """Write the pieces as one, so that small ones share a record."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return False: close sends close_notify."""
        return False

    def is_closing(self) -> bool:
        """Tell whether the connection is closing, closed or ended by an error: further data is dropped."""
        return self._below.is_closing() or not self._engine.is_connected

    def close(self) -> None:
        """Send close_notify and close once all data is sent, or after _CLOSE_SECONDS if the client does not read it."""
        if not self.is_closing():
            self._engine.close()
            self._below.write(self._engine.data_to_send())
            self._owner.close_below(_CLOSE_SECONDS)

    def abort(self) -> None:
        """Close the connection immediately."""
        self._below.abort()

    def is_reading(self) -> bool:
        """Tell whether the protocol receives data, as asyncio.ReadTransport does."""
        return not self._owner.holds(self)

    def pause_reading(self) -> None:
        """Deliver no data beyond what was received already: at most one buffer of the engine."""
        self._owner.hold(self)

    def resume_reading(self) -> None:
        """Deliver data again."""
        self._owner.release(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits of the transport below."""
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return the buffer size of the transport below."""
        return self._below.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the limits of the transport below."""
        return self._below.get_write_buffer_limits()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Deliver data to another protocol from now on."""
        self._owner.inner = t.cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that receives the data."""
        return t.cast(asyncio.BaseProtocol, self._owner.inner)


class TlsServerProtocol(asyncio.BufferedProtocol):
    """The server's end of one TLS connection, a protocol for loop.create_server.

    inner_factory makes the application's protocol once the handshake is complete and the client's certificate, if it
    has one, was judged; judge runs as a task while nothing is read. A handshake that takes more than deadline seconds
    in all ends the connection. report is called for every connection that TLS ended.
    """

    def __init__(
        self,
        config: ServerConfig,
        inner_factory: t.Callable[[], asyncio.Protocol],
        *,
        judge: AsyncJudge | None = None,
        report: Report | None = None,
        deadline: float = 10.0,
    ) -> None:
        self.engine = ServerEngine(config)
        self.inner: asyncio.Protocol | None = None
        self._inner_factory = inner_factory
        self._judge = judge
        self._report = report
        self._deadline = deadline
        self._below: t.Any = None
        self._above: TlsTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: TlsError | None = None
        self._drained = 0
        self._holders: set[object] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline of the handshake."""
        self._below = transport
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timer = asyncio.get_running_loop().call_later(self._deadline, self._on_deadline)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next bytes."""
        return self.engine.space() if self._error is None else memoryview(bytearray(65536))

    def buffer_updated(self, nbytes: int) -> None:
        """Process received bytes."""
        if self._error is not None:
            self._drained += nbytes
            if self._drained > _DRAIN_BYTES:
                self._below.abort()
            return
        self._step(lambda: self.engine.received(nbytes))

    def eof_received(self) -> bool:
        """Process the end of the stream, which is an error without close_notify.

        With close_notify, the application's protocol has decided before whether it still writes.
        """
        if self._error is None:
            self._step(self.engine.receive_eof, last=True)
        return self._error is None and not self._below.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the connection to the application's protocol, too."""
        self._cancel_timer()
        if self._task is not None:
            self._task.cancel()
        inner = self.inner
        # no reference cycle may remain: it would keep buffers and keys alive until the next garbage collection
        self.inner = self._above = self._task = None
        if inner is not None:
            inner.connection_lost(exc or self._error)

    def hold(self, holder: object) -> None:
        """Pause reading until all holders have released."""
        self._holders.add(holder)
        self._below.pause_reading()

    def release(self, holder: object) -> None:
        """Resume reading unless another holder remains."""
        self._holders.discard(holder)
        if not self._holders and not self._below.is_closing():
            self._below.resume_reading()

    def holds(self, holder: object) -> bool:
        """Tell whether holder has not released."""
        return holder in self._holders

    def pause_writing(self) -> None:
        """Pause the application because the client does not read.

        Reading pauses too: TLS answers some messages by itself, and these answers must not accumulate.
        """
        self.hold("writing")
        if self.inner is not None:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Resume after the client has read."""
        self.release("writing")
        if self.inner is not None:
            self.inner.resume_writing()

    def _step(self, step: t.Callable[[], None], *, last: bool = False) -> None:
        """Make one call of the engine and process its effects."""
        try:
            step()
        except TlsError as exc:
            # data before the error is valid
            self._take_events()
            self._fail(without_frames(exc), last=last)
            return
        self._take_events()
        self._flush()

    def _flush(self) -> None:
        data = self.engine.data_to_send()
        if data and not self._below.is_closing():
            self._below.write(data)

    def _take_events(self) -> None:
        event = self.engine.next_event()
        while event is not None:
            self._on_event(event)
            event = self.engine.next_event()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Data) and self.inner is not None:
            if not self._below.is_closing():
                self.inner.data_received(event.data)
        elif isinstance(event, PeerCertificate):
            self.hold("judge")
            self._task = asyncio.get_running_loop().create_task(self._decide(event))
        elif isinstance(event, HandshakeComplete):
            self._cancel_timer()
            self._flush()
            self._above = TlsTransport(self, self._below, self.engine)
            self.inner = self._inner_factory()
            self.inner.connection_made(self._above)
            if self.holds("writing"):
                self.inner.pause_writing()
        elif isinstance(event, Closed) and self.inner is not None and not self.inner.eof_received():
            t.cast(TlsTransport, self._above).close()

    async def _decide(self, event: PeerCertificate) -> None:
        """Judge the client; it is accepted only if the judge returns, whatever else happens."""
        error: TlsError | None = None
        try:
            if self._judge is None:
                error = CertificateRejected("The client's certificate cannot be judged: no judge is set.")
            else:
                await self._judge(event, self.engine)
        except TlsError as exc:
            error = exc
        except (Exception, asyncio.CancelledError) as exc:
            error = CertificateRejected(
                f"The client's certificate could not be judged ({type(exc).__name__}).",
                alert=Alert.CERTIFICATE_UNKNOWN,
            )
        self._apply_verdict(error)

    def _apply_verdict(self, error: TlsError | None) -> None:
        if self._error is not None or self._below.is_closing():
            return
        self.release("judge")
        try:
            self._step(self.engine.accept_peer if error is None else lambda: self.engine.reject_peer(error))
        except Exception as exc:
            # an error of the application's protocol; handled as the transport below does in other calls
            what = {"message": "The protocol over TLS failed.", "exception": exc, "protocol": self.inner}
            asyncio.get_running_loop().call_exception_handler(what)
            self._below.abort()

    def _on_deadline(self) -> None:
        self._fail(TimedOut("A client did not finish the TLS handshake in time."), last=True)

    def close_below(self, seconds: float) -> None:
        """Close once all data is sent; after this many seconds drop the rest, so that a client cannot hold it open."""
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._below.abort)
        self._below.close()

    def _fail(self, error: TlsError, *, last: bool) -> None:
        """End the connection after an error.

        The client reads the alert only if everything that it sent was read: closing with unread bytes resets the
        connection. So received bytes are read and dropped briefly, unless the client is gone (last).
        """
        self._error = error
        self._flush()
        if last or self._below.is_closing() or not self._below.can_write_eof():
            self.close_below(_DRAIN_SECONDS)
        else:
            self._cancel_timer()
            self._timer = asyncio.get_running_loop().call_later(_DRAIN_SECONDS, self._below.abort)
            try:
                self._below.write_eof()
            except OSError:
                # the client has reset the connection; the transport has not noticed yet
                self._below.abort()
        if self._report is not None:
            self._report(error, self._below.get_extra_info("peername"))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


__all__ = ("AsyncJudge", "Report", "TlsServerProtocol", "TlsTransport")
