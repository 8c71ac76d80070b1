# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Authenticate to one registry: answer its challenges (RFC 9110, 11.6) and keep its tokens. Called by logins.py."""

from __future__ import annotations

import threading
import typing as t
from dataclasses import dataclass, field, replace

from ..._oci.scope import covers
from ..errors import RegistryError
from ..transport.transport import Request
from .challenge import parse_challenges
from .credentials import Anonymous, BasicAuth, Fixed, Token
from .schemes import BearerScheme, choose_scheme, wider_scopes

if t.TYPE_CHECKING:
    from ..errors import Operation
    from ..options import Effects
    from ..realm_policy import RealmPolicy
    from ..transport.answer import Answer
    from ..transport.transport import Transport
    from ..url import Url
    from .challenge import Challenge
    from .credentials import Credentials, CredentialSource
    from .schemes import Scheme
    from .token_service import TokenService

    _TokenKey = tuple[BearerScheme, Credentials]

# a token is renewed in the last tenth of its lifetime
_MARGIN: t.Final = 0.1
# refusals of shared tokens before a request gets a token of its own
_SHARED_REFUSALS: t.Final = 2


@dataclass(frozen=True)
class Authorization:
    """The Authorization value to send; value is None for a request without credentials.

    fresh: the token was issued for this request. own: no other request can get it.
    """

    value: str | None = field(repr=False)
    fresh: bool = False
    own: bool = False


@dataclass
class _Cached:
    value: str = field(repr=False)
    renew_at: float
    shared: bool = False


class Authenticator:
    """Answers the challenges of one registry. Threads may share it; one thread at a time requests a token.

    base is the URL of /v2/, where the registry is asked how to log in; None for a registry that another one redirects
    to, which is not asked there.

    A request is sent without credentials until the registry asks for them, by a 401 or, if it hides what is not public,
    only at /v2/. In that case a 403, 404 or 429 to an anonymous request is inconclusive, and the client tries the
    configured credentials before it accepts the answer.

    A token is used for all requests whose scopes its own scopes include. Threads share the tokens. A token may be valid
    for one request only, so a request whose token was refused gets a token that no other thread uses before the refusal
    is accepted.
    """

    def __init__(
        self,
        *,
        registry: str,
        source: CredentialSource,
        transport: Transport,
        policy: RealmPolicy,
        effects: Effects,
        base: Url | None = None,
    ) -> None:
        self._registry = registry
        self._source = source
        self._transport = transport
        self._policy = policy
        self._effects = effects
        self._base = base
        self._lock = threading.Lock()
        self._schemes: dict[str | None, Scheme] = {}
        self._credentials: dict[str | None, Credentials] = {}
        self._tokens: dict[_TokenKey, _Cached] = {}
        self._service: TokenService | None = None
        self._peer: str | None = None
        self._at_base: tuple[Challenge, ...] | None = None
        self._obstacles: dict[str | None, str | None] = {}

    def authorization(
        self,
        operation: Operation,
        *,
        repository: str | None,
        deadline: float | None,
        refusals: int = 0,
        scopes: frozenset[str] = frozenset(),
    ) -> Authorization:
        """Return what to send with a request about a repository, by all that is known so far. Raises RegistryError.

        scopes are what a token must permit besides what the registry asked for; later tokens permit it as well, because
        a registry may refuse a token without naming the scope that it lacks. refusals counts the credentials that were
        refused for this request before. Credentials are looked up when the registry asks for them; a ready token from
        the options is sent with the first request.
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
            if isinstance(scheme, BearerScheme):
                if not covers(scheme.scopes, scopes):
                    scheme = self._schemes[repository] = scheme.widened(scopes)
                return self._token(scheme, credentials, operation, deadline, own=refusals >= _SHARED_REFUSALS)
            return Authorization(_basic(credentials))

    def learn(
        self,
        answer: Answer,
        *,
        operation: Operation,
        repository: str | None,
        sent: Authorization | None,
        deadline: float | None = None,
    ) -> bool:
        """Learn from a refusal (401, 403, 404, 429); return whether to repeat the request.

        Raises Unauthorized if the registry requires credentials that are not available, ProtocolBroken for unusable
        challenges, and the transient errors of asking at /v2/.
        """
        with self._lock:
            lines = answer.header_lines("WWW-Authenticate")
            challenges = parse_challenges(lines)
            if sent is not None and sent.value is not None:
                return self._renew(challenges, answer, repository, sent)
            if answer.status == 401:
                self._peer = answer.peer
                if lines:
                    return self._apply_challenges(challenges, answer, operation, repository)
            return self._learn_at_base(answer, operation, repository, deadline)

    def describe(self, repository: str | None) -> str | None:
        """Return the credentials as text, None if there are none or none were asked for."""
        with self._lock:
            credentials = self._credentials.get(repository)
            if isinstance(self._source, Fixed):
                credentials = self._source.credentials
            return None if credentials is None or isinstance(credentials, Anonymous) else str(credentials)

    def obstacle(self, repository: str | None) -> str | None:
        """Return why the credentials cannot answer the challenge of /v2/; None if that is not known."""
        with self._lock:
            return self._obstacles.get(repository)

    def _lookup(self, repository: str | None) -> Credentials:
        if repository not in self._credentials:
            self._credentials[repository] = self._source.credentials_for(self._registry, repository)
        return self._credentials[repository]

    def _apply_challenges(
        self, challenges: tuple[Challenge, ...], answer: Answer, operation: Operation, repository: str | None
    ) -> bool:
        scheme = choose_scheme(
            challenges, self._lookup(repository), answer=answer, operation=operation, repository=repository
        )
        if scheme is not None:
            self._schemes[repository] = scheme
        return scheme is not None

    def _learn_at_base(
        self, answer: Answer, operation: Operation, repository: str | None, deadline: float | None
    ) -> bool:
        """Ask at /v2/ how to log in, if there are credentials that the registry has not asked for."""
        if repository in self._schemes:
            return True  # another thread learned it after this request was sent
        if isinstance(self._lookup(repository), Anonymous):
            return False
        challenges = self._ask_at_base(operation, deadline)
        if repository is not None:
            # the scope of /v2/ is not a scope of this repository
            challenges = tuple(one.without("scope") for one in challenges)
        try:
            return bool(challenges) and self._apply_challenges(challenges, answer, operation, repository)
        except RegistryError as exc:
            # the challenge of /v2/ cannot be answered, which may not be the cause of this answer
            self._obstacles[repository] = exc.why
            return False

    def _ask_at_base(self, operation: Operation, deadline: float | None) -> tuple[Challenge, ...]:
        """Return the challenges of /v2/, asked for once; empty if it does not ask for credentials."""
        if self._base is None or self._at_base is not None:
            return self._at_base or ()
        try:
            answer = self._transport.fetch(Request(operation, "GET", self._base, deadline=deadline))
        except RegistryError as exc:
            if exc.transient:
                raise
            self._at_base = ()
            return ()
        answer.discard()
        if answer.status == 401 and answer.url.origin == self._base.origin:
            self._peer = answer.peer
            self._at_base = parse_challenges(answer.header_lines("WWW-Authenticate"))
        elif answer.status < 500 and answer.status != 429:
            self._at_base = ()
        return self._at_base or ()

    def _renew(
        self, challenges: tuple[Challenge, ...], answer: Answer, repository: str | None, sent: Authorization
    ) -> bool:
        scheme = self._schemes.get(repository)
        if answer.status not in (401, 403) or not isinstance(scheme, BearerScheme):
            return False
        credentials = self._lookup(repository)
        if isinstance(credentials, Token):
            return False
        wider = wider_scopes(challenges)
        if not wider <= scheme.scopes:
            widened = self._schemes[repository] = scheme.widened(wider)
            return widened != scheme
        if sent.own:
            return False
        key, cached = self._find_token(scheme, credentials)
        if answer.status == 403:
            # another thread may have widened the scopes since this token was issued
            return bool(wider) and (cached is None or cached.value != sent.value)
        if cached is not None and cached.value == sent.value:
            if sent.fresh and not cached.shared:
                return False
            del self._tokens[key]
        return True

    def _find_token(self, scheme: BearerScheme, credentials: Credentials) -> tuple[_TokenKey, _Cached | None]:
        """Return the token for the scopes of a scheme, or one with wider scopes of the same service, and its key."""
        key = scheme, credentials
        if key not in self._tokens:
            for held in self._tokens:
                same = replace(held[0], scopes=scheme.scopes), held[1]
                if same == key and covers(held[0].scopes, scheme.scopes):
                    return held, self._tokens[held]
        return key, self._tokens.get(key)

    def _token(
        self,
        scheme: BearerScheme,
        credentials: Credentials,
        operation: Operation,
        deadline: float | None,
        *,
        own: bool,
    ) -> Authorization:
        now = self._effects.clock()
        dummy, cached = self._find_token(scheme, credentials)
        if cached is not None and now < cached.renew_at and not own:
            cached.shared = True
            return Authorization(cached.value)
        from .token_service import TokenRequest, TokenService

        if self._service is None:
            self._service = TokenService(self._transport, policy=self._policy, effects=self._effects)
        elsewhere = self._registry if self._base is None else None
        wanted = TokenRequest(scheme.realm, scheme.service, scheme.scopes, credentials, self._peer, elsewhere)
        issued = self._service.issue(wanted, operation=operation, deadline=deadline)
        value = f"Bearer {issued.token}"
        if not own:
            self._tokens[scheme, credentials] = _Cached(value, now + issued.lifetime * (1 - _MARGIN))
        return Authorization(value, fresh=True, own=own)


def _basic(credentials: Credentials) -> str | None:
    from .token_service import basic_header

    return basic_header(credentials.username, credentials.password) if isinstance(credentials, BasicAuth) else None


__all__ = ("Authenticator", "Authorization")
