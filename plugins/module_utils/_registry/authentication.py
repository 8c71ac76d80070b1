# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import threading
import typing as t
from dataclasses import dataclass, field, replace

from .challenge import ChallengeInvalid, parse_challenges
from .credentials import Anonymous, Basic, Fixed, Token
from .errors import ProtocolBroken, Unauthorized
from .url import Url, UrlInvalid

if t.TYPE_CHECKING:  # pragma: no cover
    from .answer import Answer
    from .challenge import Challenge
    from .credentials import Credentials, CredentialSource
    from .effects import Effects
    from .errors import Operation
    from .realm import RealmPolicy
    from .token_service import TokenService
    from .transport import Transport

_MARGIN: t.Final = 0.1  # of its lifetime, within which a token is renewed before its end
_MAX_SCOPE: t.Final = 4096  # characters of all scopes of a token


@dataclass(frozen=True)
class _BasicScheme:
    """The registry wants user name and password with every request."""


@dataclass(frozen=True)
class _BearerScheme:
    """The registry wants tokens of this service."""

    realm: Url
    service: str | None
    scopes: frozenset[str]


@dataclass(frozen=True)
class Authorization:
    """What to send. value is None for a request without credentials; fresh means that a token was got just for it."""

    value: str | None = field(repr=False)
    fresh: bool = False


@dataclass(frozen=True)
class _Cached:
    value: str = field(repr=False)
    renew_at: float


class Authenticator:
    """Answers the challenges of one registry (RFC 9110, 11.6). Threads may share it: only one of them gets a token."""

    def __init__(
        self,
        *,
        registry: str,
        source: CredentialSource,
        transport: Transport,
        policy: RealmPolicy,
        effects: Effects,
    ) -> None:
        self._registry = registry
        self._source = source
        self._transport = transport
        self._policy = policy
        self._effects = effects
        self._lock = threading.Lock()
        self._schemes: dict[str | None, _BasicScheme | _BearerScheme] = {}
        self._credentials: dict[str | None, Credentials] = {}
        self._tokens: dict[tuple[_BearerScheme, Credentials], _Cached] = {}
        self._service: TokenService | None = None
        self._peer: str | None = None

    def authorization(self, operation: Operation, *, repository: str | None, deadline: float | None) -> Authorization:
        """What to send with a request about a repository, by all that is known so far. Raises RegistryError.

        Credentials are looked up when the registry asks for some; a ready token of the options is sent unasked.
        """
        with self._lock:
            if isinstance(self._source, Fixed) and isinstance(self._source.credentials, Token):
                return Authorization(f"Bearer {self._source.credentials.token}")
            scheme = self._schemes.get(repository)
            if scheme is None:
                return Authorization(None)
            credentials = self._lookup(repository)
            if isinstance(credentials, Token):
                return Authorization(f"Bearer {credentials.token}")
            if isinstance(scheme, _BearerScheme):
                return self._bearer(scheme, credentials, operation, deadline)
            return Authorization(_basic(credentials))

    def learn(
        self, answer: Answer, *, operation: Operation, repository: str | None, sent: Authorization | None
    ) -> bool:
        """Take in the challenges of an answer 401 or 403; whether the request is worth repeating.

        Raises Unauthorized when the registry wants what is not to be had, ProtocolBroken for challenges that cannot
        be read.
        """
        with self._lock:
            try:
                challenges = parse_challenges(answer.header_lines("WWW-Authenticate"))
            except ChallengeInvalid as exc:
                raise _unreadable(answer, operation, str(exc)) from None
            bearer = next((one for one in challenges if one.scheme == "bearer"), None)
            if sent is not None and sent.value is not None:
                return self._renew(bearer, repository, answer, operation, sent)
            if answer.status != 401:
                return False
            self._peer = answer.peer
            scheme = self._choose(challenges, bearer, operation, answer, repository)
            if scheme is not None:
                self._schemes[repository] = scheme
            return scheme is not None

    def describe(self, repository: str | None) -> str | None:
        """The credentials in words, None if there are none or none were asked for."""
        with self._lock:
            credentials = self._credentials.get(repository)
            if isinstance(self._source, Fixed):
                credentials = self._source.credentials
            return None if credentials is None or isinstance(credentials, Anonymous) else str(credentials)

    def _lookup(self, repository: str | None) -> Credentials:
        if repository not in self._credentials:
            self._credentials[repository] = self._source.credentials_for(self._registry, repository)
        return self._credentials[repository]

    def _choose(
        self,
        challenges: tuple[Challenge, ...],
        bearer: Challenge | None,
        operation: Operation,
        answer: Answer,
        repository: str | None,
    ) -> _BasicScheme | _BearerScheme | None:
        """Bearer before Basic; None when there is nothing to answer with."""
        if bearer is not None:
            return self._bearer_scheme(bearer, operation, answer, repository)
        credentials = self._lookup(repository)
        if isinstance(credentials, Anonymous):
            return None
        if any(one.scheme == "basic" for one in challenges):
            if isinstance(credentials, Basic):
                return _BasicScheme()
            raise operation.error(
                Unauthorized,
                f"{answer.url.origin.authority} wants a user name and a password, and there is only {credentials}",
                "give username and password",
                status=answer.status,
            )
        names = ", ".join(one.scheme for one in challenges[:4])[:80] or "none"
        raise operation.error(
            Unauthorized,
            f"{answer.url.origin.authority} wants authentication in a way that is not supported (offered: {names})",
            "Basic and Bearer are supported",
            status=answer.status,
        )

    def _bearer_scheme(
        self, challenge: Challenge, operation: Operation, answer: Answer, repository: str | None
    ) -> _BearerScheme:
        try:
            realm = Url.parse(challenge.parameters.get("realm", ""))
        except UrlInvalid as exc:
            raise _unreadable(answer, operation, f"its realm is no usable URL, {exc}") from None
        scopes = _scopes(challenge)
        if not scopes and repository is not None:
            scopes = frozenset([f"repository:{repository}:pull"])
        return _BearerScheme(realm, challenge.parameters.get("service"), scopes)

    def _renew(
        self,
        bearer: Challenge | None,
        repository: str | None,
        answer: Answer,
        operation: Operation,
        sent: Authorization,
    ) -> bool:
        scheme = self._schemes.get(repository)
        if bearer is None or not isinstance(scheme, _BearerScheme):
            return False
        credentials = self._lookup(repository)
        if isinstance(credentials, Token):
            return False
        wider = replace(
            self._bearer_scheme(bearer, operation, answer, repository), scopes=scheme.scopes | _scopes(bearer)
        )
        if bearer.parameters.get("error") == "insufficient_scope" and wider.scopes != scheme.scopes:
            if sum(map(len, wider.scopes)) > _MAX_SCOPE:
                return False
            self._schemes[repository] = wider
            return True
        if answer.status != 401 or sent.fresh:
            return False
        cached = self._tokens.get((scheme, credentials))
        if cached is not None and cached.value == sent.value:
            del self._tokens[scheme, credentials]
        return True

    def _bearer(
        self, scheme: _BearerScheme, credentials: Credentials, operation: Operation, deadline: float | None
    ) -> Authorization:
        now = self._effects.clock()
        cached = self._tokens.get((scheme, credentials))
        if cached is not None and now < cached.renew_at:
            return Authorization(cached.value)
        from .token_service import TokenRequest, TokenService

        if self._service is None:
            self._service = TokenService(self._transport, policy=self._policy, effects=self._effects)
        wanted = TokenRequest(scheme.realm, scheme.service, scheme.scopes, credentials, self._peer)
        issued = self._service.issue(wanted, operation=operation, deadline=deadline)
        self._tokens[scheme, credentials] = _Cached(f"Bearer {issued.token}", now + issued.lifetime * (1 - _MARGIN))
        return Authorization(f"Bearer {issued.token}", fresh=True)


def _scopes(challenge: Challenge) -> frozenset[str]:
    return frozenset(challenge.parameters.get("scope", "")[:_MAX_SCOPE].split())


def _basic(credentials: Credentials) -> str | None:
    from .token_service import basic_header

    return basic_header(credentials.username, credentials.password) if isinstance(credentials, Basic) else None


def _unreadable(answer: Answer, operation: Operation, why: str) -> ProtocolBroken:
    return operation.error(
        ProtocolBroken,
        f"the WWW-Authenticate header of {answer.url.origin.authority} cannot be used: {why}",
        "report this to who runs the registry",
        status=answer.status,
        url=answer.url.safe,
    )


__all__ = ("Authenticator", "Authorization")
