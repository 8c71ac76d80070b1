# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Client and server agree on every common group, suite and certificate, and alert if there is none in common."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.groups import GROUPS
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import CertifiedKey
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.suites import (
    AES_128_GCM,
    AES_256_GCM,
    CHACHA20_POLY1305,
    SUITES,
    Suite,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    AlertReceived,
    CertificateRejected,
    NegotiationFailed,
    Truncated,
    UsageError,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import (
    CertificateRequested,
    Closed,
    HandshakeComplete,
    PeerCertificate,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert, Group
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import (
    KEY_TYPES,
    KeyType,
    Pair,
    certificate,
    certified_key,
    private_key,
)

CHALLENGE = b"dGhpcyBpcyBub3QgREVSIGJ1dCBiYXNlNjQsIDY0IGJ5dGVzIG9mIHJhbmRvbW5lc3MgaXQgc2hvdWxkIGJlLi4uISE=="


def check_both_ways(pair: Pair) -> None:
    pair.client.send(b"a question")
    pair.server.send(b"an answer " * 5000)
    pair.pump()
    assert pair.server_data == b"a question"
    assert pair.client_data == b"an answer " * 5000


@pytest.mark.parametrize(
    ("suite", "group", "server_key", "client_key"),
    [*itertools.product(SUITES.values(), GROUPS, ["ec-p256"], ["ec-p256"]),
     *itertools.product([AES_128_GCM], [Group.X25519], KEY_TYPES, KEY_TYPES)],
    ids=lambda value: getattr(value, "name", value),
)  # fmt: skip
@pytest.mark.parametrize("retry", [False, True], ids=["direct", "retry"])
def test_suites_groups_and_keys(
    suite: Suite, group: Group, server_key: KeyType, client_key: KeyType, *, retry: bool
) -> None:
    others = [other for other in GROUPS if other is not group]
    offered = (*others, group) if retry else (group, *others)
    pair = Pair(
        ClientConfig(groups=offered, suites=(suite,)),
        ServerConfig((certified_key(server_key),), client_certificate="required", groups=(group,)),
        client_key=certified_key(client_key),
    ).handshake()
    assert pair.client.suite is pair.server.suite is suite
    assert pair.client.group is pair.server.group is group
    assert pair.client.peer_chain == (certificate(server_key),)
    assert pair.server.peer_chain == (certificate(client_key),)
    check_both_ways(pair)


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 100, 1000])
@pytest.mark.parametrize("compatible", [True, False])
def test_feeding_in_pieces(piece: int, *, compatible: bool) -> None:
    pair = Pair(
        ClientConfig(compatible=compatible, groups=(Group.SECP256R1, Group.X25519)),
        ServerConfig((certified_key(),), client_certificate="required", groups=(Group.X25519,)),
        client_key=certified_key(),
        piece=piece,
    )
    check_both_ways(pair.handshake())


def test_several_shares_avoid_the_retry() -> None:
    server = ServerConfig((certified_key(),), groups=(Group.SECP384R1,))
    pair = Pair(ClientConfig(shares=3), server).handshake()
    assert len([who for who, data in pair.sent if data and who == "client"]) == 2
    pair = Pair(ClientConfig(shares=0), server).handshake()
    assert len([who for who, data in pair.sent if data and who == "client"]) == 2 + 1


def test_the_order_of_events_and_the_challenge() -> None:
    pair = Pair(
        server=ServerConfig((certified_key(),), client_certificate="required", authorities=(CHALLENGE,)),
        client_key=certified_key("ec-p384"),
    ).handshake()
    assert [type(event) for event in pair.client_events] == [PeerCertificate, CertificateRequested, HandshakeComplete]
    assert [type(event) for event in pair.server_events] == [PeerCertificate, HandshakeComplete]
    request = pair.client_events[1]
    assert isinstance(request, CertificateRequested)
    assert request.authorities == (CHALLENGE,)
    assert request.schemes == (0x0503, 0x0403, 0x0807, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401)


def test_several_authorities_keep_their_order() -> None:
    names = (b"one", b"\0\xff", b"three" * 300)
    config = ServerConfig((certified_key(),), client_certificate="optional", authorities=names)
    pair = Pair(server=config).handshake()
    assert [event.authorities for event in pair.client_events if isinstance(event, CertificateRequested)] == [names]


def test_the_server_prefers_its_own_order() -> None:
    pair = Pair(server=ServerConfig((certified_key(),), suites=(CHACHA20_POLY1305, AES_256_GCM))).handshake()
    assert pair.client.suite is CHACHA20_POLY1305


def test_the_server_takes_the_certificate_that_the_client_can_check() -> None:
    pair = Pair(server=ServerConfig((certified_key("rsa-2048"), certified_key("ec-p256")))).handshake()
    assert pair.client.peer_chain == (certificate("rsa-2048"),)


def test_protocols_and_server_name() -> None:
    pair = Pair(
        ClientConfig(server_name="registry.example", protocols=("h2", "http/1.1")),
        ServerConfig((certified_key(),), protocols=("http/1.1",)),
    ).handshake()
    assert pair.client.protocol == pair.server.protocol == "http/1.1"
    assert pair.server.server_name == "registry.example"


@pytest.mark.parametrize(("offered", "known"), [((), ("h2",)), (("h2",), ())])
def test_protocols_that_one_end_does_not_care_for(offered: tuple[str, ...], known: tuple[str, ...]) -> None:
    pair = Pair(ClientConfig(protocols=offered), ServerConfig((certified_key(),), protocols=known)).handshake()
    assert pair.client.protocol is None
    assert pair.server.protocol is None


def test_optional_client_certificate() -> None:
    config = ServerConfig((certified_key(),), client_certificate="optional")
    assert Pair(server=config).handshake().server.peer_chain == ()
    pair = Pair(server=config, client_key=certified_key("ed25519")).handshake()
    assert pair.server.peer_chain == (certificate("ed25519"),)


@pytest.mark.parametrize(
    ("client", "server", "alert"),
    [
        ({"suites": (AES_128_GCM,)}, {"suites": (AES_256_GCM,)}, Alert.HANDSHAKE_FAILURE),
        ({"groups": (Group.X25519,)}, {"groups": (Group.SECP256R1,)}, Alert.HANDSHAKE_FAILURE),
        ({"protocols": ("h2",)}, {"protocols": ("http/1.1",)}, Alert.NO_APPLICATION_PROTOCOL),
    ],
)
def test_nothing_in_common(client: dict[str, t.Any], server: dict[str, t.Any], alert: Alert) -> None:
    pair = Pair(ClientConfig(**client), ServerConfig((certified_key(),), **server))
    with pytest.raises(NegotiationFailed) as first:
        pair.pump()
    assert first.value.alert is alert
    with pytest.raises(AlertReceived) as second:
        pair.client.receive_data(pair.server.data_to_send())
    assert second.value.alert is alert
    assert pair.client.state is pair.server.state is TlsState.FAILED


def test_required_client_certificate() -> None:
    pair = Pair(server=ServerConfig((certified_key(),), client_certificate="required"))
    with pytest.raises(CertificateRejected) as first:
        pair.pump()
    assert first.value.alert is Alert.CERTIFICATE_REQUIRED
    # TLS 1.3: the client is done before the server has judged
    assert pair.client.is_connected
    with pytest.raises(AlertReceived) as second:
        pair.client.receive_data(pair.server.data_to_send())
    assert second.value.alert is Alert.CERTIFICATE_REQUIRED
    assert not pair.client.is_connected


def test_the_client_rejects_the_server() -> None:
    pair = Pair()
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    assert pair.client.state is TlsState.JUDGING
    with pytest.raises(CertificateRejected, match="not ours"):
        pair.client.reject_peer(CertificateRejected("It is not ours.", alert=Alert.UNKNOWN_CA))
    with pytest.raises(AlertReceived) as heard:
        pair.server.receive_data(pair.client.data_to_send())
    assert heard.value.alert is Alert.UNKNOWN_CA
    with pytest.raises(CertificateRejected):
        pair.client.accept_peer()


def test_the_server_rejects_the_client_and_never_sends_data() -> None:
    config = ServerConfig((certified_key(),), client_certificate="required")
    pair = Pair(server=config, client_key=certified_key())
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    pair.decide(pair.client, pair.client_events)
    pair.client.send(b"sent before the verdict")
    pair.server.receive_data(pair.client.data_to_send())
    assert pair.server.state is TlsState.JUDGING
    with pytest.raises(UsageError):
        pair.server.send(b"too early")
    assert pair.server.data_to_send() == b""
    with pytest.raises(CertificateRejected):
        pair.server.reject_peer(CertificateRejected("No.", alert=Alert.CERTIFICATE_UNKNOWN))
    assert [type(pair.server.next_event())] == [PeerCertificate]
    assert pair.server.next_event() is None
    with pytest.raises(AlertReceived) as heard:
        pair.client.receive_data(pair.server.data_to_send())
    assert heard.value.alert is Alert.CERTIFICATE_UNKNOWN


def test_data_before_the_verdict_comes_after_it() -> None:
    config = ServerConfig((certified_key(),), client_certificate="required")
    pair = Pair(server=config, client_key=certified_key())
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    pair.decide(pair.client, pair.client_events)
    pair.client.send(b"early bird")
    pair.pump()
    assert pair.server_data == b"early bird"


def test_a_paused_engine_takes_no_more_than_its_buffer() -> None:
    config = ServerConfig((certified_key(),), client_certificate="required")
    pair = Pair(server=config, client_key=certified_key())
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    pair.decide(pair.client, pair.client_events)
    pair.client.send(bytes(10**6))
    data = pair.client.data_to_send()
    with pytest.raises(UsageError, match="waits for a decision"):
        pair.server.receive_data(data)
    assert len(pair.server.space()) == 0


def test_decisions_are_only_taken_when_asked() -> None:
    pair = Pair().handshake()
    with pytest.raises(UsageError):
        pair.client.accept_peer()
    with pytest.raises(UsageError):
        pair.client.provide_certificate(None)
    with pytest.raises(UsageError):
        pair.server.reject_peer(CertificateRejected("No."))
    check_both_ways(pair)


def test_a_key_that_the_server_takes_no_signature_of() -> None:
    pair = Pair(server=ServerConfig((certified_key(),), client_certificate="required"), client_key=certified_key())
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    pair.client.accept_peer()
    pair.client._request = type(pair.client._request)((0x0403,))  # type: ignore[misc]
    with pytest.raises(NegotiationFailed):
        pair.client.provide_certificate(certified_key("ed25519"))


def test_closing_both_ways() -> None:
    pair = Pair().handshake()
    pair.client.send(b"the last words")
    pair.client.close()
    pair.client.close()
    pair.pump()
    assert isinstance(pair.server_events[-1], Closed)
    assert pair.server_data == b"the last words"
    pair.server.receive_eof()
    with pytest.raises(UsageError):
        pair.client.send(b"more")
    # the other direction is still open (RFC 8446, section 6.1)
    pair.server.send(b"an answer")
    pair.server.close()
    pair.pump()
    assert pair.client_data == b"an answer"
    pair.client.receive_eof()


def test_closing_before_the_handshake_is_complete() -> None:
    pair = Pair()
    pair.server.receive_data(pair.client.data_to_send())
    flight = pair.server.data_to_send()
    pair.client.close()
    with pytest.raises(UsageError, match="closed by this end"):
        pair.client.receive_data(flight)
    with pytest.raises(AlertReceived) as heard:
        pair.server.receive_data(pair.client.data_to_send())
    assert heard.value.alert is Alert.CLOSE_NOTIFY
    assert not pair.client.is_connected
    assert not pair.server.is_connected


def test_the_chain_is_only_that_of_the_peer_once_it_was_accepted() -> None:
    pair = Pair()
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    assert pair.client.state is TlsState.JUDGING
    assert pair.client.peer_chain == ()
    pair.client.accept_peer()
    assert pair.client.peer_chain == (certificate("ec-p256"),)


def test_data_after_close_notify_is_ignored() -> None:
    pair = Pair().handshake()
    pair.client.close()
    data = pair.client.data_to_send()
    pair.server.receive_data(data + b"anything at all")
    pair.server.receive_data(b"\x17\x03\x03\x00\x05hello")
    assert pair.server.state is TlsState.CLOSED


def test_an_end_without_close_notify_is_truncation() -> None:
    pair = Pair().handshake()
    with pytest.raises(Truncated, match="without a TLS close_notify"):
        pair.client.receive_eof()
    pair = Pair()
    with pytest.raises(Truncated, match="in the middle of the handshake"):
        pair.client.receive_eof()


def test_key_updates_both_ways() -> None:
    pair = Pair().handshake()
    for number in range(70):
        pair.client.update_keys(requested=number % 2 == 0)
        pair.server.update_keys(requested=number % 3 == 0)
        pair.client.send(b"c")
        pair.server.send(b"s")
        pair.pump()
    assert pair.server_data == b"c" * 70
    assert pair.client_data == b"s" * 70


def test_keys_are_updated_before_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.attested.registry.plugins.module_utils._tls13.engine.KEY_RECORDS"
    monkeypatch.setattr(module, 3)
    pair = Pair().handshake()
    secret = pair.client._write_secret
    for dummy in range(10):
        pair.client.send(b"x")
        pair.pump()
    assert pair.server_data == b"x" * 10
    assert pair.client._write_secret != secret
    assert pair.client._write_secret == pair.server._read_secret


@pytest.mark.parametrize("kind", ["rsa-1024", "ec-p521"])
def test_keys_that_are_not_taken(kind: str) -> None:
    with pytest.raises(UsageError, match="RSA with 2048"):
        CertifiedKey((certificate(kind),), private_key(kind))


def test_secrets_are_forgotten_with_the_connection() -> None:
    pair = Pair(server=ServerConfig((certified_key(),), client_certificate="required"))
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    for engine in (pair.client, pair.server):
        assert engine._read_secret
        assert engine._write_secret
        engine.abort(CertificateRejected("No."))
        assert (engine._read_secret, engine._write_secret) == (b"", b"")
    assert (pair.client._shares, pair.client._schedule, pair.client._secrets) == ({}, None, (b"", b""))
    assert pair.server._client_secret == b""


def test_nothing_secret_is_shown() -> None:
    pair = Pair(
        server=ServerConfig((certified_key(),), client_certificate="required", authorities=(CHALLENGE,)),
        client_key=certified_key(),
    ).handshake()
    shown = " ".join(
        map(
            repr,
            [pair.server._config, pair.client, pair.server, *pair.client_events, *pair.server_events, certified_key()],
        )
    )
    assert "dGhpcyBpcyBub3Q" not in shown
    assert "PrivateKey" not in shown


@pytest.mark.parametrize(
    "settings",
    [
        {"suites": ()},
        {"groups": (Group.X25519, Group.X25519)},
        {"shares": 4},
        {"server_name": "127.0.0.1"},
        {"server_name": "::1"},
        {"server_name": ""},
        {"server_name": "bücher.example"},
        {"protocols": ("",)},
    ],
)
def test_client_settings_that_make_no_sense(settings: dict[str, t.Any]) -> None:
    with pytest.raises(UsageError):
        ClientConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [{"certified_keys": ()}, {"client_certificate": "maybe"}, {"authorities": (b"",)}, {"authorities": (b"x" * 9000,)}],
)
def test_server_settings_that_make_no_sense(settings: dict[str, t.Any]) -> None:
    with pytest.raises(UsageError):
        ServerConfig(**{"certified_keys": (certified_key(),), **settings})
