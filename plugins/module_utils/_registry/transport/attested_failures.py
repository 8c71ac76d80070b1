# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from ..._base.text import visible
from ..._tls13 import errors as tls13
from ..._tls13.names import Alert
from ..errors import (
    TRY_AGAIN,
    AttestationRejected,
    ConnectionFailed,
    ProtocolBroken,
    RegistryError,
    ServerFailed,
    TimedOut,
    TlsFailed,
)

if t.TYPE_CHECKING:
    from ..._ratls.attester import AttestedIdentity
    from ..errors import Operation
    from ..url import Origin

REJECTIONS: t.Final = (
    Alert.ACCESS_DENIED,
    Alert.BAD_CERTIFICATE,
    Alert.CERTIFICATE_EXPIRED,
    Alert.CERTIFICATE_REQUIRED,
    Alert.CERTIFICATE_REVOKED,
    Alert.CERTIFICATE_UNKNOWN,
    Alert.UNKNOWN_CA,
    Alert.UNSUPPORTED_CERTIFICATE,
)
"""The alerts that are about the certificate of the client (RFC 8446, section 6.2), which holds the token."""

_NO_RA_TLS: t.Final = "check that this is the port of an RA-TLS server; `tls: tls` may be meant"


class NoChallenge(tls13.TlsError):
    """The server did not ask for an attestation. Field: asked, whether it asked for a certificate at all."""

    default = Alert.HANDSHAKE_FAILURE


class BrokenOff(tls13.TlsError):
    """The server ended a connection. attested is what it had been shown, None if it answered something since.

    The alert is the one that it sent, None if it sent none.
    """

    default = None

    def __init__(self, attested: AttestedIdentity | None, *, alert: Alert | None) -> None:
        super().__init__("The server ended the connection.", alert=alert)
        self.attested = attested


def explain_tls13(exc: tls13.TlsError, operation: Operation, origin: Origin) -> RegistryError:
    """The RegistryError for what went wrong with TLS 1.3 while an origin was spoken to over RA-TLS."""
    for kind, tell in _KINDS:
        if isinstance(exc, kind):
            return tell(t.cast("t.Any", exc), operation, origin.authority)
    return operation.error(
        TlsFailed, f"no TLS connection to {origin.authority} came about ({_said(exc)})", "report this as a defect"
    )


def _broken_off(exc: BrokenOff, operation: Operation, who: str) -> RegistryError:
    alert = "" if exc.alert is None else f" with the alert {exc.alert.name.lower()}"
    if exc.attested is None:
        return operation.error(ConnectionFailed, f"{who} broke off the connection{alert}", TRY_AGAIN, transient=True)
    if exc.alert in REJECTIONS:
        return _rejected(exc, exc.attested, operation, who)
    where = f"the log of the server says why beside the token {exc.attested.token.digest}"
    if exc.alert is not None:
        why = f"{who} could not judge the attestation of this host (it broke off{alert})"
        return operation.error(ServerFailed, why, where, transient=True)
    why = f"{who} broke off the connection right after it was shown the attestation of this host"
    return operation.error(ConnectionFailed, why, f"try again; if it rejects the attestation, {where}", transient=True)


def _rejected(exc: BrokenOff, attested: AttestedIdentity, operation: Operation, who: str) -> RegistryError:
    realm, kind = attested.token.realm, attested.evidence.kind
    return operation.error(
        AttestationRejected,
        f"{who} rejected the attestation of this host",
        f"the log of the server has the reason beside the token {attested.token.digest}; {_HINTS.get(kind, _MEASURED)}",
        evidence=kind,
        token=attested.token.digest,
        rim=realm.initial_measurement.hex(),
        alert=t.cast(Alert, exc.alert).name.lower(),
    )


_MEASURED: t.Final = (
    "the server has to know the platform (trust_anchors or veraison) and the measurements of this realm "
    "(reference_values)"
)
_HINTS: t.Final[t.Mapping[str, str]] = {
    "file": (
        "a token from a file was made for another connection, so no server accepts it that checks the challenge: set "
        "ratls.evidence to command, rsi or tsm"
    ),
    "simulated": (
        "the server accepts a simulated realm only if it has the realm's cpak.pem among its trust_anchors and its "
        "reference.json among its reference_values"
    ),
}


def _no_challenge(exc: NoChallenge, operation: Operation, who: str) -> RegistryError:
    what = "asks for a client certificate, but not with a challenge" if exc.fields["asked"] else "asks for none"
    return operation.error(
        TlsFailed,
        f"{who} is no RA-TLS server: this host should attest itself (`tls: ra-tls`), and the server {what}",
        _NO_RA_TLS,
    )


def _untrusted(exc: tls13.CertificateRejected, operation: Operation, who: str) -> RegistryError:
    detail = _said(exc).partition(" not accepted: ")[2].partition("; check ")[0] or _said(exc)
    advice = "give the certificate of the authority that signed it in the option ca_path"
    if "subjectAltName" in detail:
        detail = "it is made out to another name"
        advice = "use the name that the certificate is made out to"
    elif exc.alert is Alert.CERTIFICATE_EXPIRED:
        advice = "have the certificate renewed, and check the clock of this host"
    return operation.error(TlsFailed, f"the certificate of {who} is not trusted ({detail})", advice)


def _ended(exc: tls13.AlertReceived, operation: Operation, who: str) -> RegistryError:
    """An alert in the handshake, so before the server had seen anything of this host."""
    if exc.alert is Alert.PROTOCOL_VERSION:
        return _old(exc, operation, who)
    name = "unknown" if exc.alert is None else exc.alert.name.lower()
    return operation.error(
        TlsFailed,
        f"{who} broke off the TLS handshake with the alert {name}",
        "check its certificate and TLS configuration",
        transient=exc.alert is Alert.INTERNAL_ERROR,
    )


def _old(exc: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    if exc.alert is not Alert.PROTOCOL_VERSION:
        return _not_tls(exc, operation, who)
    return operation.error(TlsFailed, f"{who} does not speak TLS 1.3, which RA-TLS is based on", _NO_RA_TLS)


def _not_tls(exc: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    return operation.error(
        ProtocolBroken, f"what {who} answers is not TLS 1.3 as it must be ({_said(exc)})", _NO_RA_TLS
    )


def _cut(dummy: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    return operation.error(ConnectionFailed, f"{who} broke off the TLS handshake", TRY_AGAIN, transient=True)


def _late(dummy: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    return operation.error(
        TimedOut,
        f"{who} did not complete the TLS handshake in time",
        "check the network and the registry, or raise the option connect_timeout",
        transient=True,
    )


def _unusable(exc: tls13.UsageError, operation: Operation, who: str) -> RegistryError:
    why = f"no TLS connection to {who} came about ({_said(exc)})"
    return operation.error(TlsFailed, why, "use a name that certificates are made out to, without underscores")


def _said(exc: tls13.TlsError) -> str:
    return visible(exc.message.rstrip("."), limit=300)


_KINDS: t.Final[tuple[tuple[type[tls13.TlsError], t.Callable[..., RegistryError]], ...]] = (
    (BrokenOff, _broken_off),
    (NoChallenge, _no_challenge),
    (tls13.CertificateRejected, _untrusted),
    (tls13.AlertReceived, _ended),
    (tls13.NegotiationFailed, _old),
    (tls13.ProtocolError, _not_tls),
    (tls13.Truncated, _cut),
    (tls13.TimedOut, _late),
    (tls13.UsageError, _unusable),
)

__all__ = ("REJECTIONS", "BrokenOff", "NoChallenge", "explain_tls13")
