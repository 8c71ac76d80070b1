# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages (RFC 8446, 4) are read as they were written; any other bytes cause typed errors only."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13 import extensions as ext
from ansible_collections.attested.registry.plugins.module_utils._tls13 import hello, limits, messages, wire
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import (
    DecodeError,
    ProtocolError,
    UsageError,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert, Extension
from ansible_collections.attested.registry.tests.support.examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

SHORT = settings(max_examples=examples(200), deadline=None)
numbers = st.integers(0, 0xFFFF)
number_lists = st.lists(numbers, min_size=1, max_size=20).map(tuple)
extension_maps = st.dictionaries(numbers.filter(lambda kind: kind != 41), st.binary(max_size=40), max_size=10)
randoms = st.binary(min_size=32, max_size=32)
session_ids = st.binary(max_size=32)

client_hellos = st.builds(
    hello.ClientHello,
    random=randoms,
    session_id=session_ids,
    suites=number_lists,
    extensions=extension_maps,
    version=numbers,
    compressions=st.binary(min_size=1, max_size=5),
)
server_hellos = st.builds(
    hello.ServerHello,
    session_id=session_ids,
    suite=numbers,
    extensions=extension_maps,
    random=randoms,
    version=numbers,
    compression=st.integers(0, 255),
)


@given(client_hellos)
@SHORT
def test_client_hello(message: hello.ClientHello) -> None:
    assert hello.read_client_hello(message.encode()[4:]) == message


@given(server_hellos)
@SHORT
def test_server_hello(message: hello.ServerHello) -> None:
    assert hello.read_server_hello(message.encode()[4:]) == message


@given(number_lists, st.lists(st.binary(min_size=1, max_size=100), max_size=4).map(tuple), st.binary(max_size=5))
@SHORT
def test_certificate_request(schemes: tuple[int, ...], authorities: tuple[bytes, ...], context: bytes) -> None:
    message = messages.CertificateRequest(schemes, authorities, context)
    assert messages.read_certificate_request(message.encode()[4:]) == message


@given(st.lists(st.binary(min_size=1, max_size=500), max_size=limits.CHAIN).map(tuple))
@SHORT
def test_certificate(chain: tuple[bytes, ...]) -> None:
    assert messages.read_certificate(messages.encode_certificate(chain)[4:]) == chain


@given(numbers, st.binary(max_size=600))
@SHORT
def test_certificate_verify(scheme: int, signature: bytes) -> None:
    message = messages.encode_certificate_verify(scheme, signature)
    assert messages.read_certificate_verify(message[4:]) == (scheme, signature)


@given(st.dictionaries(numbers, st.binary(min_size=1, max_size=100), max_size=5))
@SHORT
def test_shares(shares: dict[int, bytes]) -> None:
    assert ext.read_shares(ext.write_shares(shares.items())) == tuple(shares.items())


@given(st.lists(st.binary(min_size=1, max_size=255), min_size=1, max_size=5))
@SHORT
def test_protocols_and_authorities(names: list[bytes]) -> None:
    assert ext.read_protocols(ext.write_protocols(names)) == tuple(names)
    assert ext.read_authorities(ext.write_authorities(names)) == tuple(names)


PARSERS: dict[str, t.Callable[[bytes], object]] = {
    "ClientHello": hello.read_client_hello,
    "ServerHello": hello.read_server_hello,
    "EncryptedExtensions": messages.read_encrypted_extensions,
    "CertificateRequest": messages.read_certificate_request,
    "Certificate": messages.read_certificate,
    "CertificateVerify": messages.read_certificate_verify,
    "KeyUpdate": messages.read_key_update,
    "NewSessionTicket": messages.check_new_session_ticket,
    "server_name": ext.read_server_name,
    "groups": lambda data: ext.read_numbers(data, "supported_groups"),
    "versions": ext.read_versions,
    "number": lambda data: ext.read_number(data, "supported_versions"),
    "shares": ext.read_shares,
    "share": ext.read_share,
    "protocols": ext.read_protocols,
    "authorities": ext.read_authorities,
    "cookie": ext.read_cookie,
}
SAMPLES: dict[str, bytes] = {
    "ClientHello": hello.ClientHello(bytes(32), b"id", (0x1301,), {10: b"abc", 51: b""}).encode()[4:],
    "ServerHello": hello.ServerHello(b"id", 0x1301, {43: b"\3\4"}).encode()[4:],
    "EncryptedExtensions": messages.encode_encrypted_extensions({16: b"\0\3\2h2"})[4:],
    "CertificateRequest": messages.CertificateRequest((0x0403,), (b"one", b"two")).encode()[4:],
    "Certificate": messages.encode_certificate([b"one", b"two"])[4:],
    "CertificateVerify": messages.encode_certificate_verify(0x0403, b"signature")[4:],
    "KeyUpdate": messages.encode_key_update(requested=True)[4:],
    "NewSessionTicket": bytes(8) + b"\x01\x00\x00\x04tick\x00\x00",
    "server_name": ext.write_server_name("localhost"),
    "groups": wire.numbers([1, 2, 3]),
    "versions": ext.write_versions([0x0304]),
    "number": b"\x03\x04",
    "shares": ext.write_shares([(29, b"share")]),
    "share": ext.write_share(29, b"share"),
    "protocols": ext.write_protocols([b"h2"]),
    "authorities": ext.write_authorities([b"name"]),
    "cookie": wire.vector(b"cookie", 2),
}


def check_alert(alert: Alert | None) -> None:
    assert alert in (Alert.DECODE_ERROR, Alert.ILLEGAL_PARAMETER, Alert.MISSING_EXTENSION, Alert.UNSUPPORTED_EXTENSION)


@pytest.mark.parametrize("name", PARSERS)
@given(st.data())
@SHORT
def test_any_bytes(name: str, data: st.DataObject) -> None:
    content = data.draw(st.binary(max_size=300))
    try:
        PARSERS[name](content)
    except ProtocolError as exc:
        check_alert(exc.alert)


@pytest.mark.parametrize("name", PARSERS)
def test_every_part_and_every_addition(name: str) -> None:
    """A message that stops early, or goes on after its end, is a decode_error (RFC 8446, section 6.2)."""
    sample, parse = SAMPLES[name], PARSERS[name]
    parse(sample)
    without_extensions = {"ClientHello": 43, "ServerHello": 40}.get(name)
    for end in range(len(sample)):
        if end != without_extensions:
            with pytest.raises(DecodeError):
                parse(sample[:end])
    with pytest.raises(DecodeError):
        parse(sample + b"\0")


def test_samples_are_of_all_parsers() -> None:
    assert set(SAMPLES) == set(PARSERS)


def test_an_extension_twice() -> None:
    block = wire.vector(b"\0\x0a\0\0" * 2, 2)
    with pytest.raises(ProtocolError) as failure:
        messages.read_encrypted_extensions(block)
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER


def test_too_many_extensions() -> None:
    block = ext.write_extensions(dict.fromkeys(range(limits.EXTENSIONS + 1), b""))
    with pytest.raises(DecodeError, match="more than 256 extensions"):
        messages.read_encrypted_extensions(block)


def test_too_many_certificates() -> None:
    with pytest.raises(DecodeError, match="more than 10 certificates"):
        messages.read_certificate(messages.encode_certificate([b"x"] * (limits.CHAIN + 1))[4:])


def test_a_group_twice() -> None:
    with pytest.raises(ProtocolError) as failure:
        ext.read_shares(ext.write_shares([(29, b"a"), (29, b"b")]))
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER


def test_extensions_of_a_certificate_were_not_asked_for() -> None:
    entry = wire.vector(b"cert", 3) + ext.write_extensions({Extension.STATUS_REQUEST: b"x"})
    with pytest.raises(ProtocolError) as failure:
        messages.read_certificate(b"\0" + wire.vector(entry, 3))
    assert failure.value.alert is Alert.UNSUPPORTED_EXTENSION


def test_pre_shared_key_comes_last() -> None:
    first = hello.ClientHello(bytes(32), b"", (1,), {41: b"", 45: b"", 10: b""}).encode()[4:]
    with pytest.raises(ProtocolError) as failure:
        hello.read_client_hello(first)
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER
    alone = hello.ClientHello(bytes(32), b"", (1,), {10: b"", 41: b""}).encode()[4:]
    with pytest.raises(ProtocolError) as failure:
        hello.read_client_hello(alone)
    assert failure.value.alert is Alert.MISSING_EXTENSION


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(UsageError):
        wire.vector(bytes(256), 1)


def second(change: dict[str, t.Any], extensions: dict[int, bytes]) -> None:
    base = {"random": bytes(32), "session_id": b"id", "suites": (0x1301,)}
    first = hello.ClientHello(extensions={10: b"groups", 51: b"shares", 42: b"", 21: b"\0"}, **base)  # type: ignore[arg-type]
    hello.check_second_hello(first, hello.ClientHello(**{**base, "extensions": extensions, **change}))


def test_a_second_hello_may_change_what_it_must() -> None:
    """RFC 8446, section 4.1.2."""
    second({}, {10: b"groups", 51: b"other", 21: b"\0\0", 41: b"psk"})
    second({}, {51: b"other", 10: b"groups"})


@pytest.mark.parametrize(
    ("change", "extensions"),
    [
        ({"random": b"\1" * 32}, {10: b"groups", 51: b""}),
        ({"session_id": b"xx"}, {10: b"groups", 51: b""}),
        ({"suites": (0x1302,)}, {10: b"groups", 51: b""}),
        ({"version": 0x0302}, {10: b"groups", 51: b""}),
        ({"compressions": b"\0\1"}, {10: b"groups", 51: b""}),
        ({}, {10: b"others", 51: b""}),
        ({}, {51: b""}),
        ({}, {10: b"groups", 51: b"", 13: b"new"}),
        ({}, {10: b"groups", 51: b"", 42: b""}),
        ({}, {10: b"groups", 51: b"", 44: b"cookie"}),
    ],
)
def test_a_second_hello_is_the_same_otherwise(change: dict[str, t.Any], extensions: dict[int, bytes]) -> None:
    with pytest.raises(ProtocolError) as failure:
        second(change, extensions)
    assert failure.value.alert is Alert.ILLEGAL_PARAMETER


def test_a_second_hello_keeps_its_order() -> None:
    first = hello.ClientHello(bytes(32), b"", (1,), {10: b"a", 13: b"b"})
    with pytest.raises(ProtocolError):
        hello.check_second_hello(first, hello.ClientHello(bytes(32), b"", (1,), {13: b"b", 10: b"a"}))
