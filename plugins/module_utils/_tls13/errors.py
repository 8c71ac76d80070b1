# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .._base.errors import CollectionError
from .names import Alert
from .state import TlsState


class TlsError(CollectionError):
    """Root of the errors of the TLS engine.

    alert is the alert that this end sends because of the error, or that it was sent by the other end if the error is
    AlertReceived; None if there is none. Fields: alert (its name in RFC 8446).
    """

    kind = "tls"
    default: t.ClassVar[Alert | None] = Alert.INTERNAL_ERROR

    def __init__(self, message: str, *, alert: Alert | None = None, **fields: str | int | None) -> None:
        self.alert: Alert | None = self.default if alert is None else alert
        name = self.alert.name.lower() if self.alert is not None else None
        super().__init__(message, alert=name, **fields)


class ProtocolError(TlsError):
    """The other end broke RFC 8446; alert says which sort of rule."""

    kind = "tls_protocol"


class DecodeError(ProtocolError):
    """A message of the other end is not what its syntax demands (RFC 8446, section 6.2, decode_error)."""

    default = Alert.DECODE_ERROR


class LimitExceeded(ProtocolError):
    """The other end sent more of something than this engine bears."""

    default = Alert.UNEXPECTED_MESSAGE


class NegotiationFailed(TlsError):
    """Both ends keep to the rules, but have no algorithm, version or application protocol in common."""

    kind = "tls_negotiation"
    default = Alert.HANDSHAKE_FAILURE


class CertificateRejected(TlsError):
    """This end does not accept the certificate of the other, or the proof that it holds the key."""

    kind = "tls_certificate"
    default = Alert.BAD_CERTIFICATE


class AlertReceived(TlsError):
    """The other end ended the connection with an alert; state is where this end stood then."""

    kind = "tls_alert"
    default = None
    state = TlsState.CONNECTED


class Truncated(TlsError):
    """The stream ended without close_notify: bytes may be missing (RFC 8446, section 6.1)."""

    kind = "tls_truncated"
    default = None


class TimedOut(TlsError):
    """The handshake, or a read or write, took longer than was allowed."""

    kind = "tls_timeout"
    default = None


class UsageError(TlsError):
    """The engine was asked for something that its state does not allow, or for settings that it does not have."""

    kind = "tls_usage"
    default = None


class InternalError(TlsError):
    """Something failed that should not; the connection is over."""

    kind = "tls_internal"


class DependencyMissing(TlsError):
    """The Python library cryptography is missing or too old."""

    kind = "dependency_missing"
    default = None


def alert_received(number: int, state: TlsState) -> AlertReceived:
    """The error for an alert of this number that came while this end was in state."""
    known = number in Alert.__members__.values()
    name = Alert(number).name.lower() if known else f"number {number}"
    when = "" if state is TlsState.CONNECTED else f" while this end was {state.value}"
    error = AlertReceived(
        f"The other end ended the TLS connection with the alert {name}{when}.",
        alert=Alert(number) if known else None,
        number=number,
    )
    error.state = state
    return error


def without_frames(error: TlsError) -> TlsError:
    """The same error, to be kept: its traceback would hold the frames that it went through, and with them keys and
    buffers, for as long as it lives."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


__all__ = (
    "AlertReceived",
    "CertificateRejected",
    "DecodeError",
    "DependencyMissing",
    "InternalError",
    "LimitExceeded",
    "NegotiationFailed",
    "ProtocolError",
    "TimedOut",
    "TlsError",
    "Truncated",
    "UsageError",
    "alert_received",
    "without_frames",
)
