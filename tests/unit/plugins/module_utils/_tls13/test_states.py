# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A message that the table of a state does not list ends the connection with unexpected_message (RFC 8446, A)."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.engine import Engine
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    AlertReceived,
    InternalError,
    LimitExceeded,
    ProtocolError,
    TlsError,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.messages import encode_key_update
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import (
    Alert,
    ContentType,
    Group,
    HandshakeType,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import Pair, certified_key, inject, reach

H = HandshakeType

# RFC 8446, appendix A, by hand and not from the tables of the engine
ALLOWED = {
    "client": {
        TlsState.WAIT_SH: {H.SERVER_HELLO},
        TlsState.WAIT_SH2: {H.SERVER_HELLO},
        TlsState.WAIT_EE: {H.ENCRYPTED_EXTENSIONS},
        TlsState.WAIT_CERT_CR: {H.CERTIFICATE_REQUEST, H.CERTIFICATE},
        TlsState.WAIT_CERT: {H.CERTIFICATE},
        TlsState.WAIT_CV: {H.CERTIFICATE_VERIFY},
        TlsState.WAIT_FINISHED: {H.FINISHED},
        TlsState.CONNECTED: {H.NEW_SESSION_TICKET, H.KEY_UPDATE},
    },
    "server": {
        TlsState.WAIT_CH: {H.CLIENT_HELLO},
        TlsState.WAIT_CH2: {H.CLIENT_HELLO},
        TlsState.WAIT_CERT: {H.CERTIFICATE},
        TlsState.WAIT_CV: {H.CERTIFICATE_VERIFY},
        TlsState.WAIT_FINISHED: {H.FINISHED},
        TlsState.CONNECTED: {H.KEY_UPDATE},
    },
}
STATES = [(role, state) for role, states in ALLOWED.items() for state in states]
TYPES = sorted({*map(int, H), 0, 3, 6, 22, 25, 255})


def engine_in(role: str, state: TlsState) -> Engine:
    """An end in this state; the handshake has a retry and a client certificate."""
    pair = Pair(
        ClientConfig(groups=(Group.SECP256R1, Group.X25519)),
        ServerConfig((certified_key(),), client_certificate="required", groups=(Group.X25519,)),
        client_key=certified_key(),
    )
    engine = pair.client if role == "client" else pair.server
    reach(pair, engine, state)
    engine.data_to_send()
    return engine


def flood(engine: Engine, kind: ContentType, content: bytes) -> None:
    for dummy in range(33):
        inject(engine, kind, content)


def name(value: object) -> str:
    return value.name if isinstance(value, TlsState) else str(value)


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
def test_every_message(role: str, state: TlsState) -> None:
    for kind in TYPES:
        engine = engine_in(role, state)
        with pytest.raises(TlsError) as failure:
            inject(engine, ContentType.HANDSHAKE, bytes([kind, 0, 0, 0]))
        assert not isinstance(failure.value, InternalError)
        expected = Alert.DECODE_ERROR if kind in ALLOWED[role][state] else Alert.UNEXPECTED_MESSAGE
        assert failure.value.alert is expected, kind
        assert engine.state is TlsState.FAILED
        assert engine.data_to_send() != b""
        with pytest.raises(TlsError) as again:
            engine.receive_data(b"\x16")
        assert again.value is failure.value
        assert engine.data_to_send() == b""


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
def test_application_data(role: str, state: TlsState) -> None:
    engine = engine_in(role, state)
    if state is TlsState.CONNECTED:
        inject(engine, ContentType.APPLICATION_DATA, b"hello")
        return
    with pytest.raises(ProtocolError) as failure:
        inject(engine, ContentType.APPLICATION_DATA, b"hello")
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
def test_change_cipher_spec(role: str, state: TlsState) -> None:
    """RFC 8446, section 5: dropped from the first ClientHello to the other end's Finished."""
    engine = engine_in(role, state)
    record = b"\x14\x03\x03\x00\x01\x01"
    if state in (TlsState.WAIT_CH, TlsState.CONNECTED):
        with pytest.raises(ProtocolError) as failure:
            engine.receive_data(record)
        assert failure.value.alert is Alert.UNEXPECTED_MESSAGE
        return
    engine._ccs_left = 1
    engine.receive_data(record)
    assert engine.state is state
    with pytest.raises(ProtocolError) as failure:
        engine.receive_data(record)
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("content", [b"\x02", b"\x01\x01", b"\0"])
def test_malformed_change_cipher_spec(content: bytes) -> None:
    engine = engine_in("client", TlsState.WAIT_EE)
    with pytest.raises(ProtocolError) as failure:
        engine.receive_data(b"\x14\x03\x03" + len(content).to_bytes(2, "big") + content)
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
@pytest.mark.parametrize("number", [0, 40, 42, 46, 116, 199])
def test_alerts(role: str, state: TlsState, number: int) -> None:
    engine = engine_in(role, state)
    if number == 0 and state is TlsState.CONNECTED:
        inject(engine, ContentType.ALERT, b"\x01\x00")
        assert engine.state is TlsState.CLOSED
        return
    with pytest.raises(AlertReceived) as failure:
        inject(engine, ContentType.ALERT, bytes([1, number]))
    assert failure.value.fields["number"] == number
    assert engine.data_to_send() == b""


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
@pytest.mark.parametrize(("content", "alert"), [(b"", 10), (b"\x02", 50), (b"\x02\x28\x00", 50)])
def test_malformed_alerts(role: str, state: TlsState, content: bytes, alert: int) -> None:
    engine = engine_in(role, state)
    with pytest.raises(ProtocolError) as failure:
        inject(engine, ContentType.ALERT, content)
    assert failure.value.alert == alert


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
def test_records_without_protection(role: str, state: TlsState) -> None:
    engine = engine_in(role, state)
    if not engine._reader.is_protected:
        return
    with pytest.raises(ProtocolError) as failure:
        engine.receive_data(b"\x16\x03\x03\x00\x04\x14\0\0\0")
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


def test_an_alert_without_protection_counts_until_a_record_was_opened() -> None:
    engine = engine_in("server", TlsState.WAIT_CERT)
    with pytest.raises(AlertReceived):
        engine.receive_data(b"\x15\x03\x03\x00\x02\x02\x28")
    engine = engine_in("server", TlsState.WAIT_CV)
    with pytest.raises(ProtocolError) as failure:
        engine.receive_data(b"\x15\x03\x03\x00\x02\x02\x28")
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
@pytest.mark.parametrize("number", [Alert.CLOSE_NOTIFY, Alert.USER_CANCELED])
def test_a_warning_between_the_pieces_of_a_message(role: str, state: TlsState, number: Alert) -> None:
    """RFC 8446, section 5.1: nothing comes between them."""
    engine = engine_in(role, state)
    inject(engine, ContentType.HANDSHAKE, b"\x18\0")
    with pytest.raises(ProtocolError) as failure:
        inject(engine, ContentType.ALERT, bytes([1, number]))
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
def test_after_an_error_there_are_no_secrets(role: str, state: TlsState) -> None:
    engine = engine_in(role, state)
    with pytest.raises(TlsError):
        inject(engine, ContentType.HANDSHAKE, b"\xff\0\0\0")
    assert not engine._reader.is_protected
    secrets = {value for key, value in vars(engine).items() if "secret" in key}
    assert secrets <= {b"", (b"", b"")}
    assert vars(engine).get("_schedule") is None
    assert not vars(engine).get("_shares")


def test_an_error_that_is_raised_again_does_not_grow() -> None:
    engine = engine_in("server", TlsState.CONNECTED)
    depths = []
    for dummy in range(20):
        with pytest.raises(TlsError) as failure:
            engine.receive_data(b"GET / HTTP/1.1")
        depths.append(len(failure.traceback))
    assert len(set(depths[1:])) == 1


def test_an_interrupt_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows how far a step came."""
    engine = engine_in("server", TlsState.CONNECTED)

    def interrupted(*dummy: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine._messages, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        inject(engine, ContentType.HANDSHAKE, encode_key_update(requested=False))
    assert engine.state is TlsState.FAILED
    with pytest.raises(InternalError):
        engine.receive_data(b"\x17")


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("kind", [ContentType.HANDSHAKE, ContentType.APPLICATION_DATA])
def test_records_without_content(role: str, kind: ContentType) -> None:
    """RFC 8446, sections 5.1 and 5.4: no empty handshake records, and no flood of empty application data."""
    engine = engine_in(role, TlsState.CONNECTED)
    with pytest.raises(ProtocolError) as failure:
        flood(engine, kind, b"")
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE
    assert engine._idle == (0 if kind is ContentType.HANDSHAKE else 33)


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_flood_of_key_updates(role: str) -> None:
    engine = engine_in(role, TlsState.CONNECTED)
    with pytest.raises(LimitExceeded):
        flood(engine, ContentType.HANDSHAKE, encode_key_update(requested=True))
    assert len(engine.data_to_send()) < 33 * 40


def test_a_flood_of_warnings() -> None:
    engine = engine_in("server", TlsState.WAIT_CERT)
    with pytest.raises(LimitExceeded):
        flood(engine, ContentType.ALERT, bytes([1, Alert.USER_CANCELED]))


@pytest.mark.parametrize("role", ["client", "server"])
def test_data_between_the_pieces_of_a_message(role: str) -> None:
    engine = engine_in(role, TlsState.CONNECTED)
    inject(engine, ContentType.HANDSHAKE, b"\x18\0")
    with pytest.raises(ProtocolError) as failure:
        inject(engine, ContentType.APPLICATION_DATA, b"hello")
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(("role", "state"), STATES, ids=name)
def test_a_message_that_is_too_long_is_refused_by_its_header(role: str, state: TlsState) -> None:
    for kind, size in itertools.product((1, 11, 20, 255), [64 * 1024 + 1, 0xFFFFFF]):
        engine = engine_in(role, state)
        with pytest.raises(LimitExceeded):
            inject(engine, ContentType.HANDSHAKE, bytes([kind]) + size.to_bytes(3, "big"))


@pytest.mark.parametrize("role", ["client", "server"])
def test_keys_change_only_between_records(role: str) -> None:
    """RFC 8446, section 5.1: nothing follows a KeyUpdate in its record."""
    engine = engine_in(role, TlsState.CONNECTED)
    with pytest.raises(ProtocolError) as failure:
        inject(engine, ContentType.HANDSHAKE, encode_key_update(requested=False) + b"\x18")
    assert failure.value.alert is Alert.UNEXPECTED_MESSAGE


def test_a_key_update_asks_for_nothing_unknown() -> None:
    engine = engine_in("server", TlsState.CONNECTED)
    with pytest.raises(ProtocolError) as failure:
        inject(engine, ContentType.HANDSHAKE, b"\x18\0\0\1\2")
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER


def test_tickets_are_ignored() -> None:
    engine = engine_in("client", TlsState.CONNECTED)
    ticket = bytes(8) + b"\x01\x00" + b"\x00\x04tick" + b"\x00\x00"
    inject(engine, ContentType.HANDSHAKE, bytes([4, 0, 0, len(ticket)]) + ticket)
    assert engine.state is TlsState.CONNECTED
    assert engine.data_to_send() == b""


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("length", [0, 31, 33, 48])
def test_finished_of_a_wrong_length(role: str, length: int) -> None:
    engine = engine_in(role, TlsState.WAIT_FINISHED)
    with pytest.raises(ProtocolError) as failure:
        inject(engine, ContentType.HANDSHAKE, bytes([20, 0, 0, length]) + bytes(length))
    assert failure.value.alert is (Alert.DECRYPT_ERROR if length == 48 else Alert.DECODE_ERROR)


def test_the_tables_are_those_of_the_specification() -> None:
    for role, engine in (("client", ClientEngine), ("server", ServerEngine)):
        messages = {(state, kind) for state, kind in engine.TABLE if isinstance(kind, HandshakeType)}
        assert messages == {(state, kind) for state, kinds in ALLOWED[role].items() for kind in kinds}
