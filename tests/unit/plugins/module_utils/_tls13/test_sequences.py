# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A peer with the right keys that sends any records in any order at any moment causes typed errors only."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.engine import Engine
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import InternalError, TlsError
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import ContentType, Group, HandshakeType
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import Pair, certified_key, inject, reach
from hypothesis import given, settings
from hypothesis import strategies as st

STATES = [
    *(("client", state) for state in (TlsState.WAIT_SH, TlsState.WAIT_SH2, TlsState.WAIT_EE, TlsState.WAIT_CERT_CR)),
    *(
        (role, state)
        for role in ("client", "server")
        for state in (TlsState.WAIT_CERT, TlsState.WAIT_CV, TlsState.WAIT_FINISHED)
    ),
    *(("server", state) for state in (TlsState.WAIT_CH, TlsState.WAIT_CH2)),
    *((role, TlsState.CONNECTED) for role in ("client", "server")),
]

bodies = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from([0, 0, 0, 1, 2, 4, 255]), max_size=60).map(bytes))
messages = st.builds(
    lambda kind, body, cut: (bytes([kind]) + len(body).to_bytes(3, "big") + body)[:cut],
    st.sampled_from(list(HandshakeType)),
    bodies,
    st.integers(1, 100),
)
records = st.one_of(
    st.tuples(st.just(ContentType.HANDSHAKE), messages),
    st.tuples(st.just(ContentType.HANDSHAKE), st.just(b"\x18\0\0\1\1")),
    st.tuples(st.just(ContentType.ALERT), st.sampled_from([b"\1\0", b"\1\x5a", b"\2\x28", b"\1"])),
    st.tuples(st.just(ContentType.CHANGE_CIPHER_SPEC), st.sampled_from([b"\1", b"\2", b""])),
    st.tuples(st.sampled_from(list(ContentType)), bodies),
)


def play(engine: Engine, sequence: list[tuple[ContentType, bytes]]) -> TlsError | None:
    """The error with which it ends, if it does."""
    try:
        for kind, content in sequence:
            inject(engine, kind, content)
            while engine.next_event() is not None:
                pass
    except TlsError as exc:
        return exc
    return None


@pytest.mark.parametrize(("role", "state"), STATES, ids=lambda value: getattr(value, "name", value))
@given(st.lists(records, min_size=1, max_size=6))
@settings(max_examples=examples(15), deadline=None)
def test_any_records_at_any_moment(role: str, state: TlsState, sequence: list[tuple[ContentType, bytes]]) -> None:
    pair = Pair(
        ClientConfig(groups=(Group.SECP256R1, Group.X25519)),
        ServerConfig((certified_key(),), client_certificate="required", groups=(Group.X25519,)),
        client_key=certified_key(),
    )
    engine: Engine = pair.client if role == "client" else pair.server
    reach(pair, engine, state)
    engine.data_to_send()
    error = play(engine, sequence)
    assert not isinstance(error, InternalError), error
    if error is not None:
        assert engine.state is TlsState.FAILED
        assert not engine._reader.is_protected
    # no connection without a Finished of this handshake
    assert state is TlsState.CONNECTED or not engine.is_connected
    # what it answers is bounded by what it was sent
    assert len(engine.data_to_send()) < 4096
