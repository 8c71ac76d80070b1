# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Get bearer tokens from the token service of a registry (distribution-spec refers to "Token Authentication").

Implements distribution's token authentication and its OAuth2 form. Called by authentication.py.
"""

from __future__ import annotations

import re
import typing as t
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import urlencode

from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..._base.text import visible
from ..errors import REPORT, ProtocolBroken, RealmRefused, RegistryError, Unauthorized
from ..realm_policy import NotEntitled
from ..transport.answer import is_markup
from ..transport.statuses import login_advice, status_error
from ..transport.transport import Request
from ..url import Url
from .credentials import BasicAuth, IdentityToken

if t.TYPE_CHECKING:
    from ..._base.strict_json import JsonObject
    from ..errors import Operation
    from ..options import Effects
    from ..realm_policy import RealmPolicy
    from ..transport.answer import Answer
    from ..transport.transport import Transport
    from .credentials import Credentials

CLIENT_ID: t.Final = "attested.registry"
MAX_BODY: t.Final = 1024 * 1024
MIN_LIFETIME: t.Final = 60.0
MAX_LIFETIME: t.Final = 24 * 3600.0

_MAX_TOKEN: t.Final = 64 * 1024
_TOKEN: t.Final = re.compile(r"[!-~]+")
# statuses of services that do not offer the method
_FALLBACK: t.Final = (404, 405)
_REFUSALS: t.Final = (400, 401, 403)
# a service with the form of OAuth2 alone, which requires credentials, does not offer GET
_NO_GET: t.Final = 405


@dataclass(frozen=True)
class TokenRequest:
    """What to ask a token service for, and with which credentials.

    registry_peer is the address of the registry. elsewhere is the name of the registry if it is not that of the task
    but one that it redirects to.
    """

    realm: Url
    service: str | None
    scopes: frozenset[str]
    credentials: Credentials
    registry_peer: str | None = None
    elsewhere: str | None = None


@dataclass(frozen=True)
class IssuedToken:
    """A bearer token and its lifetime in seconds, counted from the request."""

    token: str = field(repr=False)
    lifetime: float


class TokenService:
    """Gets bearer tokens (distribution's token authentication, and its OAuth2 form)."""

    def __init__(self, transport: Transport, *, policy: RealmPolicy, effects: Effects) -> None:
        self._transport = transport
        self._policy = policy
        self._effects = effects

    def issue(self, wanted: TokenRequest, *, operation: Operation, deadline: float | None) -> IssuedToken:
        """Get a token.

        Raises RealmRefused before anything is sent to a realm that the policy refuses, Unauthorized if the service
        rejects the credentials, and other RegistryErrors.
        """
        hops = RealmHops(self._policy, operation, wanted.registry_peer)
        answer: Answer | None = None
        for request in _requests(wanted, operation, deadline):
            if answer is not None:
                answer.discard()
            answer = self._transport.fetch(request, hops=hops)
            if answer.status not in _FALLBACK:
                break
        return self._read_token(t.cast("Answer", answer), wanted, operation)

    def _read_token(self, answer: Answer, wanted: TokenRequest, operation: Operation) -> IssuedToken:
        with answer:
            if answer.status != 200:
                raise self._refusal_error(answer, wanted, operation)
            body = answer.read(MAX_BODY)
            if is_markup(body):
                raise answer.page_error()
        try:
            return _parse(load_object(body, what="the answer of the token service", max_bytes=MAX_BODY))
        except (JsonInvalid, ValueError) as exc:
            reason = "it is not a JSON object" if isinstance(exc, JsonInvalid) else str(exc)
        raise operation.error(
            ProtocolBroken,
            f"the answer of the token service {answer.url.origin.authority} cannot be used: {reason}",
            REPORT,
            url=answer.url.safe,
        )

    def _refusal_error(self, answer: Answer, wanted: TokenRequest, operation: Operation) -> RegistryError:
        authority = visible(wanted.realm.origin.authority)
        used = str(wanted.credentials) if isinstance(wanted.credentials, (BasicAuth, IdentityToken)) else None
        if answer.status not in _REFUSALS and not (used is None and answer.status == _NO_GET):
            step = operation.about(f"{operation.doing} (token service)")
            sent = _authorization_value(wanted.credentials)
            return status_error(answer, step, used=used, now=self._effects.now(), sent=sent)
        answer.discard()
        if used is None:
            return operation.error(
                Unauthorized,
                f"the token service {authority} issues no token without credentials",
                login_advice(wanted.elsewhere),
                status=answer.status,
            )
        return operation.error(
            Unauthorized,
            f"the token service {authority} rejected {used}",
            "check the credentials, and that they are for this registry",
            status=answer.status,
        )


@dataclass(frozen=True)
class RealmHops:
    """Applies the realm policy to a token request and each of its redirects."""

    policy: RealmPolicy
    operation: Operation
    registry_peer: str | None

    def check_url(self, url: Url) -> None:
        """Raise RealmRefused if the policy refuses the URL."""
        try:
            self.policy.check(url)
        except NotEntitled as exc:
            raise self._error(url, str(exc)) from None

    def check_peer(self, url: Url, peer: str) -> None:
        """Raise RealmRefused if the policy refuses the address."""
        try:
            self.policy.check_peer(url.origin, peer, registry_peer=self.registry_peer)
        except NotEntitled as exc:
            raise self._error(url, str(exc)) from None

    def _error(self, url: Url, why: str) -> RealmRefused:
        host = visible(url.origin.host)
        advice = f"if {host} is the registry's token service, add it to the option trusted_realm_hosts"
        if self.policy.knows(url.origin):
            advice = "correct the address of the token service in the configuration of the registry"
        return self.operation.error(
            RealmRefused,
            f"the registry names {visible(str(url.origin))} as its token service, which is refused: {why}",
            advice,
            realm=host,
        )


def basic_header(username: str, password: str) -> str:
    """Return the value of an Authorization header (RFC 7617, in UTF-8)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


def _authorization_value(credentials: Credentials) -> str | None:
    if isinstance(credentials, BasicAuth):
        return basic_header(credentials.username, credentials.password)
    return basic_header("<token>", credentials.token) if isinstance(credentials, IdentityToken) else None


def _requests(wanted: TokenRequest, operation: Operation, deadline: float | None) -> t.Iterator[Request]:
    """Yield the requests for a token in the order to try them: the next one if a service does not offer the last.

    Distribution's form is GET, and that of OAuth2 is POST. An identity token has its own form, OAuth2's; some services
    accept it in a GET as well, and some accept a password only in a POST.
    """
    if not isinstance(wanted.credentials, IdentityToken):
        yield _get_request(wanted, operation, deadline)
    if isinstance(wanted.credentials, (BasicAuth, IdentityToken)):
        yield _oauth2_request(wanted, wanted.credentials, operation, deadline)
    if isinstance(wanted.credentials, IdentityToken):
        yield _get_request(wanted, operation, deadline)


def _get_request(wanted: TokenRequest, operation: Operation, deadline: float | None) -> Request:
    pairs = [] if wanted.service is None else [("service", wanted.service)]
    pairs += [("scope", scope) for scope in sorted(wanted.scopes)]
    if isinstance(wanted.credentials, BasicAuth):
        pairs.append(("account", wanted.credentials.username))
    query = "&".join(part for part in (wanted.realm.query, urlencode(pairs)) if part)
    url = Url(wanted.realm.origin, wanted.realm.path, query or None)
    return Request(operation, "GET", url, authorization=_authorization_value(wanted.credentials), deadline=deadline)


def _oauth2_request(
    wanted: TokenRequest, credentials: BasicAuth | IdentityToken, operation: Operation, deadline: float | None
) -> Request:
    if isinstance(credentials, IdentityToken):
        pairs = [("grant_type", "refresh_token"), ("refresh_token", credentials.token)]
    else:
        pairs = [("grant_type", "password"), ("username", credentials.username), ("password", credentials.password)]
    pairs.append(("client_id", CLIENT_ID))
    pairs += [] if wanted.service is None else [("service", wanted.service)]
    pairs += [("scope", " ".join(sorted(wanted.scopes)))] if wanted.scopes else []
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(pairs).encode("ascii")
    return Request(
        operation,
        "POST",
        wanted.realm,
        headers={**headers, "Content-Length": str(len(body))},
        body=body,
        deadline=deadline,
    )


def _parse(value: JsonObject) -> IssuedToken:
    token = value.get("token") or value.get("access_token")
    if not isinstance(token, str) or len(token) > _MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise ValueError("it has no token")
    seconds = value.get("expires_in")
    given = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    lifetime = float(t.cast("float", seconds)) if given else MIN_LIFETIME
    return IssuedToken(token, min(max(lifetime, MIN_LIFETIME), MAX_LIFETIME))


__all__ = (
    "CLIENT_ID",
    "IssuedToken",
    "RealmHops",
    "TokenRequest",
    "TokenService",
    "basic_header",
)
