# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostile peers and networks cause typed errors only, and a changed transcript never leads to a connection."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13 import extensions as ext
from ansible_collections.attested.registry.plugins.module_utils._tls13 import messages
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.groups import KeyShare
from ansible_collections.attested.registry.plugins.module_utils._tls13.engine import Engine
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import InternalError, TlsError
from ansible_collections.attested.registry.plugins.module_utils._tls13.hello import (
    ClientHello,
    ServerHello,
    read_client_hello,
    read_server_hello,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import (
    Alert,
    ContentType,
    Extension,
    Group,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from ansible_collections.attested.registry.plugins.module_utils._tls13.wire import number
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import (
    Pair,
    certificate,
    certified_key,
    inject,
    private_key,
    reach,
    split_messages,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

MANY = settings(max_examples=examples(100), deadline=None)


def new_pair() -> Pair:
    return Pair(
        ClientConfig(groups=(Group.SECP256R1, Group.X25519), protocols=("http/1.1",), server_name="localhost"),
        ServerConfig(
            (certified_key(),),
            client_certificate="required",
            authorities=(b"challenge",),
            groups=(Group.X25519,),
            protocols=("http/1.1",),
        ),
        client_key=certified_key(),
    )


@st.composite
def mutations(draw: st.DrawFn) -> t.Callable[[bytes], bytes]:
    """Functions that change bytes somewhere, or perhaps do not."""
    kind = draw(st.sampled_from(["flip", "insert", "delete", "double", "cut", "random"]))
    where, value, size = draw(st.floats(0, 1)), draw(st.integers(1, 255)), draw(st.integers(1, 50))
    extra = draw(st.binary(min_size=1, max_size=50))

    def mutate(data: bytes) -> bytes:
        at = min(int(where * len(data)), len(data) - 1)
        head, tail = data[:at], data[at:]
        return {
            "flip": lambda: head + bytes([tail[0] ^ value]) + tail[1:],
            "insert": lambda: head + extra + tail,
            "delete": lambda: head + tail[size:],
            "double": lambda: head + tail[:size] + tail,
            "cut": lambda: head,
            "random": lambda: head + extra + tail[len(extra) :],
        }[kind]()

    return mutate


def check_typed(error: TlsError) -> None:
    assert not isinstance(error, InternalError), error
    assert error.alert is not None


def run(pair: Pair) -> None:
    """To the end, an error being one; it is never an internal one."""
    try:
        pair.pump()
    except TlsError as exc:
        check_typed(exc)


@given(st.integers(0, 5), mutations())
@MANY
def test_changes_on_the_wire(flight: int, mutate: t.Callable[[bytes], bytes]) -> None:
    pair = new_pair()
    ends: list[Engine] = [pair.client, pair.server]
    changed = False
    try:
        for step in range(6):
            source, target = ends[step % 2], ends[1 - step % 2]
            data = source.data_to_send()
            if step == flight and data:
                again = mutate(data)
                # the version of a record is not looked at, and what comes after the flight is the start of a record
                right = without_versions(data)
                changed = without_versions(again)[: len(right)] != right
                data = again
            target.receive_data(data)
            pair.decide(target, [])
    except TlsError as exc:
        check_typed(exc)
        return
    assert not (changed and pair.client.is_connected and pair.server.is_connected)


def without_versions(data: bytes) -> list[tuple[int, bytes]]:
    """Records that matter: without their versions and, being ignored, without change_cipher_spec."""
    found = []
    while data:
        length = 5 + int.from_bytes(data[3:5], "big")
        if data[:1] != b"\x14":
            found.append((data[0], data[3:length]))
        data = data[length:]
    return found


def mutate_sending(engine: Engine, message: int, mutate: t.Callable[[bytes], bytes]) -> list[bool]:
    """Lets engine send its handshake message of this number changed, while its own transcript has the right one."""
    send, count, changed = engine._send_handshake, [0], [False]

    def wrong(content: bytes) -> None:
        out = b""
        for one in split_messages(content):
            again = mutate(one) if count[0] == message else one
            changed[0] |= again != one
            out += again
            count[0] += 1
        send(out)

    engine._send_handshake = wrong  # type: ignore[method-assign]
    return changed


@pytest.mark.parametrize("role", ["client", "server"])
@given(st.integers(0, 7), mutations())
@MANY
def test_changes_inside_of_the_protection(role: str, message: int, mutate: t.Callable[[bytes], bytes]) -> None:
    pair = new_pair()
    changed = mutate_sending(pair.client if role == "client" else pair.server, message, mutate)
    run(pair)
    target = pair.server if role == "client" else pair.client
    if changed[0]:
        assert not target.is_connected


@given(st.integers(0, 5), mutations())
@MANY
def test_a_server_that_means_what_it_says(message: int, mutate: t.Callable[[bytes], bytes]) -> None:
    """The change is in the server's transcript too: whatever it is, the client has no error of its own."""
    pair = new_pair()
    add, count = pair.server._add, [0]

    def wrong(content: bytes) -> bytes:
        if content:
            count[0] += 1
            content = mutate(content) if count[0] - 1 == message else content
        return add(content) if content else b""

    pair.server._add = wrong  # type: ignore[method-assign]
    run(pair)


@given(st.integers(0, 2), mutations())
@MANY
def test_a_client_that_means_what_it_says(message: int, mutate: t.Callable[[bytes], bytes]) -> None:
    pair = new_pair()
    sign = pair.client._certificate

    def wrong(*args: t.Any) -> bytes:
        parts = split_messages(sign(*args))
        if message < 2:
            parts[message] = mutate(parts[message])
        return b"".join(parts)

    pair.client._certificate = wrong  # type: ignore[method-assign]
    run(pair)
    if message < 2 and pair.server.is_connected:
        assert pair.server.peer_chain == (certificate("ec-p256"),)


@given(mutations())
@MANY
def test_any_client_hello(mutate: t.Callable[[bytes], bytes]) -> None:
    hello = new_pair().client.data_to_send()[9:]
    body = mutate(hello)
    server = new_pair().server
    content = b"\x01" + len(body).to_bytes(3, "big") + body
    try:
        inject(server, ContentType.HANDSHAKE, content)
    except TlsError as exc:
        check_typed(exc)
    assert not server.is_connected


@given(st.binary(max_size=2000))
@MANY
def test_any_bytes(data: bytes) -> None:
    for engine in (new_pair().client, new_pair().server):
        try:
            engine.receive_data(data)
        except TlsError as exc:
            check_typed(exc)
        assert not engine.is_connected


Hello = t.TypeVar("Hello", ClientHello, ServerHello)


def changed(hello: Hello, *, extensions: t.Mapping[int, bytes | None] | None = None, **changes: t.Any) -> Hello:
    """The same with other fields; extensions that are None are left out."""
    wanted = {**hello.extensions, **(extensions or {})}
    return dataclasses.replace(
        hello, extensions={kind: data for kind, data in wanted.items() if data is not None}, **changes
    )


def client_hello(**changes: t.Any) -> tuple[ServerEngine, ClientHello]:
    pair = new_pair()
    hello = read_client_hello(pair.client.data_to_send()[9:])
    return pair.server, changed(hello, **changes)


E = Extension


@pytest.mark.parametrize(
    ("changes", "alert"),
    [
        ({"version": 0x0300}, Alert.PROTOCOL_VERSION),
        ({"version": 0x0301}, None),
        ({"extensions": {E.SUPPORTED_VERSIONS: None}}, Alert.PROTOCOL_VERSION),
        ({"extensions": {E.SUPPORTED_VERSIONS: ext.write_versions([0x0303, 0x7F1C])}}, Alert.PROTOCOL_VERSION),
        ({"extensions": {E.SUPPORTED_VERSIONS: ext.write_versions([0x1A1A, 0x0304, 0x0303])}}, None),
        ({"compressions": b"\0\1"}, Alert.ILLEGAL_PARAMETER),
        ({"compressions": b"\1"}, Alert.ILLEGAL_PARAMETER),
        ({"suites": (0x1304, 0x00FF, 0xC02B)}, Alert.HANDSHAKE_FAILURE),
        ({"suites": (0x0A0A, 0x1301)}, None),
        ({"extensions": {E.SIGNATURE_ALGORITHMS: None}}, Alert.MISSING_EXTENSION),
        ({"extensions": {E.SUPPORTED_GROUPS: None}}, Alert.MISSING_EXTENSION),
        ({"extensions": {E.KEY_SHARE: None}}, Alert.MISSING_EXTENSION),
        ({"extensions": {E.SUPPORTED_GROUPS: b"\0\2\0\x19"}}, Alert.ILLEGAL_PARAMETER),
        (
            {"extensions": {E.SUPPORTED_GROUPS: b"\0\2\0\x19", E.KEY_SHARE: b"\0\0"}},
            Alert.HANDSHAKE_FAILURE,
        ),
        ({"extensions": {E.KEY_SHARE: ext.write_shares([(29, b"short")])}}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.KEY_SHARE: ext.write_shares([(29, bytes(32))])}}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.KEY_SHARE: ext.write_shares([(30, bytes(56))])}}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.KEY_SHARE: ext.write_shares([(23, b"x"), (23, b"y")])}}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.KEY_SHARE: b"\0"}}, Alert.DECODE_ERROR),
        ({"extensions": {E.SIGNATURE_ALGORITHMS: b"\0\2\4\1", E.KEY_SHARE: b"\0\0"}}, None),
        ({"extensions": {E.SERVER_NAME: b"\0\0"}, "session_id": b""}, None),
        ({"extensions": {0x4A4A: b"grease", 0xFF01: b"\0"}}, None),
    ],
)
def test_client_hellos(changes: dict[str, t.Any], alert: Alert | None) -> None:
    server, hello = client_hello(**changes)
    if alert is None:
        inject(server, ContentType.HANDSHAKE, hello.encode())
        assert server.state is TlsState.WAIT_CH2
        return
    with pytest.raises(TlsError) as failure:
        inject(server, ContentType.HANDSHAKE, hello.encode())
    assert failure.value.alert is alert
    assert server.data_to_send() == bytes([21, 3, 3, 0, 2, 2, alert])


@pytest.mark.parametrize(
    ("extensions", "alert"),
    [
        ({E.SIGNATURE_ALGORITHMS: b"\0\4\4\1\2\3"}, Alert.HANDSHAKE_FAILURE),
        ({E.SERVER_NAME: ext.write_server_name("a\0b")}, Alert.ILLEGAL_PARAMETER),
        ({E.SERVER_NAME: b""}, Alert.DECODE_ERROR),
        ({E.ALPN: b"\0\1\0"}, Alert.DECODE_ERROR),
    ],
)
def test_client_hellos_that_are_answered(extensions: dict[int, bytes], alert: Alert) -> None:
    """Checks that follow the key share but precede the ServerHello, so the alert is not protected."""
    share = ext.write_shares([(29, KeyShare(Group.X25519).share)])
    server, hello = client_hello(extensions={**extensions, E.KEY_SHARE: share})
    with pytest.raises(TlsError) as failure:
        inject(server, ContentType.HANDSHAKE, hello.encode())
    assert failure.value.alert is alert
    assert server.data_to_send() == bytes([21, 3, 3, 0, 2, 2, alert])


@pytest.mark.parametrize("shares", [[], [Group.SECP256R1], [Group.X25519, Group.SECP256R1]])
def test_the_second_hello_has_the_one_share(shares: list[Group]) -> None:
    server, hello = client_hello()
    inject(server, ContentType.HANDSHAKE, hello.encode())
    share = ext.write_shares((group, KeyShare(group).share) for group in shares)
    again = dataclasses.replace(hello, extensions={**hello.extensions, E.KEY_SHARE: share})
    with pytest.raises(TlsError) as failure:
        inject(server, ContentType.HANDSHAKE, again.encode())
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER


def test_rejected_early_data_then_a_handshake() -> None:
    """RFC 8446, section 4.2.10, without and with a HelloRetryRequest."""
    early = b"\x17\x03\x03\x00\x20" + bytes(32)
    for groups in ((Group.X25519,), (Group.SECP256R1, Group.X25519)):
        pair = Pair(ClientConfig(groups=groups), ServerConfig((certified_key(),), groups=(Group.X25519,)))
        extensions = {**pair.client._hello.extensions, E.EARLY_DATA: b""}
        hello = dataclasses.replace(pair.client._hello, extensions=extensions)
        pair.client.data_to_send()
        pair.client._transcript = type(pair.client._transcript)()
        pair.client._transcript.add(hello.encode())
        inject(pair.server, ContentType.HANDSHAKE, hello.encode())
        pair.server.receive_data(early * 3)
        pair.handshake()


@pytest.mark.parametrize("group", [Group.SECP256R1, Group.SECP384R1])
def test_points_that_are_not_on_the_curve(group: Group) -> None:
    pair = KeyShare(group)
    compressed = bytes([2]) + pair.share[1 : 1 + len(pair.share) // 2]
    for share in (b"\4" + bytes(len(pair.share) - 1), compressed, b"\0", b"\5" + pair.share[1:], pair.share[:-1]):
        with pytest.raises(TlsError) as failure:
            pair.exchange(share)
        assert failure.value.alert is Alert.ILLEGAL_PARAMETER


SMALL_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


@pytest.mark.parametrize("share", SMALL_ORDER)
def test_points_of_small_order(share: bytes) -> None:
    """RFC 7748, section 6.1: the secret would be all zeros."""
    with pytest.raises(TlsError) as failure:
        KeyShare(Group.X25519).exchange(share)
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER


def server_hello(**changes: t.Any) -> tuple[ClientEngine, ServerHello]:
    pair = Pair(ClientConfig(groups=(Group.X25519, Group.SECP256R1)))
    pair.server.receive_data(pair.client.data_to_send())
    hello = read_server_hello(pair.server.data_to_send()[9 : 5 + 122])
    return pair.client, changed(hello, **changes)


RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
VERSION = {E.SUPPORTED_VERSIONS: b"\3\4"}


@pytest.mark.parametrize(
    ("changes", "alert"),
    [
        ({"extensions": {E.SUPPORTED_VERSIONS: None}}, Alert.PROTOCOL_VERSION),
        ({"extensions": {E.SUPPORTED_VERSIONS: b"\3\3"}}, Alert.ILLEGAL_PARAMETER),
        ({"version": 0x0304}, Alert.ILLEGAL_PARAMETER),
        ({"session_id": b"other"}, Alert.ILLEGAL_PARAMETER),
        ({"compression": 1}, Alert.ILLEGAL_PARAMETER),
        ({"suite": 0x1304}, Alert.ILLEGAL_PARAMETER),
        ({"suite": 0xC02B}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.KEY_SHARE: None}}, Alert.MISSING_EXTENSION),
        ({"extensions": {E.KEY_SHARE: ext.write_share(23, b"\4" + bytes(64))}}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.KEY_SHARE: ext.write_share(29, bytes(32))}}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.KEY_SHARE: ext.write_share(29, bytes(31))}}, Alert.ILLEGAL_PARAMETER),
        ({"extensions": {E.PRE_SHARED_KEY: b"\0\0"}}, Alert.UNSUPPORTED_EXTENSION),
        ({"extensions": {E.COOKIE: b"\0\1x"}}, Alert.UNSUPPORTED_EXTENSION),
        ({"extensions": {E.ALPN: b"\0\3\2h2"}}, Alert.UNSUPPORTED_EXTENSION),
        ({"extensions": {E.SUPPORTED_GROUPS: b"\0\2\0\x1d"}}, Alert.ILLEGAL_PARAMETER),
        ({"random": RETRY, "extensions": {E.KEY_SHARE: number(29, 2)}}, Alert.ILLEGAL_PARAMETER),
        ({"random": RETRY, "extensions": {E.KEY_SHARE: number(24, 2)}}, Alert.ILLEGAL_PARAMETER),
        ({"random": RETRY, "extensions": {E.KEY_SHARE: None}}, Alert.ILLEGAL_PARAMETER),
        ({"random": RETRY, "extensions": {E.KEY_SHARE: None, E.COOKIE: b"\0\0"}}, Alert.DECODE_ERROR),
        ({"random": RETRY, "extensions": {E.KEY_SHARE: number(23, 2), E.ALPN: b"x"}}, Alert.UNSUPPORTED_EXTENSION),
    ],
)
def test_server_hellos(changes: dict[str, t.Any], alert: Alert) -> None:
    client, hello = server_hello(**changes)
    with pytest.raises(TlsError) as failure:
        inject(client, ContentType.HANDSHAKE, hello.encode())
    assert failure.value.alert is alert
    assert client.data_to_send()[-7:] == bytes([21, 3, 3, 0, 2, 2, alert])


def test_a_retry_with_a_cookie_alone_is_answered() -> None:
    client, hello = server_hello(random=RETRY, extensions={E.KEY_SHARE: None, E.COOKIE: b"\0\3abc"})
    first = client._hello
    inject(client, ContentType.HANDSHAKE, hello.encode())
    assert client.data_to_send().startswith(b"\x14\x03\x03\0\1\1\x16\x03\x03")
    assert client._hello.extensions == {**first.extensions, E.COOKIE: b"\0\3abc"}


def test_no_second_retry_and_no_other_suite_after_it() -> None:
    for suite, alert in ((0x1302, Alert.UNEXPECTED_MESSAGE), (0x1301, Alert.ILLEGAL_PARAMETER)):
        client, retry = server_hello(random=RETRY, extensions={E.KEY_SHARE: number(23, 2)})
        inject(client, ContentType.HANDSHAKE, retry.encode())
        with pytest.raises(TlsError) as failure:
            inject(client, ContentType.HANDSHAKE, dataclasses.replace(retry, suite=suite).encode())
        assert failure.value.alert is alert


@pytest.mark.parametrize(
    ("extensions", "alert"),
    [
        ({E.ALPN: ext.write_protocols([b"h2"])}, Alert.ILLEGAL_PARAMETER),
        ({E.ALPN: ext.write_protocols([b"http/1.1", b"h2"])}, Alert.ILLEGAL_PARAMETER),
        ({E.ALPN: b""}, Alert.DECODE_ERROR),
        ({E.SERVER_NAME: b"x"}, Alert.DECODE_ERROR),
        ({E.KEY_SHARE: b"x"}, Alert.ILLEGAL_PARAMETER),
        ({E.SUPPORTED_VERSIONS: b"\3\4"}, Alert.ILLEGAL_PARAMETER),
        ({E.EARLY_DATA: b""}, Alert.UNSUPPORTED_EXTENSION),
        ({0x4A4A: b""}, Alert.UNSUPPORTED_EXTENSION),
        ({E.SERVER_NAME: b"", E.SUPPORTED_GROUPS: b"\0\2\0\x1d"}, None),
    ],
)
def test_encrypted_extensions(extensions: dict[int, bytes], alert: Alert | None) -> None:
    pair = new_pair()
    reach(pair, pair.client, TlsState.WAIT_EE)
    message = messages.encode_encrypted_extensions(extensions)
    if alert is None:
        inject(pair.client, ContentType.HANDSHAKE, message)
        assert pair.client.state is TlsState.WAIT_CERT_CR
        return
    with pytest.raises(TlsError) as failure:
        inject(pair.client, ContentType.HANDSHAKE, message)
    assert failure.value.alert is alert


def test_extensions_that_were_not_offered() -> None:
    for kind in (E.SERVER_NAME, E.ALPN):
        pair = Pair()
        reach(pair, pair.client, TlsState.WAIT_EE)
        with pytest.raises(TlsError) as failure:
            inject(pair.client, ContentType.HANDSHAKE, messages.encode_encrypted_extensions({kind: b""}))
        assert failure.value.alert is Alert.UNSUPPORTED_EXTENSION


@pytest.mark.parametrize(
    ("body", "alert"),
    [
        (messages.CertificateRequest((0x0403,), context=b"x").encode()[4:], Alert.ILLEGAL_PARAMETER),
        (b"\0\0\0", Alert.DECODE_ERROR),
        (b"\0" + ext.write_extensions({E.CERTIFICATE_AUTHORITIES: b"\0\3\0\1x"}), Alert.MISSING_EXTENSION),
        (b"\0" + ext.write_extensions({E.SIGNATURE_ALGORITHMS: b"\0\2\4\3", E.KEY_SHARE: b""}), 47),
        (b"\0" + ext.write_extensions({E.SIGNATURE_ALGORITHMS: b"\0\2\4\3", 47: b"\0\2\0\0"}), Alert.DECODE_ERROR),
        (b"\0" + ext.write_extensions({E.SIGNATURE_ALGORITHMS: b"\0\2\4\3", 0x4A4A: b"grease"}), None),
    ],
)
def test_certificate_requests(body: bytes, alert: Alert | None) -> None:
    pair = new_pair()
    reach(pair, pair.client, TlsState.WAIT_CERT_CR)
    message = b"\x0d" + len(body).to_bytes(3, "big") + body
    if alert is None:
        inject(pair.client, ContentType.HANDSHAKE, message)
        assert pair.client.state is TlsState.WAIT_CERT
        return
    with pytest.raises(TlsError) as failure:
        inject(pair.client, ContentType.HANDSHAKE, message)
    assert failure.value.alert == alert


def for_pss_alone(certificate: bytes) -> bytes:
    """The same certificate, its signature broken, with a key of id-RSASSA-PSS: rsa_pss_rsae_* is not for it (RFC 8446,
    section 4.2.3)."""
    rsa, pss = bytes.fromhex("300d06092a864886f70d0101010500"), bytes.fromhex("300b06092a864886f70d01010a")
    where = certificate.index(rsa)
    changed = bytearray(certificate.replace(rsa, pss))
    for at in (2, 6, where - 2):
        changed[at : at + 2] = (int.from_bytes(changed[at : at + 2], "big") - 2).to_bytes(2, "big")
    return bytes(changed)


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(
    ("chain", "alert"),
    [
        ((), None),
        ((b"no certificate",), Alert.BAD_CERTIFICATE),
        ((certificate("ec-p256").replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),), Alert.BAD_CERTIFICATE),
        ((certificate("rsa-1024"),), Alert.UNSUPPORTED_CERTIFICATE),
        ((certificate("ec-p521"),), Alert.UNSUPPORTED_CERTIFICATE),
        ((for_pss_alone(certificate("rsa-2048")),), Alert.UNSUPPORTED_CERTIFICATE),
        ((certificate("ec-p256"),) * 11, Alert.DECODE_ERROR),
    ],
    ids=["empty", "garbage", "version 8", "rsa-1024", "p-521", "rsassa-pss", "too many"],
)
def test_certificates(role: str, chain: tuple[bytes, ...], alert: Alert | None) -> None:
    pair = new_pair()
    engine: Engine = pair.client if role == "client" else pair.server
    reach(pair, engine, TlsState.WAIT_CERT)
    with pytest.raises(TlsError) as failure:
        inject(engine, ContentType.HANDSHAKE, messages.encode_certificate(chain))
    empty = Alert.DECODE_ERROR if role == "client" else Alert.CERTIFICATE_REQUIRED
    assert failure.value.alert is (alert or empty)


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("scheme", [0x0401, 0x0203, 0x0503, 0x0804, 0x0807, 0x0603, 0x0809])
def test_signatures_of_another_scheme(role: str, scheme: int) -> None:
    """RFC 8446, section 4.4.3: one that was offered and fits the key, never PKCS #1 v1.5 and never SHA-1."""
    pair = new_pair()
    engine: Engine = pair.client if role == "client" else pair.server
    reach(pair, engine, TlsState.WAIT_CV)
    with pytest.raises(TlsError) as failure:
        inject(engine, ContentType.HANDSHAKE, messages.encode_certificate_verify(scheme, b"x" * 64))
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_signature_of_the_other_role_or_another_handshake(role: str) -> None:
    from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto import keys

    contexts = {"client": keys.CLIENT_CONTEXT, "server": keys.SERVER_CONTEXT}
    for wrong in ("context", "transcript", "key", "none"):
        pair = new_pair()
        engine: Engine = pair.client if role == "client" else pair.server
        reach(pair, engine, TlsState.WAIT_CV)
        right = contexts["server" if role == "client" else "client"]
        signature = keys.sign(
            private_key("ec-p256") if wrong != "key" else other_key(),
            keys.Scheme.ECDSA_SECP256R1_SHA256,
            context=contexts[role] if wrong == "context" else right,
            transcript_hash=bytes(48) if wrong == "transcript" else engine._transcript.digest(),
        )
        message = messages.encode_certificate_verify(0x0403, signature)
        if wrong == "none":
            inject(engine, ContentType.HANDSHAKE, message)
            assert engine.state is TlsState.JUDGING
            continue
        with pytest.raises(TlsError) as failure:
            inject(engine, ContentType.HANDSHAKE, message)
        assert failure.value.alert is Alert.DECRYPT_ERROR


@pytest.mark.parametrize(("exponent", "is_good"), [(2**64 - 1, True), (2**64 + 1, False), (2**2047 + 1, False)])
def test_a_key_whose_signatures_are_dear_to_check(exponent: int, is_good: bool) -> None:
    from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto import keys
    from cryptography.hazmat.primitives.asymmetric import rsa

    # no private key is needed: checking a wrong signature takes as long as checking a right one
    key = rsa.RSAPublicNumbers(exponent, 2**2048 - 1).public_key()
    assert bool(keys.schemes_of(key)) is is_good


@functools.cache
def other_key() -> t.Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


@given(st.binary(min_size=1, max_size=300))
@settings(max_examples=examples(100), deadline=None)
def test_any_certificate(content: bytes) -> None:
    assume(content != certificate("ec-p256"))
    pair = new_pair()
    reach(pair, pair.server, TlsState.WAIT_CERT)
    with pytest.raises(TlsError) as failure:
        inject(pair.server, ContentType.HANDSHAKE, messages.encode_certificate([content]))
    assert failure.value.alert is Alert.BAD_CERTIFICATE


@given(mutations())
@MANY
def test_a_changed_certificate(mutate: t.Callable[[bytes], bytes]) -> None:
    """Any exception of the certificate parser becomes a typed error."""
    pair = new_pair()
    reach(pair, pair.server, TlsState.WAIT_CERT)
    content = mutate(certificate("ec-p256"))
    try:
        inject(pair.server, ContentType.HANDSHAKE, messages.encode_certificate([content]))
    except TlsError as exc:
        check_typed(exc)
