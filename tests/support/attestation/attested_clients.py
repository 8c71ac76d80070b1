# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attested clients on the collection's TLS engine, with a simulated realm in a directory.

realm = make_realm(tmp_path / "realm")
with contextlib.closing(AttestedHttp("127.0.0.1", port, answer=attested(realm), trust=server.cert)) as connection:
    connection.request("GET", "/v2/")
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls import simulate
from ansible_collections.attested.registry.plugins.module_utils._ratls.attester import Attester
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.client_key import KeyType
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.simulated import SimulatedSource
from ansible_collections.attested.registry.plugins.module_utils._tls13.blocking import TlsSocket
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import CertifiedKey
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.verify import ServerVerifier
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import CertificateRequested

# returns the certificate for a request with these certificate_authorities
Answer = t.Callable[[t.Sequence[bytes]], t.Optional[CertifiedKey]]


def make_realm(directory: Path, *words: str) -> Path:
    """Make a simulated realm in a new directory, with further arguments for the command; return the directory."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert simulate.main(["make", str(directory), *words]) == 0
    return directory


def attested(realm: Path, key_type: KeyType = "ec-p256") -> Answer:
    """Return the answer of a client in this realm."""
    attester = Attester(SimulatedSource(str(realm)), key_type)

    def answer(authorities: t.Sequence[bytes]) -> CertifiedKey:
        found = attester.answer(authorities)
        return CertifiedKey((found.certificate,), found.key.private)

    return answer


def connect(
    address: tuple[str, int], *, answer: Answer, trust: Path, timeout: float = 30, source: str | None = None
) -> TlsSocket:
    """Connect to address by TLS; the server may still reject the certificate afterwards."""
    sock = socket.create_connection(address, timeout, None if source is None else (source, 0))
    return shake_hands(sock, address[0], answer=answer, trust=trust, timeout=timeout)


def shake_hands(sock: socket.socket, name: str, *, answer: Answer, trust: Path, timeout: float = 30) -> TlsSocket:
    """Do the same over a connected socket, with a server of this name."""
    verifier = ServerVerifier(trust.read_bytes())

    def choose(event: CertificateRequested) -> CertifiedKey | None:
        return answer(event.authorities)

    connection = TlsSocket(
        sock,
        ClientEngine(ClientConfig(protocols=("http/1.1",))),
        judge=lambda event: verifier.verify(event.chain, name),
        choose=choose,
    )
    connection.handshake(timeout=timeout)
    return connection


class AttestedHttp(http.client.HTTPConnection):
    """HTTP over such a connection."""

    def __init__(self, host: str, port: int, *, answer: Answer, trust: Path, timeout: float = 30) -> None:
        super().__init__(host, port, timeout=timeout)
        self._answer = answer
        self._trust = trust
        self._limit = timeout

    def connect(self) -> None:
        self.sock = t.cast(
            "socket.socket",
            connect((self.host, self.port), answer=self._answer, trust=self._trust, timeout=self._limit),
        )


__all__ = ("Answer", "AttestedHttp", "attested", "connect", "make_realm", "shake_hands")
