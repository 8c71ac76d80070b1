# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, replace

from .._base.errors import CollectionError
from .._base.text import visible
from .._oci.errors import DigestMismatch

REPORT: t.Final = "report this to the registry's operator"
TRY_AGAIN: t.Final = "try again, and check the network and the registry if that does not help"

if t.TYPE_CHECKING:
    from .._oci.digest import Digest

    E = t.TypeVar("E", bound="RegistryError")


class RegistryError(CollectionError):
    """A registry could not be reached, refused, or answered what cannot be used.

    Fields, where known: registry, repository, reference, status, code (of distribution-spec), url (without user
    information and query), retry_after (in whole seconds). transient says that trying again may help, retry_after how
    many seconds the server asked for. why is the reason alone, without what was being done and the remedy.
    """

    kind = "registry"
    transient = False
    retry_after: float | None = None
    why: str | None = None


class ConfigurationError(RegistryError):
    """An option cannot be used: a registry name, certificate, proxy or auth file."""

    kind = "configuration"


class ConnectionFailed(RegistryError):
    """No connection, or one that broke."""

    kind = "connection"


class TlsFailed(RegistryError):
    """No TLS connection that can be trusted."""

    kind = "tls"


class AttestationRejected(RegistryError):
    """The registry did not accept the attestation of this host. Fields: evidence, token (its digest), rim, alert."""

    kind = "attestation_rejected"


class TimedOut(RegistryError):
    """The other side was silent or too slow, or the operation took longer than it may."""

    kind = "timeout"


class Unauthorized(RegistryError):
    """The registry wants credentials, or rejected those it was given."""

    kind = "unauthorized"


class RealmRefused(Unauthorized):
    """The registry named a token service that credentials must not be sent to. Fields: realm."""

    kind = "realm_refused"


class Denied(RegistryError):
    """The registry knows who asks and does not permit it."""

    kind = "denied"


class NotFound(RegistryError):
    """The registry has no such repository, manifest or blob."""

    kind = "not_found"


class RateLimited(RegistryError):
    """The registry has had too many requests."""

    kind = "rate_limited"


class ServerFailed(RegistryError):
    """The registry reports a fault of its own (5xx)."""

    kind = "server_error"


class ProtocolBroken(RegistryError):
    """The answer breaks HTTP or the distribution specification, or exceeds a limit."""

    kind = "protocol"


class TooLong(ProtocolBroken):
    """A body is longer than it may be."""


class RedirectRefused(RegistryError):
    """The answer redirects in a loop, too often, or where this client must not go."""

    kind = "redirect"


class DependencyMissing(RegistryError):
    """A Python library is missing or too old. Fields: library. traceback tells how importing it failed."""

    kind = "dependency_missing"
    traceback: str | None = None


@dataclass(frozen=True)
class Operation:
    """What is being done, for messages and fields: "Cannot <doing>: <why>. <advice>".

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
        """The error to raise. why and advice come without a full stop at the end and must not hold secrets."""
        error = kind(self.sentence(why, advice), **fields)
        self.annotate(error)
        error.why = why
        error.transient = transient
        error.retry_after = retry_after
        if retry_after is not None:
            error.add_context(retry_after=math.ceil(retry_after))
        return error

    def sentence(self, why: str, advice: str) -> str:
        """The message of an error."""
        return f"Cannot {self.doing}: {why}; {advice}{'' if advice.endswith('?') else '.'}"

    def wrong_digest(self, *, expected: Digest, actual: str) -> DigestMismatch:
        """The error for content with another digest, both "algorithm:encoded"."""
        message = self.sentence(
            f"what came has the digest {actual}, expected was {expected}",
            "it is damaged, or the registry is not to be trusted",
        )
        error = DigestMismatch(message, expected=str(expected), actual=actual)
        self.annotate(error)
        return error

    def annotate(self, error: CollectionError) -> None:
        """Fill in what every error of this operation carries."""
        error.add_context(registry=self.registry, repository=self.repository, reference=self.reference)

    def about(self, doing: str) -> Operation:
        """The same operation seen from one of its steps."""
        return replace(self, doing=visible(doing, limit=400))


__all__ = (
    "REPORT",
    "TRY_AGAIN",
    "AttestationRejected",
    "ConfigurationError",
    "ConnectionFailed",
    "Denied",
    "DependencyMissing",
    "NotFound",
    "Operation",
    "ProtocolBroken",
    "RateLimited",
    "RealmRefused",
    "RedirectRefused",
    "RegistryError",
    "ServerFailed",
    "TimedOut",
    "TlsFailed",
    "TooLong",
    "Unauthorized",
)
