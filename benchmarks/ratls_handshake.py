# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Handshakes in memory, both ends in this process: RA-TLS, and Python's ssl with client certificates."""

from __future__ import annotations

import ssl
import statistics
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls.attester import Attester
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import Challenge
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.evidence import Evidence
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.simulated import SimulatedSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.relying_party import RelyingParty
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig, ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import (
    CertifiedKey,
    load_certified_key,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.verify import ServerVerifier
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import (
    CertificateRequested,
    PeerCertificate,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.tests.support.servers.peers import Tls
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import KeyType, pem

_NAME = "localhost"


@dataclass
class Firmware:
    """The source of evidence; what it takes is the realm's own time, and counted apart."""

    realm: Path
    # whether each token is the first after a start of the machine, and so has a new platform token
    restarts: bool = False
    seconds: float = 0.0
    kind: t.Literal["simulated"] = field(default="simulated", init=False)

    def __post_init__(self) -> None:
        self._source = SimulatedSource(str(self.realm))

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """See EvidenceSource."""
        begin = time.perf_counter()
        if self.restarts:
            self._source = SimulatedSource(str(self.realm))
        found = self._source.evidence(realm_challenge)
        self.seconds += time.perf_counter() - begin
        return found


class Attested:
    """Handshakes of RA-TLS."""

    def __init__(
        self, tls: Tls, realm: Path, relying_party: RelyingParty, key_type: KeyType, *, restarts: bool = False
    ) -> None:
        self._server = load_certified_key(tls.certificate.read_bytes(), tls.key.read_bytes())
        self._verifier = ServerVerifier(tls.ca.read_bytes())
        self._relying_party = relying_party
        self._firmware = Firmware(realm, restarts)
        self._attester = Attester(self._firmware, t.cast("t.Any", key_type))

    def handshake(self) -> float:
        """Does one; returns its seconds without those that the source of evidence took."""
        before, begin = self._firmware.seconds, time.perf_counter()
        challenge = Challenge()
        config = ServerConfig((self._server,), client_certificate="required", authorities=(challenge.authority,))
        server, client = ServerEngine(config), ClientEngine(ClientConfig(_NAME))
        while not (client.is_connected and server.is_connected):
            server.receive_data(client.data_to_send())
            self._appraise(server, challenge)
            client.receive_data(server.data_to_send())
            self._answer(client)
        return time.perf_counter() - begin - (self._firmware.seconds - before)

    def presented(self) -> tuple[bytes, Challenge]:
        """A certificate as a client shows it, and the challenge that it answers."""
        challenge = Challenge()
        return self._attester.answer((challenge.authority,)).certificate, challenge

    def _appraise(self, server: ServerEngine, challenge: Challenge) -> None:
        event = server.next_event()
        while event is not None:
            if isinstance(event, PeerCertificate):
                self._relying_party.judge(event.chain[0], challenge)
                server.accept_peer()
            event = server.next_event()

    def _answer(self, client: ClientEngine) -> None:
        event = client.next_event()
        while event is not None:
            if isinstance(event, PeerCertificate):
                self._verifier.verify(event.chain, _NAME)
                client.accept_peer()
            elif isinstance(event, CertificateRequested):
                answer = self._attester.answer(event.authorities)
                client.provide_certificate(CertifiedKey((answer.certificate,), answer.key.private))
            event = client.next_event()


class PythonSsl:
    """Handshakes of Python's ssl, TLS 1.3 alone, with certificates at both ends."""

    def __init__(self, tls: Tls, work: Path, key_type: KeyType) -> None:
        files = work / f"{key_type}.crt", work / f"{key_type}.key"
        for file, data in zip(files, pem(key_type)):
            file.write_bytes(data)
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(tls.certificate, tls.key)
        self._server.load_verify_locations(files[0])
        self._server.verify_mode = ssl.CERT_REQUIRED
        # RA-TLS has no tickets either
        self._server.num_tickets = 0
        self._client = ssl.create_default_context(cafile=str(tls.ca))
        self._client.load_cert_chain(*files)
        self._client.minimum_version = ssl.TLSVersion.TLSv1_3

    def handshake(self) -> float:
        """Does one; returns its seconds."""
        begin = time.perf_counter()
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self._client.wrap_bio(back, there, server_hostname=_NAME)
        server = self._server.wrap_bio(there, back, server_side=True)
        waiting = [client, server]
        while waiting:
            waiting = [end for end in waiting if not _goes_on(end)]
        return time.perf_counter() - begin


def _goes_on(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def medians(handshakes: t.Mapping[str, t.Callable[[], float]], *, count: int) -> dict[str, float]:
    """Does each of them count times, in turns; returns the median of each in seconds."""
    found: dict[str, list[float]] = {name: [] for name in handshakes}
    for dummy in range(count):
        for name, handshake in handshakes.items():
            found[name].append(handshake())
    return {name: statistics.median(times) for name, times in found.items()}


def attestations_per_second(attested: Attested, relying_party: RelyingParty, *, count: int) -> float:
    """How many certificates the server judges on one core, with nothing else to do."""
    prepared = [attested.presented() for dummy in range(count)]
    begin = time.perf_counter()
    for certificate, challenge in prepared:
        relying_party.judge(certificate, challenge)
    return count / (time.perf_counter() - begin)
