# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records (RFC 8446, 5) keep the limits on size, padding and early data, and changed ones are refused."""

from __future__ import annotations

import types

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto import protection
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.schedule import TrafficKeys
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.suites import AES_128_GCM, SUITES, Suite
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import ProtocolError
from ansible_collections.attested.registry.plugins.module_utils._tls13.limits import EARLY_DATA, RECEIVE_BUFFER
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import (
    MAX_CIPHERTEXT,
    MAX_PLAINTEXT,
    Alert,
    ContentType,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.records import TlsRecordReader, TlsRecordWriter
from ansible_collections.attested.registry.tests.support.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

KEYS = TrafficKeys.derive(AES_128_GCM, bytes(32))
DATA = ContentType.APPLICATION_DATA


def writer_of(keys: TrafficKeys | None = KEYS) -> TlsRecordWriter:
    writer = TlsRecordWriter()
    if keys is not None:
        writer.protect(keys)
    return writer


def reader_of(keys: TrafficKeys | None = KEYS) -> TlsRecordReader:
    reader = TlsRecordReader()
    if keys is not None:
        reader.protect(keys)
    return reader


def feed(reader: TlsRecordReader, data: bytes) -> list[tuple[ContentType, bytes]]:
    found = []
    while data:
        space = reader.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        reader.received(count)
        data = data[count:]
        record = reader.next()
        while record is not None:
            found.append((record.kind, bytes(record.content)))
            record = reader.next()
    return found


def forged(inner: bytes, keys: TrafficKeys = KEYS) -> bytes:
    """A record with this inner plaintext."""
    length = len(inner) + 16
    header = b"\x17\x03\x03" + length.to_bytes(2, "big")
    return header + keys.suite.cipher(keys.key).encrypt(keys.iv, inner, header)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
@pytest.mark.parametrize("into", [True, False])
def test_there_and_back(suite: Suite, monkeypatch: pytest.MonkeyPatch, *, into: bool) -> None:
    """AEADs of cryptography before 47 have no encrypt_into and decrypt_into."""
    keys = TrafficKeys.derive(suite, bytes(suite.hash_length))
    if not into:
        cipher = suite.cipher(keys.key)
        old = types.SimpleNamespace(encrypt=cipher.encrypt, decrypt=cipher.decrypt)
        monkeypatch.setattr(Suite, "cipher", lambda self, key: old)
    data = bytes(range(256)) * 500
    writer = writer_of(keys)
    writer.write(DATA, data)
    writer.write(ContentType.ALERT, b"\x01\x00")
    found = feed(reader_of(keys), writer.take())
    assert b"".join(content for kind, content in found if kind is DATA) == data
    assert found[-1] == (ContentType.ALERT, b"\x01\x00")
    assert len(found[0][1]) == MAX_PLAINTEXT


@given(st.lists(st.binary(min_size=1, max_size=40000), max_size=5), st.integers(1, 30000))
@settings(max_examples=examples(50), deadline=None)
def test_any_content_in_any_pieces(contents: list[bytes], piece: int) -> None:
    writer, reader = writer_of(), reader_of()
    for content in contents:
        writer.write(DATA, content)
    data = writer.take()
    found = [record for at in range(0, len(data), piece) for record in feed(reader, data[at : at + piece])]
    assert b"".join(content for dummy, content in found) == b"".join(contents)


@given(st.binary(min_size=1, max_size=100), st.data())
@settings(max_examples=examples(100), deadline=None)
def test_any_changed_byte_is_noticed(content: bytes, data: st.DataObject) -> None:
    writer = writer_of()
    writer.write(DATA, content)
    record = bytearray(writer.take())
    at = data.draw(st.integers(5, len(record) - 1))
    record[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProtocolError) as failure:
        feed(reader_of(), bytes(record))
    assert failure.value.alert is Alert.BAD_RECORD_MAC


def test_records_do_not_change_places() -> None:
    writer = writer_of()
    writer.write(DATA, b"one")
    first = writer.take()
    writer.write(DATA, b"two")
    for data in (writer.take(), first + first):
        with pytest.raises(ProtocolError, match="was modified on its way"):
            feed(reader_of(), data)


@pytest.mark.parametrize("padding", [0, 1, 100, MAX_PLAINTEXT - 5])
def test_padding(padding: int) -> None:
    assert feed(reader_of(), forged(b"hello\x17" + bytes(padding))) == [(DATA, b"hello")]


def test_longest_record() -> None:
    content = bytes(MAX_PLAINTEXT)
    assert feed(reader_of(), forged(content + b"\x17")) == [(DATA, content)]


@pytest.mark.parametrize(
    ("record", "alert"),
    [
        (forged(bytes(MAX_PLAINTEXT + 1) + b"\x17"), Alert.RECORD_OVERFLOW),
        (forged(b"hello\x17" + bytes(MAX_PLAINTEXT - 4)), Alert.RECORD_OVERFLOW),
        (b"\x17\x03\x03" + (MAX_CIPHERTEXT + 1).to_bytes(2, "big"), Alert.RECORD_OVERFLOW),
        (b"\x16\x03\x03" + (MAX_PLAINTEXT + 1).to_bytes(2, "big"), Alert.RECORD_OVERFLOW),
        (forged(bytes(20)), Alert.UNEXPECTED_MESSAGE),
        (forged(b"\0"), Alert.UNEXPECTED_MESSAGE),
        (forged(b"\x01\x14"), Alert.UNEXPECTED_MESSAGE),
        (forged(b"hello\x18"), Alert.UNEXPECTED_MESSAGE),
        (forged(b""), Alert.BAD_RECORD_MAC),
        (b"\x17\x03\x03\x00\x00", Alert.BAD_RECORD_MAC),
        (b"\x17\x03\x03\x00\x0f" + bytes(15), Alert.BAD_RECORD_MAC),
        (b"\x18\x03\x03\x00\x01\x00", Alert.UNEXPECTED_MESSAGE),
        (b"GET / HTTP/1.1\r\n\r\n", Alert.UNEXPECTED_MESSAGE),
    ],
)
def test_records_that_are_not_taken(record: bytes, alert: Alert) -> None:
    with pytest.raises(ProtocolError) as failure:
        feed(reader_of(), record)
    assert failure.value.alert is alert


def test_protected_records_need_a_key() -> None:
    with pytest.raises(ProtocolError) as failure:
        feed(reader_of(None), forged(b"hello\x17"))
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("keys", [KEYS, None])
def test_rejected_early_data_is_skipped_within_a_bound(keys: TrafficKeys | None) -> None:
    """RFC 8446, section 4.2.10, with the key of the handshake and, after a HelloRetryRequest, before it."""
    other = TrafficKeys.derive(AES_128_GCM, b"\x01" * 32)
    early = writer_of(other)
    early.write(DATA, bytes(EARLY_DATA - 1000))
    reader = reader_of(keys)
    reader.skip_early_data()
    assert feed(reader, early.take()) == []
    if keys is not None:
        right = writer_of()
        right.write(DATA, b"the real thing")
        assert feed(reader, right.take()) == [(DATA, b"the real thing")]
    early.write(DATA, bytes(2000))
    with pytest.raises(ProtocolError):
        feed(reader, early.take())


@pytest.mark.parametrize("keys", [KEYS, None])
def test_empty_records_of_early_data_are_bounded(keys: TrafficKeys | None) -> None:
    reader = reader_of(keys)
    reader.skip_early_data()
    with pytest.raises(ProtocolError):
        feed(reader, b"\x17\x03\x03\x00\x00" * (EARLY_DATA // 5 + 1))


def test_the_version_of_a_record_is_ignored() -> None:
    assert feed(reader_of(None), b"\x16\xff\x00\x00\x01x") == [(ContentType.HANDSHAKE, b"x")]


def test_the_buffer_has_a_bound() -> None:
    reader = reader_of()
    held = 0
    space = reader.space()
    # who sends nothing costs little
    assert MAX_CIPHERTEXT < len(space) < 2 * MAX_CIPHERTEXT
    while space:
        held += len(space)
        reader.received(len(space))
        space = reader.space()
    assert held == RECEIVE_BUFFER


def test_what_was_received_stays_when_the_buffer_grows() -> None:
    writer, reader = writer_of(), reader_of()
    content = bytes(range(256)) * 3000
    writer.write(DATA, content)
    assert b"".join(found for dummy, found in feed(reader, writer.take())) == content
    assert len(reader.space()) > RECEIVE_BUFFER - MAX_CIPHERTEXT


def test_the_sequence_number_does_not_wrap() -> None:
    sealer = protection.Sealer(KEYS)
    sealer.records = 2**64 - 1
    with pytest.raises(Exception, match="would wrap"):
        sealer.seal(DATA, memoryview(b"x"), memoryview(bytearray(100)))


def test_keys_are_not_shown() -> None:
    assert KEYS.key.hex() not in repr(KEYS)
    assert str(KEYS.key) not in repr(KEYS) + repr(protection.Opener(KEYS))
