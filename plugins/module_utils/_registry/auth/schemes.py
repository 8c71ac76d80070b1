# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Choose how to answer challenges: Basic (RFC 7617) or Bearer (distribution's token authentication).

Called by authentication.py.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..._base.text import visible
from ..errors import REPORT, ProtocolBroken, RegistryError, Unauthorized
from ..url import Url, UrlInvalid
from .credentials import Anonymous, BasicAuth

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import Operation
    from ..transport.answer import Answer
    from .challenge import Challenge
    from .credentials import Credentials

# characters of all scopes of a token
MAX_SCOPE: t.Final = 4096


@dataclass(frozen=True)
class BasicScheme:
    """The registry requires user name and password with every request."""


@dataclass(frozen=True)
class BearerScheme:
    """The registry requires tokens of this service."""

    realm: Url
    service: str | None
    scopes: frozenset[str]

    def widened(self, scopes: frozenset[str]) -> BearerScheme:
        """Return the scheme with more scopes; the same one if it has them, or if all would be too long for a token."""
        wider = self.scopes | scopes
        if wider == self.scopes or sum(map(len, wider)) > MAX_SCOPE:
            return self
        return replace(self, scopes=wider)


Scheme = t.Union[BasicScheme, BearerScheme]


def choose_scheme(
    challenges: Sequence[Challenge],
    credentials: Credentials,
    *,
    answer: Answer,
    operation: Operation,
    repository: str | None,
) -> Scheme | None:
    """Return the scheme to answer with: Bearer before Basic; None for Anonymous if a password is required.

    An unusable challenge counts only if there is no other. Raises Unauthorized and ProtocolBroken.
    """
    broken = ""
    for one in challenges:
        if one.scheme == "bearer":
            try:
                return _bearer(one, repository)
            except UrlInvalid as exc:
                broken = broken or str(exc)
    wants_password = any(one.scheme == "basic" for one in challenges)
    if isinstance(credentials, Anonymous) and (wants_password or not broken):
        return None
    if wants_password and isinstance(credentials, BasicAuth):
        return BasicScheme()
    unfit = f"there is only {credentials}" if wants_password else ""
    raise _challenge_error(challenges, unfit, broken, answer=answer, operation=operation)


def _challenge_error(
    challenges: Sequence[Challenge], unfit: str, broken: str, *, answer: Answer, operation: Operation
) -> RegistryError:
    """Return the error for challenges that cannot be answered.

    unfit says which credentials there are in place of a required password; broken says why a Bearer challenge cannot be
    used.
    """
    authority = answer.url.origin.authority
    if unfit:
        return operation.error(
            Unauthorized,
            f"{authority} requires a user name and a password, and {unfit}",
            "give username and password",
            status=answer.status,
        )
    if broken:
        return operation.error(
            ProtocolBroken,
            f"the WWW-Authenticate header of {authority} cannot be used: its realm is not a usable URL: {broken}",
            REPORT,
            status=answer.status,
            url=answer.url.safe,
        )
    names = visible(", ".join(one.scheme for one in challenges[:4]), limit=80) or "none"
    return operation.error(
        Unauthorized,
        f"{authority} requires an unsupported authentication scheme (offered: {names})",
        "Basic and Bearer are supported",
        status=answer.status,
    )


def wider_scopes(challenges: Sequence[Challenge]) -> frozenset[str]:
    """Return the scopes that a refused token lacks; empty if it was refused for another reason (RFC 6750, 3.1)."""
    return next((_scopes(one) for one in challenges if _is_insufficient(one)), frozenset())


def lacks_scope(challenges: Sequence[Challenge]) -> bool:
    """Tell whether a token was refused because it does not permit the operation (RFC 6750, 3.1)."""
    return any(map(_is_insufficient, challenges))


def _is_insufficient(challenge: Challenge) -> bool:
    return challenge.scheme == "bearer" and challenge.parameters.get("error") == "insufficient_scope"


def _bearer(challenge: Challenge, repository: str | None) -> BearerScheme:
    """Read a Bearer challenge. Raises UrlInvalid for an unusable realm."""
    realm = Url.parse(challenge.parameters.get("realm", "").strip())
    scopes = _scopes(challenge)
    if not scopes and repository is not None:
        scopes = frozenset([f"repository:{repository}:pull"])
    return BearerScheme(realm, challenge.parameters.get("service"), scopes)


def _scopes(challenge: Challenge) -> frozenset[str]:
    return frozenset(challenge.parameters.get("scope", "")[:MAX_SCOPE].split())


__all__ = ("MAX_SCOPE", "BasicScheme", "BearerScheme", "Scheme", "choose_scheme", "lacks_scope", "wider_scopes")
