# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of this package, and the operation that gives them their message and fields."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, replace

from .._base.errors import CollectionError
from .._base.text import visible
from .._oci.errors import DigestMismatch

REPORT: t.Final = "report this to the registry's operator"
TRY_AGAIN: t.Final = "try again; if that fails too, check the network and the registry"

if t.TYPE_CHECKING:
    from .._oci.digest import Digest

    E = t.TypeVar("E", bound="RegistryError")


class RegistryError(CollectionError):
    """A registry could not be reached, refused a request, or gave an unusable answer.

    Fields, where known: registry, repository, reference, status, code (of distribution-spec), url (without user
    information and query), retry_after (in whole seconds). transient says that a retry may help; the attribute
    retry_after is how many seconds the server asked to wait. why is the reason alone, without operation and advice.
    lacks_scope says that a token was refused because it does not permit the operation.
    """

    kind = "registry"
    transient = False
    retry_after: float | None = None
    why: str | None = None
    lacks_scope = False


class ConfigurationError(RegistryError):
    """An option cannot be used: a registry name, certificate, proxy or auth file."""

    kind = "configuration"


class ConnectionFailed(RegistryError):
    """No connection was made, or it was lost."""

    kind = "connection"


class TlsFailed(RegistryError):
    """No trusted TLS connection was made."""

    kind = "tls"


class AttestationRejected(RegistryError):
    """The registry rejected the attestation of this host. Fields: evidence, token (its digest), rim, alert."""

    kind = "attestation_rejected"


class TimedOut(RegistryError):
    """The peer was silent or too slow, or the operation exceeded its time limit."""

    kind = "timeout"


class Unauthorized(RegistryError):
    """The registry requires credentials, or rejected the given ones."""

    kind = "unauthorized"


class RealmRefused(Unauthorized):
    """The registry named a token service that must not receive credentials. Fields: realm."""

    kind = "realm_refused"


class Denied(RegistryError):
    """The registry denied access to an authenticated or anonymous client."""

    kind = "denied"


class NotFound(RegistryError):
    """The registry has no such repository, manifest or blob."""

    kind = "not_found"


class NotOffered(RegistryError):
    """The registry does not offer this operation."""

    kind = "unsupported"


class Rejected(RegistryError):
    """The registry does not accept pushed content: it is too large, incomplete or invalid."""

    kind = "rejected"


class RangeInvalid(RegistryError):
    """A blob does not have the requested range of bytes."""

    kind = "range_invalid"


class RateLimited(RegistryError):
    """The registry received too many requests."""

    kind = "rate_limited"


class ServerFailed(RegistryError):
    """The registry reports an error of its own (5xx)."""

    kind = "server_error"


class ProtocolBroken(RegistryError):
    """The answer violates HTTP or the distribution specification, or exceeds a limit."""

    kind = "protocol"


class TooLong(ProtocolBroken):
    """A body exceeds its size limit."""


class RedirectRefused(RegistryError):
    """A redirect is part of a loop, one too many, or leads to a refused target."""

    kind = "redirect"


@dataclass(frozen=True)
class Operation:
    """What the client is doing, for messages and fields: "Cannot <doing>: <why>; <advice>.".

    doing names the object and the registry, such as "get the manifest 1.0 of debian from localhost:5000".
    """

    doing: str
    registry: str
    repository: str | None = None
    reference: str | None = None

    def error(
        self,
        kind: type[E],
        why: str,
        advice: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        **fields: str | int | None,
    ) -> E:
        """Return an error of this operation; the caller raises it.

        why and advice have no full stop at their end and must not contain secrets.
        """
        error = kind(self.sentence(why, advice), **fields)
        self.annotate(error)
        error.why = why
        error.transient = transient
        error.retry_after = retry_after
        if retry_after is not None:
            error.add_context(retry_after=math.ceil(retry_after))
        return error

    def sentence(self, why: str, advice: str) -> str:
        """Return the message of an error."""
        return f"Cannot {self.doing}: {why}; {advice}{'' if advice.endswith('?') else '.'}"

    def wrong_digest(self, *, expected: Digest, actual: str) -> DigestMismatch:
        """Return the error for content with another digest; both digests are "algorithm:encoded"."""
        message = self.sentence(
            f"the received content has the digest {actual}, expected {expected}",
            "it is damaged, or the registry cannot be trusted",
        )
        error = DigestMismatch(message, expected=str(expected), actual=actual)
        self.annotate(error)
        return error

    def annotate(self, error: CollectionError) -> None:
        """Add the fields that every error of this operation has."""
        error.add_context(registry=self.registry, repository=self.repository, reference=self.reference)

    def about(self, doing: str) -> Operation:
        """Return the operation with another doing: one of its steps."""
        return replace(self, doing=visible(doing, limit=400))


__all__ = (
    "REPORT",
    "TRY_AGAIN",
    "AttestationRejected",
    "ConfigurationError",
    "ConnectionFailed",
    "Denied",
    "NotFound",
    "NotOffered",
    "Operation",
    "ProtocolBroken",
    "RangeInvalid",
    "RateLimited",
    "RealmRefused",
    "RedirectRefused",
    "RegistryError",
    "Rejected",
    "ServerFailed",
    "TimedOut",
    "TlsFailed",
    "TooLong",
    "Unauthorized",
)
