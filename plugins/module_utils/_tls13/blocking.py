# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A blocking TLS socket over the engine; called by the transport of _registry for RA-TLS."""

from __future__ import annotations

import contextlib
import io
import socket
import time
import typing as t

from .client import ClientEngine
from .crypto.keys import CertifiedKey
from .engine import Engine
from .errors import CertificateRejected, InternalError, TimedOut, TlsError, Truncated, UsageError
from .events import CertificateRequested, Data, Event, PeerCertificate
from .limits import SEND_BATCH
from .names import Alert
from .state import TlsState

# checks the certificate of the other end; raises a TlsError, preferably CertificateRejected, to reject it
Judge = t.Callable[[PeerCertificate], None]

# returns the certificate for a server's request, None for an empty one
Chooser = t.Callable[[CertificateRequested], t.Optional[CertifiedKey]]

_DRAIN_SECONDS: t.Final = 2.0
_DRAIN_BYTES: t.Final = 1024 * 1024


class TlsSocket:
    """A blocking TLS connection over a connected stream socket, which the object owns from then on.

    It has the methods of sockets that http.client and urllib3 use. Each read and write is limited by settimeout, the
    whole handshake by the timeout of handshake(). Errors of the connection are OSErrors, errors of TLS are TlsErrors.
    Not thread-safe.
    """

    def __init__(
        self,
        sock: socket.socket,
        engine: Engine,
        *,
        judge: Judge,
        choose: Chooser | None = None,
    ) -> None:
        self.engine = engine
        self._sock = sock
        self._judge = judge
        self._choose = choose
        # the seconds that the chooser took
        self._choosing = 0.0
        self._waiting = memoryview(b"")
        self._makefiles = 0
        self._closed = False
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            # otherwise the first request waits for a delayed ACK of the handshake
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> TlsSocket:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def handshake(self, *, timeout: float | None = 30.0) -> None:
        """Complete the handshake within timeout seconds, whatever the other end sends meanwhile.

        The time that the chooser takes is not counted: it is not the fault of the other end. Raises TlsError (TimedOut
        too) and OSError; then an alert was sent and the socket is closed.
        """
        before = self._sock.gettimeout()
        until = None if timeout is None else time.monotonic() + timeout
        try:
            self._flush(until)
            while self.engine.state not in (TlsState.CONNECTED, TlsState.CLOSED):
                self._receive(until)
            self._flush(until)
        except BaseException as exc:
            self._abort(exc)
            raise
        self._sock.settimeout(before)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive up to size bytes, none only after the other end's close_notify. Raises TlsError and OSError."""
        _check_read(size, flags)
        self._wait()
        taken = bytes(self._waiting[:size])
        self._waiting = self._waiting[size:]
        return taken

    def recv_into(self, buffer: t.Any, size: int = 0, flags: int = 0) -> int:
        """Receive into buffer as recv does; return the number of bytes."""
        _check_read(size, flags)
        self._wait()
        with memoryview(buffer).cast("B") as view:
            count = min(len(self._waiting), len(view), size or len(view))
            view[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count

    def sendall(self, data: t.Any, flags: int = 0) -> None:
        """Send all of data. Raises TlsError and OSError."""
        with memoryview(data).cast("B") as view:
            for at in range(0, len(view), SEND_BATCH):
                self.engine.send(view[at : at + SEND_BATCH])
                try:
                    self._flush(None)
                except ConnectionError:
                    self._look_for_alert()
                    raise

    def _look_for_alert(self) -> None:
        """Raise the error that the other end sent before it closed the connection during a write, if there is one.

        A server of TLS 1.3 judges the client's certificate while the client already writes its request. Data that was
        received, perhaps an early answer, can be read afterwards.
        """
        before, until = self._sock.gettimeout(), time.monotonic() + _DRAIN_SECONDS
        with contextlib.suppress(OSError, Truncated, TimedOut):
            while self.engine.state is TlsState.CONNECTED and len(self._waiting) < _DRAIN_BYTES:
                self._receive(until)
        self._sock.settimeout(before)

    def send(self, data: t.Any, flags: int = 0) -> int:
        """Send all of data; return its size."""
        self.sendall(data)
        return memoryview(data).nbytes

    def makefile(self, mode: str = "r", buffering: int | None = None, **text: t.Any) -> t.Any:
        """Return a file object as socket.socket.makefile does, for reading, writing or both; text needs an encoding."""
        raw = socket.SocketIO(t.cast("socket.socket", self), t.cast(t.Any, mode.replace("b", "")))
        self._makefiles += 1
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        if size == 0:
            return raw
        reads, writes = "r" in mode, "w" in mode
        stream: t.Any = io.BufferedRWPair(raw, raw, size) if reads and writes else None
        stream = stream or (io.BufferedReader(raw, size) if reads else io.BufferedWriter(raw, size))
        return stream if "b" in mode else io.TextIOWrapper(stream, **text)

    def _decref_socketios(self) -> None:
        """Count a closed file object, and close the socket after the last one. Called by socket.SocketIO."""
        self._makefiles -= 1
        if self._closed and self._makefiles <= 0:
            self._close()

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of each read and write in seconds; None means no timeout."""
        self._sock.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """Return the timeout of reads and writes."""
        return self._sock.gettimeout()

    def fileno(self) -> int:
        """Return the file descriptor. Data may wait here while the descriptor is not readable: see pending."""
        return self._sock.fileno()

    def pending(self) -> int:
        """Return the number of bytes that recv can return without reading from the descriptor."""
        return len(self._waiting)

    def getpeername(self) -> t.Any:
        """Return the address of the other end."""
        return self._sock.getpeername()

    def setsockopt(self, *args: t.Any) -> None:
        """Set an option of the socket below."""
        self._sock.setsockopt(*args)

    def shutdown(self, how: int) -> None:
        """Send close_notify if how includes writing, and shut the socket down. Raises OSError."""
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self.engine.close()
            self._flush(None)
        self._sock.shutdown(how)

    def close(self) -> None:
        """Send close_notify without waiting for the other end; close the socket once its file objects are closed."""
        self._closed = True
        if self._makefiles <= 0:
            self._close()

    def _close(self) -> None:
        if self._sock.fileno() < 0:
            return
        self.engine.close()
        data = self.engine.data_to_send()
        with contextlib.suppress(OSError):
            self._sock.settimeout(0)
            self._sock.send(data)
        self._sock.close()

    def _wait(self) -> None:
        """Read until there is data or close_notify; fragments of a record do not restart the timeout."""
        if self._waiting:
            return
        timeout = self._sock.gettimeout()
        until = time.monotonic() + timeout if timeout else None
        try:
            while self._fill() and not self._waiting:
                if until is not None:
                    self._sock.settimeout(_seconds_left(until, socket.timeout("timed out")))
        finally:
            if timeout and self._sock.fileno() >= 0:
                self._sock.settimeout(timeout)

    def _fill(self) -> bool:
        """Read once; return False if no data will follow. Raises OSError and TlsError, the same TlsError again after an
        error.
        """
        if self.engine.state is TlsState.CLOSED:
            return False
        try:
            self.engine.received(0)
            self._receive(None)
        except TlsError as exc:
            self._abort(exc)
            raise
        return True

    def _receive(self, until: float | None) -> None:
        """Read once, process the events of the engine, and send its answer."""
        if until is not None:
            self._sock.settimeout(_seconds_left(until + self._choosing))
        try:
            count = self._sock.recv_into(self.engine.space())
        except socket.timeout:
            if until is None:
                raise
            raise _timeout_error() from None
        if not count:
            self.engine.receive_eof()
            return
        self.engine.received(count)
        self._take_events()
        self._flush(until)

    def _take_events(self) -> None:
        found = []
        event = self.engine.next_event()
        while event is not None:
            if isinstance(event, Data):
                found.append(event.data)
            else:
                self._decide(event)
            event = self.engine.next_event()
        if found and self._waiting:
            found.insert(0, bytes(self._waiting))
        if found:
            self._waiting = memoryview(found[0] if len(found) == 1 else b"".join(found))

    def _decide(self, event: Event) -> None:
        if isinstance(event, PeerCertificate):
            _ask(self.engine, lambda: self._judge(event))
            self.engine.accept_peer()
        elif isinstance(event, CertificateRequested):
            began = time.monotonic()
            chosen = self._choose(event) if self._choose is not None else None
            self._choosing += time.monotonic() - began
            t.cast(ClientEngine, self.engine).provide_certificate(chosen)

    def _flush(self, until: float | None) -> None:
        with self.engine.view_to_send() as view:
            if not view:
                return
            if until is not None:
                self._sock.settimeout(_seconds_left(until + self._choosing))
            try:
                self._sock.sendall(view)
            except ConnectionError:
                raise
            except BaseException as exc:
                # a part of a record may have been sent: nothing can follow it
                error = _timeout_error() if isinstance(exc, socket.timeout) else _interruption_error()
                self.engine.abort(error)
                if until is None or not isinstance(exc, socket.timeout):
                    raise
                raise error from None

    def _abort(self, exc: BaseException) -> None:
        """Send the alert, then read on briefly: closing with unread bytes would discard the alert."""
        self.engine.abort(exc if isinstance(exc, TlsError) else InternalError("The TLS connection was aborted."))
        with contextlib.suppress(OSError):
            _drain(self._sock, self.engine.data_to_send())
        self._closed = True
        self._sock.close()


def _ask(engine: Engine, judge: t.Callable[[], None]) -> None:
    """Call judge; turn any error of it into the end of the engine and an alert."""
    try:
        judge()
    except TlsError as exc:
        engine.reject_peer(exc)
    except Exception as exc:
        engine.reject_peer(
            CertificateRejected(
                f"The certificate of the other end could not be judged ({type(exc).__name__}).",
                alert=Alert.CERTIFICATE_UNKNOWN,
            )
        )


def _seconds_left(until: float, error: Exception | None = None) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise error or _timeout_error()
    return left


def _timeout_error() -> TimedOut:
    return TimedOut("The other end of the TLS connection did not answer, or take data, in time; try again later.")


def _interruption_error() -> UsageError:
    return UsageError("TLS cannot continue: a write was interrupted, perhaps inside a record; open a new connection.")


def _check_read(size: int, flags: int) -> None:
    if size < 0 or flags:
        raise UsageError("TLS cannot read: a negative size and flags, as MSG_PEEK, are not possible.")


def _drain(sock: socket.socket, alert: bytes) -> None:
    if not alert:
        return
    sock.settimeout(_DRAIN_SECONDS)
    sock.sendall(alert)
    sock.shutdown(socket.SHUT_WR)
    until, left = time.monotonic() + _DRAIN_SECONDS, _DRAIN_BYTES
    while left > 0 and time.monotonic() < until:
        count = len(sock.recv(65536))
        left -= count if count else left


__all__ = ("Chooser", "Judge", "TlsSocket")
