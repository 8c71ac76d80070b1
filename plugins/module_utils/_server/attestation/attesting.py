# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from ..._ratls.errors import ConfigurationInvalid, RatlsError, VeraisonFailed
from ..._ratls.errors import DependencyMissing as RatlsDependencyMissing
from ..._tls13.config import ServerConfig
from ..._tls13.errors import CertificateRejected
from ..._tls13.names import Alert
from ..access.attested_client import Realm
from .attestation_log import AttestationLog
from .judge_pool import Full, Judges, TooSlow

if t.TYPE_CHECKING:
    from ..._ratls.challenge import Challenge
    from ..._ratls.relying_party import RelyingParty
    from ..._tls13.errors import TlsError
    from ..metrics.counters import Counters
    from .materials import ServerCertificate

# those that say nothing about the client: it could not be judged
_FAULTS: t.Final = (ConfigurationInvalid, RatlsDependencyMissing, VeraisonFailed)

# what says nothing about the client either, which may try again
_NOT_JUDGED: t.Final = Alert.INTERNAL_ERROR


class Handshake(t.Protocol):
    """A connection in its handshake."""

    def abort(self) -> None:
        """End it now."""


class AttestationRejected(CertificateRejected):
    """A client was judged and is not accepted, or could not be judged; that was logged and counted."""

    kind = "attestation"
    default = Alert.CERTIFICATE_UNKNOWN


class Attesting:
    """Lets only attested clients in: what the listeners of a process share.

    handshake_seconds are for the TLS handshake without the evidence: to make it, a client has attestation_seconds more,
    and as many it may wait and be judged.
    """

    def __init__(
        self,
        certificate: ServerCertificate,
        relying_party: RelyingParty,
        counters: Counters,
        *,
        at_once: int = 16,
        handshake_seconds: float = 10,
        attestation_seconds: float = 30,
    ) -> None:
        self.relying_party = relying_party
        self.counters = counters
        self.handshake_seconds = handshake_seconds
        self.attestation_seconds = attestation_seconds
        self.log = AttestationLog()
        self.handshakes: set[Handshake] = set()
        self._credentials = (certificate.credentials,)
        self._judges = Judges(counters, at_once=at_once, seconds=attestation_seconds)

    def config_for(self, challenge: Challenge) -> ServerConfig:
        """How TLS is spoken on the connection that has this challenge."""
        return ServerConfig(
            self._credentials,
            client_certificate="required",
            authorities=(challenge.authority,),
            protocols=("http/1.1",),
        )

    async def judge(self, certificate: bytes, challenge: Challenge, *, address: str | None) -> Realm:
        """What the client with this certificate is. Raises AttestationRejected, after the reason was logged."""
        try:
            attestation = await self._judges.judge(
                lambda: self.relying_party.judge(certificate, challenge), address=address
            )
        except Full:
            self.counters.add("attestations", "busy")
            self.log.busy(address)
            raise AttestationRejected("There are too many clients to judge.", alert=_NOT_JUDGED) from None
        except TooSlow:
            raise self._failed(
                address,
                f"The client was not judged in {self.attestation_seconds:g} s; see what that waits for, such as a "
                "Veraison service, or raise attestation_seconds or attestations.",
            ) from None
        except RatlsError as exc:
            failed = isinstance(exc, _FAULTS)
            self.counters.add("attestations", "failed" if failed else "rejected")
            self.log.refused(address, exc)
            alert = _NOT_JUDGED if failed else Alert.CERTIFICATE_UNKNOWN
            raise AttestationRejected("The client is not accepted.", alert=alert) from None
        except Exception as exc:
            self.log.fault(exc)
            raise self._failed(
                address, f"The client could not be judged: the server failed ({type(exc).__name__}); report the fault."
            ) from None
        realm = Realm(attestation, self.relying_party)
        self.counters.add("attestations", "accepted")
        self.log.accepted(address, realm)
        return realm

    def _failed(self, address: str | None, message: str) -> AttestationRejected:
        self.counters.add("attestations", "failed")
        error = AttestationRejected(message, alert=_NOT_JUDGED)
        self.log.refused(address, error)
        return error

    def ended(self, error: TlsError, address: str | None) -> None:
        """A handshake has ended with an error."""
        if isinstance(error, AttestationRejected):
            return
        if isinstance(error, CertificateRejected):
            # whoever runs that client wants to know what it lacks
            self.counters.add("attestations", "rejected")
            self.log.refused(address, error)
        else:
            self.counters.add("handshake_failures")
            self.log.handshake_failed(address, error)

    def cut(self) -> None:
        """End the handshakes under way."""
        for connection in tuple(self.handshakes):
            connection.abort()

    def close(self) -> None:
        """End the threads that judge."""
        self._judges.close()


__all__ = ("AttestationRejected", "Attesting")
