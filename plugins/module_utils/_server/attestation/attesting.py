# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Attestation of the clients of RA-TLS: judges their certificates, counts and logs the results.

Called by attested_connection.py; one Attesting serves all listeners of a process.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import DependencyMissing
from ..._ratls.errors import ConfigurationInvalid, RatlsError, VeraisonFailed
from ..._tls13.config import ServerConfig
from ..._tls13.errors import CertificateRejected
from ..._tls13.names import Alert
from ..access.attested_client import AttestedClient
from .attestation_log import AttestationLog
from .judge_pool import JudgePool, JudgeTimeout, QueueFull

if t.TYPE_CHECKING:
    from ..._ratls.challenge import Challenge
    from ..._ratls.relying_party import RelyingParty
    from ..._tls13.errors import TlsError
    from ..metrics.counters import Counters
    from .materials import ServerCertificate

# faults on our side: no verdict about the client
_FAULTS: t.Final = (ConfigurationInvalid, DependencyMissing, VeraisonFailed)

# the alert without a verdict about the client, which may try again
_NOT_JUDGED: t.Final = Alert.INTERNAL_ERROR


class Handshake(t.Protocol):
    """A connection during its TLS handshake."""

    def abort(self) -> None:
        """Abort the connection."""


class AttestationRejected(CertificateRejected):
    """A client was rejected, or could not be judged; this was logged and counted."""

    kind = "attestation"
    default = Alert.CERTIFICATE_UNKNOWN


class Attesting:
    """The attestation service that the listeners of a process share.

    handshake_seconds limit the TLS handshake without attestation. A client has attestation_seconds more to make its
    evidence, and the wait for a judge and the appraisal together may take attestation_seconds again.
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
        self._judge_pool = JudgePool(counters, at_once=at_once, seconds=attestation_seconds)

    def config_for(self, challenge: Challenge) -> ServerConfig:
        """Return the TLS configuration of the connection with this challenge."""
        return ServerConfig(
            self._credentials,
            client_certificate="required",
            authorities=(challenge.authority,),
            protocols=("http/1.1",),
        )

    async def judge(self, certificate: bytes, challenge: Challenge, *, address: str | None) -> AttestedClient:
        """Judge the certificate of a client. Raises AttestationRejected, after the reason was logged."""
        try:
            attestation = await self._judge_pool.judge(
                lambda: self.relying_party.judge(certificate, challenge), address=address
            )
        except QueueFull:
            self.counters.add("attestations", "busy")
            self.log.busy(address)
            raise AttestationRejected("Too many clients wait for attestation.", alert=_NOT_JUDGED) from None
        except JudgeTimeout:
            raise self._count_failure(
                address,
                f"The appraisal took longer than {self.attestation_seconds:g} s; check what it waits for, such as a "
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
            raise self._count_failure(
                address,
                f"The client could not be judged because of a fault in the server ({type(exc).__name__}); report it.",
            ) from None
        realm = AttestedClient(attestation, self.relying_party)
        self.counters.add("attestations", "accepted")
        self.log.accepted(address, realm)
        return realm

    def _count_failure(self, address: str | None, message: str) -> AttestationRejected:
        self.counters.add("attestations", "failed")
        error = AttestationRejected(message, alert=_NOT_JUDGED)
        self.log.refused(address, error)
        return error

    def ended(self, error: TlsError, address: str | None) -> None:
        """Count and log a handshake that ended with an error."""
        if isinstance(error, AttestationRejected):
            return
        if isinstance(error, CertificateRejected):
            # the operator of the client needs to know what its certificate lacks
            self.counters.add("attestations", "rejected")
            self.log.refused(address, error)
        else:
            self.counters.add("handshake_failures")
            self.log.handshake_failed(address, error)

    def cut(self) -> None:
        """Abort the handshakes in progress."""
        for connection in tuple(self.handshakes):
            connection.abort()

    def close(self) -> None:
        """Shut down the threads that judge."""
        self._judge_pool.close()


__all__ = ("AttestationRejected", "Attesting")
