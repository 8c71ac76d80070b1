# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of the TLS engine; every one is a TlsError with the alert that belongs to it (RFC 8446, section 6)."""

from __future__ import annotations

import typing as t

from .._base.errors import CollectionError
from .names import Alert
from .state import TlsState


class TlsError(CollectionError):
    """Root of the errors of the TLS engine.

    alert is the alert that this end sends because of the error; for AlertReceived, the alert that the other end sent;
    None if there is none. Field: alert, its name in RFC 8446.
    """

    kind = "tls"
    default: t.ClassVar[Alert | None] = Alert.INTERNAL_ERROR

    def __init__(self, message: str, *, alert: Alert | None = None, **fields: str | int | None) -> None:
        self.alert: Alert | None = self.default if alert is None else alert
        name = self.alert.name.lower() if self.alert is not None else None
        super().__init__(message, alert=name, **fields)


class ProtocolError(TlsError):
    """The other end violated RFC 8446; alert names the kind of violation."""

    kind = "tls_protocol"


class DecodeError(ProtocolError):
    """A message of the other end has invalid syntax (RFC 8446, section 6.2, decode_error)."""

    default = Alert.DECODE_ERROR


class LimitExceeded(ProtocolError):
    """The other end exceeded a limit of this engine (limits.py)."""

    default = Alert.UNEXPECTED_MESSAGE


class NegotiationFailed(TlsError):
    """The two ends have no algorithm, version or application protocol in common."""

    kind = "tls_negotiation"
    default = Alert.HANDSHAKE_FAILURE


class CertificateRejected(TlsError):
    """This end rejects the other end's certificate or its proof of possession of the key.

    Fields, if the check of the chain failed: reason, a clause about the certificate, as "it"; cause, one of "expired",
    "name" (it is for another name) and "chain".
    """

    kind = "tls_certificate"
    default = Alert.BAD_CERTIFICATE


class AlertReceived(TlsError):
    """The other end ended the connection with an alert; state is this end's state at that time."""

    kind = "tls_alert"
    default = None
    state = TlsState.CONNECTED


class Truncated(TlsError):
    """The stream ended without close_notify: data may be missing (RFC 8446, section 6.1)."""

    kind = "tls_truncated"
    default = None


class TimedOut(TlsError):
    """The handshake, a read or a write exceeded its timeout."""

    kind = "tls_timeout"
    default = None


class UsageError(TlsError):
    """A call is not permitted in the engine's state, or a setting is not supported."""

    kind = "tls_usage"
    default = None


class InternalError(TlsError):
    """An internal error of the engine; the connection is over."""

    kind = "tls_internal"


def alert_received(number: int, state: TlsState) -> AlertReceived:
    """Return the error for a received alert; state is the state of this end."""
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
    """Return the same error without traceback, for storing.

    A traceback would keep its frames alive, and with them keys and buffers, as long as the error.
    """
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


__all__ = (
    "AlertReceived",
    "CertificateRejected",
    "DecodeError",
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
