# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key schedule, transcript and records are those of the traces in RFC 8448."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._tls13 import extensions as ext
from ansible_collections.attested.registry.plugins.module_utils._tls13 import messages
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.groups import KeyShare
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import CLIENT_CONTEXT, SERVER_CONTEXT
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.schedule import (
    KeySchedule,
    Secrets,
    TrafficKeys,
    Transcript,
    finished_mac,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.suites import AES_128_GCM
from ansible_collections.attested.registry.plugins.module_utils._tls13.hello import (
    check_second_hello,
    read_client_hello,
    read_server_hello,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import ContentType, Extension, Group
from ansible_collections.attested.registry.plugins.module_utils._tls13.records import TlsRecordReader, TlsRecordWriter
from ansible_collections.attested.registry.tests.support.tls13 import tls13_rfc8448 as rfc8448
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519


def client_share(trace: rfc8448.Trace) -> KeyShare:
    pair = KeyShare(Group[trace.group])
    if pair.group is Group.X25519:
        pair._key = x25519.X25519PrivateKey.from_private_bytes(trace.private)
    else:
        pair._key = ec.derive_private_key(int.from_bytes(trace.private, "big"), ec.SECP256R1())
    return pair


def shared_secret(trace: rfc8448.Trace) -> bytes:
    hello = read_server_hello(trace.server_hello[4:])
    return client_share(trace).exchange(ext.read_share(hello.extensions[Extension.KEY_SHARE])[1])


class Replay:
    """The handshake of a trace as both ends compute it."""

    def __init__(self, trace: rfc8448.Trace) -> None:
        self.trace = trace
        self.transcript = Transcript()
        for number, hello in enumerate(trace.hellos):
            if number == 1:
                self.transcript.start(AES_128_GCM)
                self.transcript.retry()
            self.transcript.add(hello)
        self.transcript.start(AES_128_GCM)
        self.transcript.add(trace.server_hello)
        schedule = KeySchedule(AES_128_GCM)
        self.handshake = schedule.enter_handshake(shared_secret(trace), self.transcript.digest())
        self.digests = {}
        for message in trace.flight:
            self.digests[message[0]] = self.transcript.digest()
            self.transcript.add(message)
        self.application = schedule.enter_application(self.transcript.digest())


def seal(secret: bytes, kind: ContentType, content: bytes) -> bytes:
    writer = TlsRecordWriter()
    writer.protect(TrafficKeys.derive(AES_128_GCM, secret))
    writer.write(kind, content)
    return writer.take()


def unseal(secret: bytes, *records: bytes) -> list[tuple[ContentType, bytes]]:
    reader = TlsRecordReader()
    reader.protect(TrafficKeys.derive(AES_128_GCM, secret))
    found = []
    for record in records:
        reader.space()[: len(record)] = record
        reader.received(len(record))
        opened = reader.next()
        assert opened is not None
        found.append((opened.kind, bytes(opened.content)))
    return found


@pytest.fixture(params=rfc8448.TRACES, ids=lambda trace: f"section-{trace.section}")
def replay(request: pytest.FixtureRequest) -> Replay:
    return Replay(request.param)


def test_secrets_of_section_3() -> None:
    replay = Replay(rfc8448.SIMPLE)
    assert shared_secret(rfc8448.SIMPLE).hex() == "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d"
    assert replay.handshake == Secrets(
        bytes.fromhex("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"),
        bytes.fromhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38"),
    )
    assert replay.application == Secrets(
        bytes.fromhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"),
        bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"),
    )


@pytest.mark.parametrize(
    ("epoch", "end", "key", "iv"),
    [
        ("handshake", "server", "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30"),
        ("handshake", "client", "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"),
        ("application", "server", "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"),
        ("application", "client", "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"),
    ],
)
def test_traffic_keys_of_section_3(epoch: str, end: str, key: str, iv: str) -> None:
    keys = TrafficKeys.derive(AES_128_GCM, getattr(getattr(Replay(rfc8448.SIMPLE), epoch), end))
    assert (keys.key.hex(), keys.iv.hex()) == (key, iv)


def test_what_the_server_signs(replay: Replay) -> None:
    assert replay.digests[15] == replay.trace.signed


def test_the_signature_of_the_server(replay: Replay) -> None:
    chain = next(message for message in replay.trace.flight if message[0] == 11)
    key = x509.load_der_x509_certificate(messages.read_certificate(chain[4:])[0]).public_key()
    verify = next(message for message in replay.trace.flight if message[0] == 15)
    dummy_scheme, signature = messages.read_certificate_verify(verify[4:])
    content = b" " * 64 + SERVER_CONTEXT + b"\0" + replay.trace.signed
    if isinstance(key, rsa.RSAPublicKey):
        # 1024 bits, which the engine does not take
        key.verify(signature, content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))


def test_the_finished_of_the_server(replay: Replay) -> None:
    mac = finished_mac(AES_128_GCM, replay.handshake.server, replay.digests[20])
    assert messages.encode_finished(mac) == replay.trace.flight[-1]


def test_the_flight_of_the_server_as_a_record(replay: Replay) -> None:
    flight = b"".join(replay.trace.flight)
    record = seal(replay.handshake.server, ContentType.HANDSHAKE, flight)
    assert record[-16:] == replay.trace.server_tag
    assert unseal(replay.handshake.server, record) == [(ContentType.HANDSHAKE, flight)]


def test_the_flight_of_the_client_as_a_record(replay: Replay) -> None:
    [(kind, flight)] = unseal(replay.handshake.client, replay.trace.client_record)
    assert kind is ContentType.HANDSHAKE
    finished = flight[-36:]
    replay.transcript.add(flight[:-36])
    mac = finished_mac(AES_128_GCM, replay.handshake.client, replay.transcript.digest())
    assert finished == messages.encode_finished(mac)
    assert seal(replay.handshake.client, ContentType.HANDSHAKE, flight) == replay.trace.client_record


def test_close_notify_of_both(replay: Replay) -> None:
    if replay.trace.section != 3:
        # the first records under their keys; in section 3 others come before
        assert seal(replay.application.client, ContentType.ALERT, b"\x01\x00") == replay.trace.client_close
        assert seal(replay.application.server, ContentType.ALERT, b"\x01\x00") == replay.trace.server_close


def test_application_data_of_section_3() -> None:
    secrets = Replay(rfc8448.SIMPLE).application
    data = bytes(range(50))
    client = unseal(secrets.client, rfc8448.CLIENT_DATA, rfc8448.SIMPLE.client_close)
    assert client == [(ContentType.APPLICATION_DATA, data), (ContentType.ALERT, b"\x01\x00")]
    ticket, *rest = unseal(secrets.server, rfc8448.TICKET_RECORD, rfc8448.SERVER_DATA, rfc8448.SIMPLE.server_close)
    assert rest == client
    messages.check_new_session_ticket(ticket[1][4:])


def test_the_client_certificate_of_section_6() -> None:
    replay = Replay(rfc8448.CLIENT_CERTIFICATE)
    [(dummy_kind, flight)] = unseal(replay.handshake.client, replay.trace.client_record)
    certificate = flight[: 4 + int.from_bytes(flight[1:4], "big")]
    verify = flight[len(certificate) : -36]
    replay.transcript.add(certificate)
    assert replay.transcript.digest() == rfc8448.CLIENT_SIGNED
    scheme, signature = messages.read_certificate_verify(verify[4:])
    assert (scheme, signature) == (0x0804, rfc8448.CLIENT_SIGNATURE)
    key = x509.load_der_x509_certificate(messages.read_certificate(certificate[4:])[0]).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    content = b" " * 64 + CLIENT_CONTEXT + b"\0" + rfc8448.CLIENT_SIGNED
    key.verify(signature, content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def test_messages_are_written_as_they_were_read(replay: Replay) -> None:
    for message in replay.trace.hellos:
        read = read_client_hello if message[0] == 1 else read_server_hello
        assert read(message[4:]).encode() == message
    assert read_server_hello(replay.trace.server_hello[4:]).encode() == replay.trace.server_hello
    for message in replay.trace.flight:
        body = message[4:]
        if message[0] == 8:
            again = messages.encode_encrypted_extensions(messages.read_encrypted_extensions(body))
        elif message[0] == 11:
            again = messages.encode_certificate(messages.read_certificate(body))
        elif message[0] == 13:
            again = messages.read_certificate_request(body).encode()
        elif message[0] == 15:
            again = messages.encode_certificate_verify(*messages.read_certificate_verify(body))
        else:
            again = messages.encode_finished(body)
        assert again == message


def test_the_retry_of_section_5() -> None:
    first, retry, second = rfc8448.RETRY.hellos
    assert read_server_hello(retry[4:]).is_retry
    assert not read_server_hello(rfc8448.RETRY.server_hello[4:]).is_retry
    transcript = Transcript()
    transcript.add(first)
    transcript.start(AES_128_GCM)
    transcript.retry()
    assert transcript.digest() == hashlib.sha256(b"\xfe\0\0\x20" + hashlib.sha256(first).digest()).digest()
    with pytest.raises(Exception, match="cookie that was never given out"):
        check_second_hello(read_client_hello(first[4:]), read_client_hello(second[4:]))
