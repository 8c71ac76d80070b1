# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of both engines are whole, list what handshakes do and no more, and agree with RFC 8446, appendix A."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.engine import Engine
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import InternalError
from ansible_collections.attested.registry.plugins.module_utils._tls13.messages import (
    encode_certificate,
    encode_key_update,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import (
    Alert,
    ContentType,
    Group,
    HandshakeType,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import PAUSED, TlsState, Trigger
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import Pair, certified_key, inject, reach

ENGINES = (ClientEngine, ServerEngine)
H, S = HandshakeType, TlsState

# RFC 8446, appendix A, without PSK and early data. START and the states that lead on without a message are one with the
# state that waits for the next message; a HelloRetryRequest leads back to it.
RFC: dict[type[Engine], set[tuple[TlsState, HandshakeType, TlsState]]] = {
    ClientEngine: {
        (S.WAIT_SH, H.SERVER_HELLO, S.WAIT_SH),
        (S.WAIT_SH, H.SERVER_HELLO, S.WAIT_EE),
        (S.WAIT_EE, H.ENCRYPTED_EXTENSIONS, S.WAIT_CERT_CR),
        (S.WAIT_CERT_CR, H.CERTIFICATE_REQUEST, S.WAIT_CERT),
        (S.WAIT_CERT_CR, H.CERTIFICATE, S.WAIT_CV),
        (S.WAIT_CERT, H.CERTIFICATE, S.WAIT_CV),
        (S.WAIT_CV, H.CERTIFICATE_VERIFY, S.WAIT_FINISHED),
        (S.WAIT_FINISHED, H.FINISHED, S.CONNECTED),
    },
    ServerEngine: {
        (S.WAIT_CH, H.CLIENT_HELLO, S.WAIT_CH),
        (S.WAIT_CH, H.CLIENT_HELLO, S.WAIT_CERT),
        (S.WAIT_CH, H.CLIENT_HELLO, S.WAIT_FINISHED),
        (S.WAIT_CERT, H.CERTIFICATE, S.WAIT_CV),
        (S.WAIT_CERT, H.CERTIFICATE, S.WAIT_FINISHED),
        (S.WAIT_CV, H.CERTIFICATE_VERIFY, S.WAIT_FINISHED),
        (S.WAIT_FINISHED, H.FINISHED, S.CONNECTED),
    },
}
RETRIED = {S.WAIT_SH2: S.WAIT_SH, S.WAIT_CH2: S.WAIT_CH}

Edge = tuple[TlsState, t.Union[HandshakeType, Trigger], TlsState]


def edges(engine: type[Engine]) -> set[Edge]:
    return {
        (state, trigger, after) for (state, trigger), (dummy, following) in engine.TABLE.items() for after in following
    }


def first_state(engine: type[Engine]) -> TlsState:
    pair = Pair()
    return pair.client.state if engine is ClientEngine else pair.server.state


@pytest.mark.parametrize("engine", ENGINES)
def test_every_state_can_be_reached_and_only_the_last_is_not_left(engine: type[Engine]) -> None:
    found, todo = set[TlsState](), {first_state(engine)}
    while todo:
        found |= todo
        todo = {after for state, dummy, after in edges(engine) if state in found} - found
    left = {state for state, dummy in engine.TABLE}
    assert found - left == {S.CLOSED}
    assert left <= found


@pytest.mark.parametrize("engine", ENGINES)
def test_no_transition_leads_back_to_the_first_state(engine: type[Engine]) -> None:
    befores = {state for state, dummy, dummy_after in edges(engine)}
    assert befores - {after for dummy, dummy_trigger, after in edges(engine)} == {first_state(engine)}


def test_every_state_is_in_a_table_except_failed() -> None:
    used = {state for engine in ENGINES for before, dummy, after in edges(engine) for state in (before, after)}
    assert set(TlsState) - used == {S.FAILED}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_handler_is_listed(engine: type[Engine]) -> None:
    handlers = {handler for handler, dummy in engine.TABLE.values()}
    assert handlers == {getattr(engine, name) for name in dir(engine) if name.startswith("_on_")}


@pytest.mark.parametrize("engine", ENGINES)
def test_decisions_are_made_in_paused_states_and_no_message_is_read_there(engine: type[Engine]) -> None:
    triggers = {trigger for state, trigger in engine.TABLE if state in PAUSED}
    assert triggers == {trigger for dummy, trigger in engine.TABLE if trigger in Trigger} - {Trigger.CLOSE_NOTIFY}


def test_no_handshake_message_is_equal_to_a_trigger() -> None:
    assert not {*range(256)} & {*Trigger}  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_handshake_is_that_of_the_specification(engine: type[Engine]) -> None:
    decided = {state: after for state, dummy, after in edges(engine) if state in PAUSED}
    handshake = {
        (RETRIED.get(state, state), trigger, RETRIED.get(decided.get(after, after), decided.get(after, after)))
        for state, trigger, after in edges(engine)
        if state not in (*PAUSED, S.CONNECTED)
    }
    assert handshake == RFC[engine]


def test_every_transition_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[type[Engine], set[Edge]] = {engine: set() for engine in ENGINES}
    step = Engine._step

    def recorded(self: Engine, trigger: int | Trigger, *values: object) -> None:
        before = self.state
        step(self, trigger, *values)
        known = trigger if isinstance(trigger, Trigger) else HandshakeType(trigger)
        seen[type(self)].add((before, known, self.state))

    monkeypatch.setattr(Engine, "_step", recorded)
    wishes: tuple[t.Literal["none", "optional"], ...] = ("none", "optional")
    for wish, key, group in itertools.product(wishes, (None, certified_key()), (Group.X25519, Group.SECP384R1)):
        server = ServerConfig((certified_key(),), client_certificate=wish, groups=(group,))
        pair = Pair(ClientConfig(groups=(Group.X25519, Group.SECP384R1), shares=1), server, client_key=key).handshake()
        ticket = bytes(8) + b"\x01\x00" + b"\x00\x04tick" + b"\x00\x00"
        inject(pair.client, ContentType.HANDSHAKE, bytes([4, 0, 0, len(ticket)]) + ticket)
        for end in (pair.client, pair.server):
            inject(end, ContentType.HANDSHAKE, encode_key_update(requested=False))
            inject(end, ContentType.ALERT, bytes([1, Alert.CLOSE_NOTIFY]))
    assert seen == {engine: edges(engine) for engine in ENGINES}


def test_a_handler_that_leads_to_another_state_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(server=ServerConfig((certified_key(),), client_certificate="required"), client_key=certified_key())
    reach(pair, pair.server, S.WAIT_CERT)
    wrong = {(S.WAIT_CERT, H.CERTIFICATE): (lambda engine, *dummy: engine._complete(), (S.WAIT_CV, S.WAIT_FINISHED))}
    monkeypatch.setattr(ServerEngine, "TABLE", {**ServerEngine.TABLE, **wrong})
    with pytest.raises(InternalError) as failure:
        inject(pair.server, ContentType.HANDSHAKE, encode_certificate(certified_key().chain))
    assert failure.value.alert is Alert.INTERNAL_ERROR
    assert pair.server.state is S.FAILED
    assert pair.server.next_event() is None
