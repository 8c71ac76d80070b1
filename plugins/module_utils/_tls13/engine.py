# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The sans-I/O engine of TLS 1.3 (RFC 8446): what client.py and server.py have in common.

blocking.py and serving.py drive it over sockets and asyncio.
"""

from __future__ import annotations

import collections
import hmac
import typing as t

from .._base.crypto import require_cryptography
from . import limits
from .crypto.protection import KEY_RECORDS
from .crypto.schedule import TrafficKeys, Transcript, finished_mac, next_secret
from .crypto.suites import Suite
from .errors import (
    AlertReceived,
    InternalError,
    LimitExceeded,
    ProtocolError,
    TlsError,
    Truncated,
    UsageError,
    alert_received,
    without_frames,
)
from .events import Closed, Data, Event, HandshakeComplete
from .messages import encode_key_update, read_key_update
from .names import Alert, ContentType, Group, HandshakeType
from .records import MessageBuffer, Record, TlsRecordReader, TlsRecordWriter
from .state import OPEN, PAUSED, TlsState, Trigger

# a method of an engine that returns the next state; it takes the body of a message and the whole message, or the values
# of a trigger
Handler = t.Callable[..., TlsState]

# the handler of each transition and the states that may follow
Table = t.Mapping[
    tuple[TlsState, t.Union[HandshakeType, Trigger]],
    tuple[Handler, tuple[TlsState, ...]],
]


class Engine:
    """One end of a TLS 1.3 connection without I/O: takes received bytes, gives events and bytes to send.

    suite, group and protocol are the negotiated values; peer_chain is the other end's certificate chain, once accepted.

    A violation of the protocol raises a TlsError from the call that passed the bytes. Its alert is then in
    data_to_send(), and every further call that receives, sends or decides raises the same error. In the two states of a
    decision nothing is parsed.
    """

    TABLE: t.ClassVar[Table] = {}

    def __init__(self) -> None:
        require_cryptography()
        self.state = TlsState.FAILED
        self.suite: Suite | None = None
        self.group: Group | None = None
        self.protocol: str | None = None
        self.peer_chain: tuple[bytes, ...] = ()
        self._claimed_chain: tuple[bytes, ...] = ()
        self._error: TlsError | None = None
        self._events: collections.deque[Event] = collections.deque()
        self._reader = TlsRecordReader()
        self._writer = TlsRecordWriter()
        self._messages = MessageBuffer()
        self._transcript = Transcript()
        self._read_secret = b""
        self._write_secret = b""
        self._write_closed = False
        self._ccs_left = 1
        self._idle = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(state={self.state.name})"

    @property
    def is_paused(self) -> bool:
        """Whether the engine waits for a decision; the caller should then stop reading."""
        return self.state in PAUSED

    @property
    def is_connected(self) -> bool:
        """Whether the handshake is complete and application data can be sent."""
        return self.state in OPEN and not self._write_closed

    def space(self) -> memoryview:
        """Return the buffer for received bytes; call received() then. It is empty only while the engine waits."""
        return self._reader.space()

    def received(self, count: int) -> None:
        """Process count bytes that were written to space(). Raises TlsError."""
        self._raise_error()
        self._reader.received(count)
        self._guard(self._run)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Process received bytes. Raises TlsError; UsageError for too many bytes while the engine waits."""
        view = memoryview(data)
        while view:
            space = self.space()
            if not space and not self._error:
                raise UsageError("TLS records cannot be taken: read no more while the engine waits for a decision.")
            count = min(len(space), len(view))
            space[:count] = view[:count]
            self.received(count)
            view = view[count:]

    def receive_eof(self) -> None:
        """Process the end of the stream. Raises Truncated if no close_notify came before (RFC 8446, section 6.1)."""
        self._raise_error()
        if self.state is not TlsState.CLOSED:
            during = "the handshake" if self.state is not TlsState.CONNECTED else "the connection"
            error = Truncated(f"The other end closed the stream in the middle of {during}, without a TLS close_notify.")
            self._fail(error)
            raise error

    def next_event(self) -> Event | None:
        """Remove and return the oldest event, or None."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        """Remove and return the bytes to send. After an error they contain the alert."""
        return self._writer.take()

    def view_to_send(self) -> memoryview:
        """Remove and return the bytes to send without a copy; send all, and release the view before the next call."""
        return self._writer.take_view()

    def send(self, data: bytes | memoryview) -> None:
        """Protect application data. Raises UsageError before the end of the handshake and after close()."""
        self._raise_error()
        if not self.is_connected:
            raise UsageError("TLS cannot send: the handshake is not complete, or close was called before.")
        if self._writer.sealed >= KEY_RECORDS:
            self.update_keys()
        self._writer.write(ContentType.APPLICATION_DATA, data)

    def update_keys(self, *, requested: bool = False) -> None:
        """Send a KeyUpdate (RFC 8446, section 4.6.3); requested asks the other end for one too. Raises UsageError."""
        self._raise_error()
        if not self.is_connected or self.suite is None:
            raise UsageError("TLS keys cannot be updated before the handshake is complete or after close.")
        self._send_handshake(encode_key_update(requested=requested))
        self._write_secret = next_secret(self.suite, self._write_secret)
        self._writer.protect(TrafficKeys.derive(self.suite, self._write_secret))

    def close(self) -> None:
        """Send close_notify, once (RFC 8446, section 6.1).

        Data of the other end may still be received; an incomplete handshake is given up.
        """
        if self.state in OPEN:
            self._send_alert(Alert.CLOSE_NOTIFY)
        elif self._error is None:
            why = "The TLS connection was closed by this end before its handshake was complete."
            self._fail(UsageError(why, alert=Alert.CLOSE_NOTIFY))

    def accept_peer(self) -> None:
        """Accept the certificate of the other end and go on.

        Raises UsageError in any other state than JUDGING, and TlsError for errors in the bytes that follow.
        """
        self._decide(TlsState.JUDGING)
        self._guard(lambda: self._resume(Trigger.ACCEPT_PEER))

    def reject_peer(self, error: TlsError) -> t.NoReturn:
        """Reject the certificate of the other end: raise error and send its alert, certificate_unknown if it has none.

        Raises UsageError in any other state than JUDGING.
        """
        self._decide(TlsState.JUDGING)
        error.alert = Alert.CERTIFICATE_UNKNOWN if error.alert is None else error.alert
        self._fail(error)
        raise error

    def abort(self, error: TlsError) -> None:
        """Give the connection up for a reason of the caller, and send the alert of error, if it has one."""
        if self._error is None:
            self._fail(error)

    def _decide(self, state: TlsState) -> None:
        self._raise_error()
        if self.state is not state:
            raise UsageError(f"TLS was not {state.value}: it is {self.state.value}.")

    def _raise_error(self) -> None:
        if self._error is not None:
            raise without_frames(self._error)

    def _guard(self, step: t.Callable[[], None]) -> None:
        """Run step; any exception ends the connection and becomes a TlsError without data of the connection."""
        try:
            step()
        except TlsError as exc:
            self._fail(exc)
            raise
        except BaseException as exc:
            failure = InternalError(f"TLS failed with an internal error ({type(exc).__name__}); this is a bug.")
            self._fail(failure)
            if not isinstance(exc, Exception):
                # an interrupt: the progress of the step is unknown
                raise
            raise failure from None

    def _fail(self, error: TlsError) -> None:
        self._error = error
        self.state = TlsState.FAILED
        self._forget_secrets()
        self._reader.forget()
        if error.alert is not None and not isinstance(error, AlertReceived):
            self._send_alert(error.alert)

    def _forget_secrets(self) -> None:
        """Drop every secret except the key that protects the alert. Python does not overwrite dropped objects."""
        self._read_secret = self._write_secret = b""

    def _send_alert(self, alert: Alert) -> None:
        """Send the last message of this end. The level of an alert is redundant (section 6)."""
        if not self._write_closed:
            self._write_closed = True
            level = 1 if alert is Alert.CLOSE_NOTIFY else 2
            self._writer.write(ContentType.ALERT, bytes([level, alert]))

    def _step(self, trigger: int | Trigger, *values: object) -> None:
        """Make the transition of a handshake message or trigger.

        Raises TlsError, and RuntimeError if the handler leads to a state that the table does not list.
        """
        transition = self.TABLE.get((self.state, t.cast(HandshakeType, trigger)))
        if transition is None:
            raise _unexpected_message(f"a handshake message of type {trigger} while this end was {self.state.value}")
        handler, following = transition
        state = handler(self, *values)
        if state not in following:
            # the handler may have reported a handshake that did not happen
            self._events.clear()
            raise RuntimeError(f"the table does not lead from {self.state.name} to {state.name}")
        self.state = state

    def _resume(self, trigger: Trigger, *values: object) -> None:
        """Make a transition that the caller decided, and process the bytes that arrived meanwhile."""
        self._step(trigger, *values)
        self._run()

    def _run(self) -> None:
        while self.state not in PAUSED:
            if self.state is TlsState.CLOSED:
                self._reader.forget()
                return
            message = self._messages.next(limits.of_message) if self._messages else None
            if message is not None:
                kind, whole = message
                self._step(kind, whole[4:], whole)
                continue
            record = self._reader.next()
            if record is None:
                return
            self._process_record(record)

    def _process_record(self, record: Record) -> None:
        if record.kind is ContentType.APPLICATION_DATA:
            self._process_data(record.content)
        elif record.kind is ContentType.CHANGE_CIPHER_SPEC:
            self._process_change_cipher_spec(bytes(record.content))
        elif record.kind is ContentType.ALERT:
            self._process_alert(record)
        elif not record.protected and self._reader.is_protected:
            raise _unexpected_message("a record without protection")
        else:
            self._messages.add(record.content)

    def _process_change_cipher_spec(self, content: bytes) -> None:
        """Drop a change_cipher_spec between the first ClientHello and the other end's Finished (RFC 8446, section 5).

        One is accepted, or two with a HelloRetryRequest: the compatibility mode sends no more (appendix D.4).
        """
        ended = self.state in (*OPEN, TlsState.WAIT_CH)
        if ended or content != b"\x01" or not self._ccs_left or self._messages:
            raise _unexpected_message("change_cipher_spec")
        self._ccs_left -= 1

    def _process_alert(self, record: Record) -> None:
        content = bytes(record.content)
        # a client may fail before it has keys: until a record was opened, its alert may be unprotected
        if not record.protected and self._reader.is_protected and (self._reader.opened or self.state in OPEN):
            raise _unexpected_message("an alert without protection")
        if not content:
            raise _unexpected_message("an empty alert")
        if len(content) != 2:
            raise ProtocolError("The other end sent a malformed alert.", alert=Alert.DECODE_ERROR)
        warning = content[1] in (Alert.CLOSE_NOTIFY, Alert.USER_CANCELED)
        if warning and self._messages:
            raise _unexpected_message("an alert in the middle of a handshake message")
        if content[1] == Alert.CLOSE_NOTIFY and self.state is TlsState.CONNECTED:
            self._step(Trigger.CLOSE_NOTIFY)
        elif content[1] == Alert.USER_CANCELED:
            self._count_idle()
        else:
            raise alert_received(content[1], self.state)

    def _process_data(self, content: memoryview) -> None:
        if self.state is not TlsState.CONNECTED or self._messages:
            raise _unexpected_message("application data")
        if not content:
            self._count_idle()
            return
        self._idle = 0
        self._events.append(Data(bytes(content)))

    def _count_idle(self) -> None:
        self._idle += 1
        if self._idle > limits.IDLE_MESSAGES:
            raise LimitExceeded(
                f"The other end sent more than {limits.IDLE_MESSAGES} messages in a row without data.",
                limit="idle_messages",
                maximum=limits.IDLE_MESSAGES,
            )

    def _on_accept_peer(self) -> TlsState:
        self.peer_chain = self._claimed_chain
        return TlsState.WAIT_FINISHED

    def _on_close_notify(self) -> TlsState:
        self._events.append(Closed())
        return TlsState.CLOSED

    def _on_key_update(self, body: bytes, message: bytes) -> TlsState:
        """Handle a KeyUpdate (RFC 8446, section 4.6.3)."""
        requested = read_key_update(body)
        self._at_boundary()
        self._count_idle()
        suite = t.cast(Suite, self.suite)
        self._read_secret = next_secret(suite, self._read_secret)
        self._reader.protect(TrafficKeys.derive(suite, self._read_secret))
        if requested and not self._write_closed:
            self.update_keys()
        return TlsState.CONNECTED

    def _verify_finished(self, body: bytes, message: bytes) -> None:
        """Verify a Finished (RFC 8446, section 4.4.4) with the handshake traffic secret."""
        wanted = finished_mac(t.cast(Suite, self.suite), self._read_secret, self._transcript.digest())
        if len(body) != len(wanted):
            raise ProtocolError("The Finished message of the other end is malformed.", alert=Alert.DECODE_ERROR)
        if not hmac.compare_digest(body, wanted):
            raise ProtocolError(
                "The Finished message of the other end is wrong: the handshake was changed on its way.",
                alert=Alert.DECRYPT_ERROR,
            )
        self._at_boundary()
        self._transcript.add(message)

    def _at_boundary(self) -> None:
        """Check that the message is the last of its record, as before a change of keys (RFC 8446, section 5.1)."""
        if self._messages:
            raise _unexpected_message("a handshake message in the record of one that changes keys")

    def _complete(self) -> TlsState:
        self._ccs_left = 0
        self._events.append(HandshakeComplete())
        return TlsState.CONNECTED

    def _protect_reading(self, secret: bytes) -> None:
        self._read_secret = secret
        self._reader.protect(TrafficKeys.derive(t.cast(Suite, self.suite), secret))

    def _protect_writing(self, secret: bytes) -> None:
        self._write_secret = secret
        self._writer.protect(TrafficKeys.derive(t.cast(Suite, self.suite), secret))

    def _send_handshake(self, messages: bytes) -> None:
        self._writer.write(ContentType.HANDSHAKE, messages)

    def _send_change_cipher_spec(self) -> None:
        self._writer.write(ContentType.CHANGE_CIPHER_SPEC, b"\x01")


def _unexpected_message(what: str) -> ProtocolError:
    return ProtocolError(f"The other end sent {what}.", alert=Alert.UNEXPECTED_MESSAGE)


__all__ = ("Engine", "Handler", "Table")
