# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An RA-TLS server in front of a FaultyRegistry: the collection's TLS and relying party, with faults on demand.

realm = make_realm(tmp_path / "realm")                     # a simulated one
with FaultyRegistry() as registry, AttestingFront(registry.port, certificate, accepting(realm)) as front:
    tls = TlsOptions("ra-tls", ca_path=..., attester=Attester(make_source("simulated", path=str(realm))))
    Registry(Endpoint.parse(f"127.0.0.1:{front.port}", mode="ra-tls"), ClientOptions(tls=tls)).ping()
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import struct
import threading
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal.appraisal import Attestation
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import Challenge
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import RatlsError
from ansible_collections.attested.registry.plugins.module_utils._ratls.relying_party import (
    RelyingParty,
    read_relying_party,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.simulate import main as simulate
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ServerConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import load_certified_key
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import CertificateRejected, InternalError
from ansible_collections.attested.registry.plugins.module_utils._tls13.events import PeerCertificate
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import Alert
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.serving import TlsServerProtocol

from ..tls13.tls13_servers import OwnServer
from .certificates import Certificate

_AT_ONCE = struct.pack("ii", 1, 0)

Asking = t.Literal["challenge", "names", "nothing"]


def make_realm(directory: pathlib.Path, name: str = "demo") -> pathlib.Path:
    """Make a simulated realm in a new directory; return the directory."""
    assert simulate(["make", str(directory), "--name", name]) == 0
    return directory


def accepting(realm: pathlib.Path, *, anchors: pathlib.Path | None = None) -> RelyingParty:
    """Return a relying party that accepts the measurements of this realm, on its platform or the one of anchors."""
    values = {
        "trust_anchors": [str((anchors or realm) / "cpak.pem")],
        "reference_values": [str(realm / "reference.json")],
    }
    return read_relying_party(values, read_file=lambda path: pathlib.Path(path).read_bytes())


class AttestingFront(OwnServer):
    """The server. attestations are the accepted ones, refusals the reasons of the others.

    asking says what clients are asked for: a challenge, a certificate of a named authority, or nothing. With alert,
    every client is refused with it; with end, every connection is reset or ended without an alert when the client is
    judged.
    """

    def __init__(
        self,
        port: int,
        certificate: Certificate,
        party: RelyingParty | None,
        *,
        asking: Asking = "challenge",
        alert: Alert | None = None,
        end: t.Literal["reset", "eof"] | None = None,
    ) -> None:
        self._end = end
        self._credentials = load_certified_key(certificate.cert.read_bytes(), certificate.key.read_bytes())
        super().__init__(lambda: ServerConfig((self._credentials,)))
        self.connections = 0
        self.attestations: list[Attestation] = []
        self.refusals: list[RatlsError] = []
        self._backend, self._party, self._asking, self._alert = port, party, asking, alert
        self._make = self._protocol

    def _protocol(self) -> TlsServerProtocol:
        self.connections += 1
        challenge = Challenge()
        authorities = {"challenge": (challenge.authority,), "names": (b"0\x0c1\n0\x08\x06\x03U\x04\x03\x0c\x01a",)}

        async def judge(event: PeerCertificate, dummy: ServerEngine) -> None:
            if self._end is not None:
                protocol.end(self._end)
                await asyncio.Event().wait()  # connection_lost ends it
            if self._alert is not None:
                error = InternalError if self._alert is Alert.INTERNAL_ERROR else CertificateRejected
                raise error("No.", alert=self._alert)
            await asyncio.get_running_loop().run_in_executor(None, self._judge, event.chain[0], challenge)

        config = ServerConfig(
            (self._credentials,),
            client_certificate="none" if self._asking == "nothing" else "required",
            authorities=authorities.get(self._asking, ()),
            protocols=("http/1.1",),
        )
        protocol = _Protocol(config, lambda: _Front(self._backend), judge=judge, report=self._report)
        return protocol

    def _judge(self, certificate: bytes, challenge: Challenge) -> None:
        assert self._party is not None
        try:
            self.attestations.append(self._party.judge(certificate, challenge))
        except RatlsError as exc:
            self.refusals.append(exc)
            raise CertificateRejected("No.", alert=Alert.CERTIFICATE_UNKNOWN) from exc


class _Protocol(TlsServerProtocol):
    """TLS whose connection can be closed or reset at any time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def end(self, how: t.Literal["reset", "eof"]) -> None:
        if how == "reset":
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self._transport.abort()
        else:
            self._transport.write_eof()


class _Front(asyncio.Protocol):
    """Forwards the client's bytes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._early: list[bytes] = []
        self._back: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = t.cast(asyncio.Transport, transport)
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._back, dummy = await loop.create_connection(lambda: _Back(self._transport), "127.0.0.1", self._port)
        self._back.writelines(self._early)

    def data_received(self, data: bytes) -> None:
        if self._back is None:
            self._early.append(data)
        else:
            self._back.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()
        if self._back is not None:
            self._back.close()


class _Back(asyncio.Protocol):
    """Forwards the registry's bytes."""

    def __init__(self, front: asyncio.Transport) -> None:
        self._front = front

    def data_received(self, data: bytes) -> None:
        self._front.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._front.close()


class Deaf:
    """Accepts connections and answers nothing, or always the same bytes. connections counts them.

    end says whether it then waits for the client, closes or resets.
    """

    def __init__(self, answer: bytes = b"", *, end: t.Literal["wait", "close", "reset"] = "wait") -> None:
        self.connections = 0
        self._answer, self._end = answer, end
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Deaf:
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                sock, dummy = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._hear, args=(sock,), daemon=True).start()

    def _hear(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.recv(65536)
            sock.sendall(self._answer)
            while self._end == "wait" and sock.recv(65536):
                pass
            if self._end == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


__all__ = ("AttestingFront", "Deaf", "accepting", "make_realm")
