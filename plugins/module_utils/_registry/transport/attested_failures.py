# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Turn errors of TLS 1.3 and RA-TLS into RegistryErrors with a reason and a remedy. Called by failures.py."""

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

# the alerts about the certificate of the client, which contains the token (RFC 8446, section 6.2)
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

_GIVE_CA: t.Final = "give the certificate of the authority that signed it in the option ca_path"
_CERTIFICATE_REMEDIES: t.Final[t.Mapping[object, str]] = {
    "name": "use a name that the certificate is for",
    "expired": "renew the certificate, or correct the clock of this host",
}
_NO_RA_TLS: t.Final = "check that this is the port of an RA-TLS server, or try `tls: tls`"


class NoChallenge(tls13.TlsError):
    """The server did not request an attestation. Field: asked, whether it requested a client certificate at all."""

    default = Alert.HANDSHAKE_FAILURE


class BrokenOff(tls13.TlsError):
    """The server ended a connection.

    attested is what this host had presented, None if the server has answered since. alert is the alert that the server
    sent, None if it sent none.
    """

    default = None

    def __init__(self, attested: AttestedIdentity | None, *, alert: Alert | None) -> None:
        super().__init__("The server ended the connection.", alert=alert)
        self.attested = attested


def explain_tls13(exc: tls13.TlsError, operation: Operation, origin: Origin) -> RegistryError:
    """Return the RegistryError for an error of TLS 1.3 on an RA-TLS connection to an origin."""
    for kind, explain in _KINDS:
        if isinstance(exc, kind):
            return explain(t.cast("t.Any", exc), operation, origin.authority)
    return operation.error(
        TlsFailed, f"the TLS connection to {origin.authority} failed ({_quote_message(exc)})", "report this as a defect"
    )


def _explain_broken_off(exc: BrokenOff, operation: Operation, who: str) -> RegistryError:
    alert = "" if exc.alert is None else f" with the alert {exc.alert.name.lower()}"
    if exc.attested is None:
        return operation.error(ConnectionFailed, f"{who} closed the connection{alert}", TRY_AGAIN, transient=True)
    if exc.alert in REJECTIONS:
        return _explain_rejection(exc, exc.attested, operation, who)
    where = f"the log of the server has the reason beside the token {exc.attested.token.digest}"
    if exc.alert is not None:
        why = f"{who} could not judge the attestation of this host (it closed the connection{alert})"
        return operation.error(ServerFailed, why, where, transient=True)
    why = f"{who} closed the connection right after it received the attestation of this host"
    return operation.error(
        ConnectionFailed, why, f"try again; if the server rejects the attestation, {where}", transient=True
    )


def _explain_rejection(exc: BrokenOff, attested: AttestedIdentity, operation: Operation, who: str) -> RegistryError:
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
    "the server must trust the platform (trust_anchors or veraison) and have the measurements of this realm "
    "(reference_values)"
)
_HINTS: t.Final[t.Mapping[str, str]] = {
    "file": (
        "a token from a file was made for another connection, so a server that checks the challenge rejects it: set "
        "ratls.evidence to command, rsi or tsm"
    ),
    "simulated": (
        "the server accepts a simulated realm only if it has the realm's cpak.pem among its trust_anchors and its "
        "reference.json among its reference_values"
    ),
}


def _explain_no_challenge(exc: NoChallenge, operation: Operation, who: str) -> RegistryError:
    what = (
        "requests a client certificate without a challenge" if exc.fields["asked"] else "requests no client certificate"
    )
    return operation.error(
        TlsFailed,
        f"{who} is not an RA-TLS server: the task sets `tls: ra-tls`, but the server {what}",
        _NO_RA_TLS,
    )


def _explain_untrusted(exc: tls13.CertificateRejected, operation: Operation, who: str) -> RegistryError:
    reason = exc.fields.get("reason")
    detail = _quote_message(exc) if reason is None else visible(str(reason), limit=300)
    advice = _CERTIFICATE_REMEDIES.get(exc.fields.get("cause"), _GIVE_CA)
    return operation.error(TlsFailed, f"the certificate of {who} is not trusted ({detail})", advice)


def _explain_alert(exc: tls13.AlertReceived, operation: Operation, who: str) -> RegistryError:
    """Explain an alert in the handshake, before this host has presented anything."""
    if exc.alert is Alert.PROTOCOL_VERSION:
        return _explain_negotiation(exc, operation, who)
    name = "unknown" if exc.alert is None else exc.alert.name.lower()
    return operation.error(
        TlsFailed,
        f"{who} aborted the TLS handshake with the alert {name}",
        "check its certificate and TLS configuration",
        transient=exc.alert is Alert.INTERNAL_ERROR,
    )


def _explain_negotiation(exc: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    if exc.alert is not Alert.PROTOCOL_VERSION:
        return _explain_protocol_error(exc, operation, who)
    return operation.error(TlsFailed, f"{who} does not support TLS 1.3, which RA-TLS requires", _NO_RA_TLS)


def _explain_protocol_error(exc: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    return operation.error(ProtocolBroken, f"the answer of {who} violates TLS 1.3 ({_quote_message(exc)})", _NO_RA_TLS)


def _explain_truncation(dummy: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    return operation.error(ConnectionFailed, f"{who} aborted the TLS handshake", TRY_AGAIN, transient=True)


def _explain_timeout(dummy: tls13.TlsError, operation: Operation, who: str) -> RegistryError:
    return operation.error(
        TimedOut,
        f"{who} did not complete the TLS handshake in time",
        "check the network and the registry, or raise the option connect_timeout",
        transient=True,
    )


def _explain_usage_error(exc: tls13.UsageError, operation: Operation, who: str) -> RegistryError:
    why = f"the TLS connection to {who} failed ({_quote_message(exc)})"
    return operation.error(TlsFailed, why, "use a host name without underscores, as certificates require")


def _quote_message(exc: tls13.TlsError) -> str:
    return visible(exc.message.rstrip("."), limit=300)


_KINDS: t.Final[tuple[tuple[type[tls13.TlsError], t.Callable[..., RegistryError]], ...]] = (
    (BrokenOff, _explain_broken_off),
    (NoChallenge, _explain_no_challenge),
    (tls13.CertificateRejected, _explain_untrusted),
    (tls13.AlertReceived, _explain_alert),
    (tls13.NegotiationFailed, _explain_negotiation),
    (tls13.ProtocolError, _explain_protocol_error),
    (tls13.Truncated, _explain_truncation),
    (tls13.TimedOut, _explain_timeout),
    (tls13.UsageError, _explain_usage_error),
)

__all__ = ("REJECTIONS", "BrokenOff", "NoChallenge", "explain_tls13")
