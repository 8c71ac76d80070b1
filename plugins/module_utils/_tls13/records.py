# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The record layer (RFC 8446, section 5): bytes to records, records to handshake messages, and back."""

from __future__ import annotations

import typing as t

from .crypto.protection import HEADER, Opener, Sealer
from .crypto.schedule import TrafficKeys
from .crypto.suites import TAG_LENGTH
from .errors import LimitExceeded, ProtocolError
from .limits import EARLY_DATA, FIRST_BUFFER, RECEIVE_BUFFER
from .names import MAX_CIPHERTEXT, MAX_PLAINTEXT, TLS12, Alert, ContentType
from .wire import number

_INNER: t.Final = {int(kind): kind for kind in (ContentType.ALERT, ContentType.HANDSHAKE, ContentType.APPLICATION_DATA)}
_OUTER: t.Final = {int(ContentType.CHANGE_CIPHER_SPEC): ContentType.CHANGE_CIPHER_SPEC, **_INNER}


class Record(t.NamedTuple):
    """A record without its protection. content is valid until the next record is read.

    protected says whether the record was encrypted.
    """

    kind: ContentType
    content: memoryview
    protected: bool


class TlsRecordReader:
    """Splits received bytes into records and opens them (RFC 8446, section 5).

    It buffers at most RECEIVE_BUFFER bytes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(FIRST_BUFFER)
        self._view = memoryview(self._buffer)
        self._was_full = False
        self._start = 0
        self._end = 0
        self._opener: Opener | None = None
        self._skip = 0

    def space(self) -> memoryview:
        """Return the buffer for received bytes; empty only if complete records wait to be read."""
        if self._start:
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        if self._was_full and len(self._buffer) < RECEIVE_BUFFER:
            self._buffer = self._buffer + bytes(RECEIVE_BUFFER - len(self._buffer))
            self._view = memoryview(self._buffer)
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Add count bytes that were written to the start of space()."""
        self._end += count
        self._was_full = self._end == len(self._buffer)

    def forget(self) -> None:
        """Drop all buffered bytes and the key."""
        self._start = self._end = 0
        self._opener = None

    def protect(self, keys: TrafficKeys) -> None:
        """Use keys from the next record on."""
        self._opener = Opener(keys)
        self._skip = 0

    @property
    def is_protected(self) -> bool:
        """Whether there is a key."""
        return self._opener is not None

    @property
    def opened(self) -> int:
        """The number of records that were opened with the current key."""
        return self._opener.records if self._opener else 0

    def skip_early_data(self) -> None:
        """Skip records that the current key does not open, as early data, until one opens (RFC 8446, section 4.2.10).

        Before there is a key, all protected records are skipped. After EARLY_DATA bytes, with headers, they are errors
        again.
        """
        self._skip = EARLY_DATA

    def next(self) -> Record | None:
        """Return the next record, or None if it is incomplete. Raises ProtocolError."""
        record: Record | None | t.Literal["skipped"] = "skipped"
        while record == "skipped":
            record = self._next()
        return record

    def _next(self) -> Record | None | t.Literal["skipped"]:
        start, view = self._start, self._view
        if self._end - start < HEADER:
            return None
        header = bytes(view[start : start + HEADER])
        # legacy_record_version is ignored (section 5.1)
        kind, length = _OUTER.get(header[0]), header[3] << 8 | header[4]
        if kind is None:
            raise _record_type_error(f"unknown ({header[0]})")
        if length > (MAX_CIPHERTEXT if kind is ContentType.APPLICATION_DATA else MAX_PLAINTEXT):
            raise ProtocolError("A TLS record is longer than allowed.", alert=Alert.RECORD_OVERFLOW)
        end = start + HEADER + length
        if self._end < end:
            return None
        self._start = end
        payload = view[start + HEADER : end]
        if kind is ContentType.APPLICATION_DATA:
            return self._open(header, payload)
        return Record(kind, payload, False)

    def _open(self, header: bytes, payload: memoryview) -> Record | t.Literal["skipped"]:
        if self._opener is None:
            if self._skip_record(HEADER + len(payload)):
                return "skipped"
            raise _record_type_error("application_data")
        try:
            number, content = self._opener.open(header, payload)
        except ProtocolError as exc:
            if exc.alert is Alert.BAD_RECORD_MAC and self._skip_record(HEADER + len(payload)):
                return "skipped"
            raise
        self._skip = 0
        kind = _INNER.get(number)
        if kind is None:
            raise _record_type_error(f"unknown ({number})")
        return Record(kind, content, True)

    def _skip_record(self, size: int) -> bool:
        if not self._skip:
            return False
        self._skip = max(0, self._skip - size)
        return bool(self._skip)


class TlsRecordWriter:
    """Splits content into records and protects them (RFC 8446, section 5)."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._end = 0
        self._sealer: Sealer | None = None

    def protect(self, keys: TrafficKeys) -> None:
        """Use keys from the next record on."""
        self._sealer = Sealer(keys)

    @property
    def sealed(self) -> int:
        """The number of records that were protected with the current key."""
        return self._sealer.records if self._sealer else 0

    @property
    def pending(self) -> int:
        """The number of bytes that wait to be sent."""
        return self._end

    def write(self, kind: ContentType, content: bytes | memoryview, *, version: int = TLS12) -> None:
        """Append content in as many records as needed; none if it is empty."""
        view = memoryview(content)
        for at in range(0, len(view), MAX_PLAINTEXT):
            self._write(kind, view[at : at + MAX_PLAINTEXT], version)

    def take(self) -> bytes:
        """Remove and return all bytes that wait to be sent."""
        with self.take_view() as view:
            return bytes(view)

    def take_view(self) -> memoryview:
        """Remove and return the bytes as take does, without a copy; release the view before the next write."""
        view = memoryview(self._out)[: self._end]
        self._end = 0
        return view

    def _write(self, kind: ContentType, content: memoryview, version: int) -> None:
        self._reserve(HEADER + len(content) + 1 + TAG_LENGTH)
        # change_cipher_spec is never protected (RFC 8446, section 5)
        if self._sealer is None or kind is ContentType.CHANGE_CIPHER_SPEC:
            header = bytes([kind]) + number(version, 2) + number(len(content), 2)
            self._out[self._end : self._end + HEADER + len(content)] = header + bytes(content)
            self._end += HEADER + len(content)
            return
        with memoryview(self._out) as out:
            self._end += self._sealer.seal(kind, content, out[self._end :])

    def _reserve(self, count: int) -> None:
        missing = self._end + count - len(self._out)
        if missing > 0:
            self._out.extend(bytes(missing))


def _record_type_error(what: str) -> ProtocolError:
    return ProtocolError(
        f"The other end sent a record of the type {what} where none is allowed.", alert=Alert.UNEXPECTED_MESSAGE
    )


class MessageBuffer:
    """Assembles handshake messages from the content of records (RFC 8446, section 5.1)."""

    def __init__(self) -> None:
        self._held = bytearray()

    def __bool__(self) -> bool:
        """Tell whether bytes of a message wait."""
        return bool(self._held)

    def add(self, content: memoryview) -> None:
        """Add the content of one record, which must not be empty (section 5.1). Raises ProtocolError."""
        if not content:
            raise ProtocolError("A TLS record with a handshake message is empty.", alert=Alert.UNEXPECTED_MESSAGE)
        self._held += content

    def next(self, limit: t.Callable[[int], int]) -> tuple[int, bytes] | None:
        """Return type and bytes, with header, of the next message; None if it is incomplete.

        Raises LimitExceeded as soon as a header announces more than limit(type) bytes.
        """
        if len(self._held) < 4:
            return None
        kind, length = self._held[0], int.from_bytes(self._held[1:4], "big")
        if length > limit(kind):
            raise LimitExceeded(
                f"The other end announced a handshake message of {length} bytes, more than are accepted.",
                alert=Alert.DECODE_ERROR,
                limit="handshake_message",
                maximum=limit(kind),
            )
        if len(self._held) < 4 + length:
            return None
        message = bytes(self._held[: 4 + length])
        del self._held[: 4 + length]
        return kind, message


__all__ = ("MessageBuffer", "Record", "TlsRecordReader", "TlsRecordWriter")
