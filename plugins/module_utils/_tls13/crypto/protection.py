# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Protects and opens single records (RFC 8446, section 5.2); called by records.py."""

from __future__ import annotations

import typing as t

from ..._base.crypto import InvalidTag
from ..errors import InternalError, ProtocolError
from ..names import MAX_PLAINTEXT, TLS12, Alert, ContentType
from ..wire import number
from .schedule import TrafficKeys
from .suites import TAG_LENGTH

# bytes of a record's header (RFC 8446, section 5.1)
HEADER: t.Final = 5

# maximum records under one key: below the limit for AES-GCM (RFC 8446, section 5.5)
KEY_RECORDS: t.Final = 2**24

_PREFIX: t.Final = bytes([ContentType.APPLICATION_DATA]) + number(TLS12, 2)


class _Protection:
    """The common part of both directions: the cipher, and the nonce of each record (RFC 8446, section 5.3)."""

    def __init__(self, keys: TrafficKeys) -> None:
        self._cipher: t.Any = keys.suite.cipher(keys.key)
        self._iv = int.from_bytes(keys.iv, "big")
        self.records = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}(records={self.records})"

    def _nonce(self) -> bytes:
        if self.records >= 2**64 - 1:
            raise InternalError("The sequence number of TLS records would wrap; open a new connection.")
        nonce = (self._iv ^ self.records).to_bytes(12, "big")
        self.records += 1
        return nonce


class Sealer(_Protection):
    """Protects records of one direction under one key (RFC 8446, section 5.2)."""

    def __init__(self, keys: TrafficKeys) -> None:
        super().__init__(keys)
        self._inner = bytearray(MAX_PLAINTEXT + 1)
        # encrypt_into came with cryptography 47
        self._into = getattr(self._cipher, "encrypt_into", None)

    def seal(self, kind: ContentType, content: memoryview, out: memoryview) -> int:
        """Write a protected record to the start of out; return its length. content has at most 2^14 bytes."""
        size = len(content)
        inner = self._inner
        inner[:size] = content
        inner[size] = kind
        length = size + 1 + TAG_LENGTH
        header = _PREFIX + number(length, 2)
        out[:HEADER] = header
        data = memoryview(inner)[: size + 1]
        target = out[HEADER : HEADER + length]
        if self._into is not None:
            self._into(self._nonce(), data, header, target)
        else:
            target[:] = self._cipher.encrypt(self._nonce(), bytes(data), header)
        return HEADER + length


class Opener(_Protection):
    """Opens protected records of one direction under one key (RFC 8446, section 5.2)."""

    def __init__(self, keys: TrafficKeys) -> None:
        super().__init__(keys)
        self._inner = bytearray(MAX_PLAINTEXT + 256)
        self._into = getattr(self._cipher, "decrypt_into", None)

    def open(self, header: bytes, payload: memoryview) -> tuple[int, memoryview]:
        """Return content type and content of a record. The content is valid until the next call.

        Raises ProtocolError: bad_record_mac for a modified record, record_overflow for an inner plaintext of more than
        2^14 + 1 bytes (section 5.4), unexpected_message for a record with nothing but padding.
        """
        size = len(payload) - TAG_LENGTH
        if size < 1:
            raise _mac_error()
        inner = self._decrypt(header, payload, size)
        if size > MAX_PLAINTEXT + 1:
            raise ProtocolError("A TLS record is longer than allowed.", alert=Alert.RECORD_OVERFLOW)
        kind = inner[size - 1]
        if not kind:
            stripped = bytes(inner).rstrip(b"\0")
            if not stripped:
                raise ProtocolError("A TLS record holds nothing but padding.", alert=Alert.UNEXPECTED_MESSAGE)
            size, kind = len(stripped), stripped[-1]
        return kind, inner[: size - 1]

    def _decrypt(self, header: bytes, payload: memoryview, size: int) -> memoryview:
        nonce = self._nonce()
        try:
            if self._into is None:
                return memoryview(self._cipher.decrypt(nonce, bytes(payload), header))
            inner = memoryview(self._inner)[:size]
            self._into(nonce, payload, header, inner)
        except InvalidTag:
            self.records -= 1
            raise _mac_error() from None
        return inner


def _mac_error() -> ProtocolError:
    return ProtocolError(
        "A TLS record was modified on its way or protected with another key; the connection cannot continue.",
        alert=Alert.BAD_RECORD_MAC,
    )


__all__ = ("HEADER", "KEY_RECORDS", "Opener", "Sealer")
