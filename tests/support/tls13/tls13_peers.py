# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both ends of a TLS 1.3 connection in one process, and certificates for them.

    pair = Pair(ClientConfig(), ServerConfig((certified_key("ec-p256"),), client_certificate="required"))
    pair.handshake()                     # each end accepts the other's certificate
    pair.client.send(b"GET /"); pair.pump()
    assert pair.server_data == b"GET /"

``inject`` sends any record to an end, protected with the keys that it expects: an attacker who has the keys.
"""

from __future__ import annotations

import datetime
import functools
import threading
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import CertifiedKey
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.schedule import TrafficKeys
from ansible_collections.attested.registry.plugins.module_utils._tls13.engine import Engine
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import (
    CertificateRequested,
    Data,
    Event,
    PeerCertificate,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import TLS12, ContentType
from ansible_collections.attested.registry.plugins.module_utils._tls13.records import TlsRecordWriter
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import TlsState
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

Maker = t.TypeVar("Maker", bound=t.Callable[..., t.Any])

KeyType = t.Literal["rsa-2048", "ec-p256", "ec-p384", "ed25519"]
KEY_TYPES: t.Final[tuple[KeyType, ...]] = ("rsa-2048", "ec-p256", "ec-p384", "ed25519")


_LOCK = threading.RLock()


def _once(make: Maker) -> Maker:
    """Cache as functools.cache does, and never compute a value twice in several threads."""
    cached = functools.cache(make)

    @functools.wraps(make)
    def locked(*args: t.Any) -> t.Any:
        with _LOCK:
            return cached(*args)

    return t.cast("Maker", locked)


@_once
def private_key(kind: str) -> t.Any:
    """Return a private key, the same at every call; also rsa-1024 and ec-p521, which the engine refuses."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves: dict[str, ec.EllipticCurve] = {
        "ec-p256": ec.SECP256R1(),
        "ec-p384": ec.SECP384R1(),
        "ec-p521": ec.SECP521R1(),
    }
    return ec.generate_private_key(curves[kind])


@_once
def certificate(kind: str, name: str = "localhost") -> bytes:
    """Return a self-signed certificate in DER for the key of this kind."""
    key = private_key(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(start).not_valid_after(start.replace(year=2120))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    algorithm = None if kind == "ed25519" else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


@_once
def certified_key(kind: KeyType = "ec-p256") -> CertifiedKey:
    """Return a key with its self-signed certificate."""
    return CertifiedKey((certificate(kind),), private_key(kind))


def pem(kind: KeyType = "ec-p256") -> tuple[bytes, bytes]:
    """Return the certificate and the key of certified_key(kind) in PEM."""
    cert = x509.load_der_x509_certificate(certificate(kind))
    form, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key = private_key(kind).private_bytes(serialization.Encoding.PEM, form, encryption)
    return cert.public_bytes(serialization.Encoding.PEM), key


class Pair:
    """A client and a server. Each receives the other's bytes in pieces of `piece` bytes, or all at once."""

    def __init__(
        self,
        client: ClientConfig | None = None,
        server: ServerConfig | None = None,
        *,
        client_key: CertifiedKey | None = None,
        piece: int | None = None,
    ) -> None:
        self.client = ClientEngine(client or ClientConfig())
        self.server = ServerEngine(server or ServerConfig((certified_key(),)))
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []
        self.sent: list[tuple[str, bytes]] = []
        self._certified_key = client_key
        self._piece = piece

    def handshake(self) -> Pair:
        self.pump()
        assert self.client.is_connected, self.client
        assert self.server.is_connected, self.server
        return self

    def pump(self) -> None:
        """Exchange bytes until neither end has any to send."""
        busy = True
        while busy:
            busy = self._move(self.client, self.server, self.server_events)
            busy = self._move(self.server, self.client, self.client_events) or busy

    def _move(self, source: Engine, target: Engine, events: list[Event]) -> bool:
        data = source.data_to_send()
        self.sent.append(("client" if source is self.client else "server", data))
        step = self._piece or max(1, len(data))
        for at in range(0, len(data), step):
            target.receive_data(data[at : at + step])
            self.decide(target, events)
        return bool(data)

    def decide(self, engine: Engine, events: list[Event]) -> None:
        """Process the events of an engine and accept everything."""
        event = engine.next_event()
        while event is not None:
            events.append(event)
            if isinstance(event, PeerCertificate):
                engine.accept_peer()
            elif isinstance(event, CertificateRequested):
                t.cast(ClientEngine, engine).provide_certificate(self._certified_key)
            event = engine.next_event()

    @property
    def client_data(self) -> bytes:
        """The application data that the client received."""
        return b"".join(event.data for event in self.client_events if isinstance(event, Data))

    @property
    def server_data(self) -> bytes:
        """The application data that the server received."""
        return b"".join(event.data for event in self.server_events if isinstance(event, Data))


def inject(engine: Engine, kind: ContentType, content: bytes) -> None:
    """Feed engine a record with any content, protected with the keys that it expects."""
    writer = TlsRecordWriter()
    if engine._reader.is_protected:
        assert engine.suite is not None
        writer.protect(TrafficKeys.derive(engine.suite, engine._read_secret))
        assert writer._sealer is not None
        writer._sealer.records = engine._reader.opened
    writer._write(kind, memoryview(content), TLS12)
    engine.receive_data(writer.take())


def split_messages(messages: bytes) -> list[bytes]:
    """Split bytes into handshake messages, each with its header."""
    found = []
    while messages:
        length = 4 + int.from_bytes(messages[1:4], "big")
        found.append(messages[:length])
        messages = messages[length:]
    return found


def one_message_a_record(engine: Engine) -> None:
    """Make engine send each handshake message in its own record."""

    def send(messages: bytes) -> None:
        for message in split_messages(messages):
            engine._writer.write(ContentType.HANDSHAKE, message)

    engine._send_handshake = send  # type: ignore[method-assign]


def split_records(data: bytes) -> list[bytes]:
    """Split bytes into records, each with its header."""
    found = []
    while data:
        length = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:length])
        data = data[length:]
    return found


def reach(pair: Pair, engine: Engine, state: TlsState) -> None:
    """Run the handshake of a pair until engine is in state, and stop at that record."""
    for end in (pair.client, pair.server):
        one_message_a_record(end)
    for dummy in range(10):
        for source, target in ((pair.client, pair.server), (pair.server, pair.client)):
            for record in split_records(source.data_to_send()):
                if engine.state is state:
                    return
                target.receive_data(record)
                if engine.state is not state:
                    pair.decide(target, [])
    assert engine.state is state, (engine.state, state)


__all__ = (
    "KEY_TYPES",
    "KeyType",
    "Pair",
    "certificate",
    "certified_key",
    "inject",
    "one_message_a_record",
    "pem",
    "private_key",
    "reach",
    "split_messages",
    "split_records",
)
