# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""RA-TLS to a registry: TLS 1.3 connections on which this host attests itself. Called by transport.py.

Joins _tls13 (the handshake) with _ratls/attester.py (the certificate that answers the server's challenge).
"""

from __future__ import annotations

import errno
import typing as t
import warnings

from ..._base.crypto import MINIMUM_CRYPTOGRAPHY, OLDEST_CRYPTOGRAPHY, require_cryptography
from ..._ratls.errors import ChallengeInvalid
from ..._ratls.evidence.client_key import process_key
from ..._ratls.token.cbor import require_cbor2
from ..._tls13.blocking import TlsSocket
from ..._tls13.client import ClientEngine
from ..._tls13.config import ClientConfig
from ..._tls13.crypto.keys import CertifiedKey
from ..._tls13.crypto.verify import ServerVerifier
from ..._tls13.errors import AlertReceived, Truncated, UsageError
from ..errors import ConfigurationError
from ..url import UrlInvalid, literal_address
from .attested_failures import BrokenOff, NoChallenge
from .tls import trusted_pem, unusable_ca_path

if t.TYPE_CHECKING:
    import socket

    from ..._ratls.attester import AttestedIdentity, Attester
    from ..._tls13.events import CertificateRequested, PeerCertificate
    from ..options import TlsOptions
    from ..url import Origin


class AttestedSocket(TlsSocket):
    """A connection over which this host attested itself. Raises BrokenOff if the server ends it.

    A TLS 1.3 server judges the client certificate after the client has begun to send its request, so its verdict
    arrives in place of the first answer.
    """

    def __init__(
        self,
        sock: socket.socket,
        engine: ClientEngine,
        *,
        judge: t.Callable[[PeerCertificate], None],
        answer: t.Callable[[t.Sequence[bytes]], AttestedIdentity],
    ) -> None:
        super().__init__(sock, engine, judge=judge, choose=self._attest)
        self.attested: AttestedIdentity | None = None
        self._peer = sock.getpeername()
        self._make_answer = answer
        self._has_answered = False

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive as TlsSocket does. Raises BrokenOff, too."""
        buffer = bytearray(size)
        return bytes(buffer[: self.recv_into(buffer)])

    def recv_into(self, buffer: t.Any, size: int = 0, flags: int = 0) -> int:
        """Receive as TlsSocket does. Raises BrokenOff, too."""
        try:
            count = super().recv_into(buffer, size, flags)
        except (AlertReceived, Truncated, ConnectionError) as exc:
            raise self._broken_off(exc) from None
        if not count and not self._has_answered:
            raise self._broken_off(None)
        self._has_answered = True
        return count

    def sendall(self, data: t.Any, flags: int = 0) -> None:
        """Send as TlsSocket does. Raises BrokenOff, too."""
        try:
            super().sendall(data, flags)
        except AlertReceived as exc:
            raise self._broken_off(exc) from None
        except ConnectionResetError as exc:
            # after BrokenPipeError, all versions of urllib3 still read what the server sent before
            raise BrokenPipeError(errno.EPIPE, exc.strerror) from None

    def getpeername(self) -> t.Any:
        """Return the address of the peer, even after the peer closed the connection: its data is still to be read."""
        return self._peer

    def _broken_off(self, exc: Exception | None) -> BrokenOff:
        alert = exc.alert if isinstance(exc, AlertReceived) else None
        return BrokenOff(None if self._has_answered else self.attested, alert=alert)

    def _attest(self, event: CertificateRequested) -> CertifiedKey:
        try:
            self.attested = self._make_answer(event.authorities)
        except ChallengeInvalid as exc:
            raise NoChallenge(exc.message, asked=True) from None
        return CertifiedKey((self.attested.certificate,), self.attested.key.private)


class AttestedTls:
    """RA-TLS to one registry: TLS 1.3, with a new attestation for the challenge of every connection.

    latest is the attestation of the newest connection. warn receives each warning about the evidence once. Threads may
    share it. Raises ConfigurationError, and DependencyMissing.
    """

    def __init__(self, options: TlsOptions, origin: Origin, *, warn: t.Callable[[str], None]) -> None:
        require_cryptography(
            MINIMUM_CRYPTOGRAPHY if options.validate_certs else OLDEST_CRYPTOGRAPHY,
            purpose="A connection with ra-tls",
        )
        require_cbor2()
        self.latest: AttestedIdentity | None = None
        self._attester = t.cast("Attester", options.attester)
        # before there is a connection: generating an RSA key takes long, and servers have timeouts
        process_key(self._attester.key_type)
        self._name = origin.host.rstrip(".")
        self._verifier = _verifier(options.ca_path) if options.validate_certs else None
        self._warn = warn
        self._warned: set[str] = set()

    def secure(self, sock: socket.socket, timeout: float) -> AttestedSocket:
        """Do the handshake over a connected socket, in timeout seconds besides the time for the evidence.

        Raises TlsError, OSError, and RatlsError if there is no evidence; the socket is closed then.
        """
        config = ClientConfig(server_name=None if _is_address(self._name) else self._name, protocols=("http/1.1",))
        connection = AttestedSocket(sock, ClientEngine(config), judge=self._judge, answer=self._answer)
        try:
            connection.handshake(timeout=timeout)
        except ConnectionError:
            raise Truncated("The server reset the connection in the middle of the handshake.") from None
        if connection.attested is None:
            connection.close()
            raise NoChallenge("The server asked for no certificate.", asked=False)
        return connection

    def _judge(self, event: PeerCertificate) -> None:
        if self._verifier is not None:
            self._verifier.verify(event.chain, self._name)

    def _answer(self, authorities: t.Sequence[bytes]) -> AttestedIdentity:
        attested = self._attester.answer(authorities)
        for warning in attested.evidence.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._warn(warning)
        self.latest = attested
        return attested


def _verifier(ca_path: str | None) -> ServerVerifier:
    with warnings.catch_warnings():
        # the library warns on standard error about roots that future versions will reject
        warnings.simplefilter("ignore")
        if ca_path is None:
            return _system_verifier()
        try:
            return ServerVerifier(b"\n".join(trusted_pem(ca_path)))
        except UsageError:
            raise unusable_ca_path(ca_path, "one of its certificates is malformed") from None


def _system_verifier() -> ServerVerifier:
    """Return a verifier with the usable roots of the system.

    An unusable root is ignored, because nobody chose the roots of the system for this task.
    """
    roots = trusted_pem(None)
    try:
        return ServerVerifier(b"\n".join(roots))
    except UsageError:
        usable = [root for root in roots if _is_usable(root)]
    if not usable:
        raise ConfigurationError(
            "None of the CA certificates that this host trusts can be used; give the CA certificate of the registry in "
            "the option ca_path."
        )
    return ServerVerifier(b"\n".join(usable))


def _is_usable(root: bytes) -> bool:
    try:
        ServerVerifier(root)
        return True
    except UsageError:
        return False


def _is_address(name: str) -> bool:
    try:
        return literal_address(name) is not None
    except UrlInvalid:
        return True


__all__ = ("AttestedSocket", "AttestedTls")
