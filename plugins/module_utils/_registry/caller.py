# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Make the calls of the distribution API: authentication, errors and retries around the transport.

Called by client.py, blobs.py, manifests.py, manifest_head.py, name_list.py, first_tags.py, referrers.py and the room
push.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._base.text import visible
from .errors import RegistryError
from .retry import Attempts
from .transport.answer import is_markup
from .transport.transport import Request

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .auth.logins import Logins
    from .endpoint import Endpoint
    from .errors import Operation
    from .options import ClientOptions
    from .transport.answer import Answer
    from .transport.redirects import RedirectHops
    from .transport.transport import Body, Hops, Method, Transport
    from .url import Url

T = t.TypeVar("T")

# without credentials; with a token; with more scopes; twice with a token that other threads may have used up; with a
# token of its own
_AUTHENTICATION_TRIES: t.Final = 6
_MAX_WARNINGS: t.Final = 20
# distribution-spec, "Warnings"
_MAX_WARNING: t.Final = 4096


@dataclass(frozen=True)
class Call:
    """One request of the distribution API.

    statuses are the statuses that are not errors; deadline is by the monotonic clock. scopes are what a token must
    permit in addition to what the registry asks for. hops checks a url that is not the registry's own, see
    Caller.hops().
    """

    operation: Operation
    url: Url
    method: Method = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    statuses: tuple[int, ...] = (200,)
    deadline: float | None = None
    body: Body | None = field(default=None, repr=False)
    scopes: frozenset[str] = frozenset()
    hops: Hops | None = field(default=None, repr=False)


class Caller:
    """Makes the calls of one registry and turns failures into RegistryErrors. logins authenticates the calls."""

    def __init__(
        self,
        endpoint: Endpoint,
        options: ClientOptions,
        *,
        transport: Transport,
        logins: Logins,
    ) -> None:
        self.endpoint = endpoint
        self.options = options
        self._transport = transport
        self._logins = logins
        self._warned: set[str] = set()
        self._deadline: float | None = None

    @property
    def logs_in(self) -> bool:
        """Whether the registry has asked for a login, or gets a token unasked."""
        return self._logins.get(self.endpoint.origin) is not None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of all requests besides Host."""
        return self._transport.headers

    def deadline(self) -> float | None:
        """Return when all work must be done, by the monotonic clock; the first call starts the total timeout."""
        if self._deadline is None and self.options.timeouts.total is not None:
            self._deadline = self.options.effects.clock() + self.options.timeouts.total
        return self._deadline

    def attempts(self, deadline: float | None) -> Attempts:
        """Return a new counter of attempts for one operation."""
        return Attempts(self.options.retry, effects=self.options.effects, deadline=deadline)

    def hops(self, operation: Operation, peer: str | None) -> RedirectHops:
        """Return the checks for a URL that the registry, at the address peer, refers to: those of its redirects."""
        return self._transport.redirect_hops(operation, peer)

    def open(self, call: Call) -> Answer:
        """Make a call once and return its answer, body unread, with one of call.statuses. Raises RegistryError."""
        writes = call.method not in ("GET", "HEAD")
        login = self._logins.begin(call.operation, writes=writes, deadline=call.deadline, scopes=call.scopes)
        for tries_left in reversed(range(_AUTHENTICATION_TRIES)):
            request = Request(
                call.operation,
                call.method,
                call.url,
                headers=call.headers,
                authorization=login.authorize(call.url),
                elsewhere=login.authorize_elsewhere,
                body=call.body,
                deadline=call.deadline,
            )
            answer = self._transport.fetch(request, hops=call.hops)
            if not tries_left or not login.learns(answer):
                break
            answer.discard()
        if answer.status in call.statuses:
            self._pass_on_warnings(answer)
            return answer
        from .auth.challenge import parse_challenges
        from .auth.schemes import lacks_scope
        from .transport.statuses import status_error

        used, value, unsent = login.used(answer)
        own = answer.url.origin == self.endpoint.origin
        via = None if own else f"{self.endpoint.origin.authority} redirects to"
        error = status_error(
            answer, call.operation, used=used, now=self.options.effects.now(), sent=value, via=via, unsent=unsent
        )
        error.lacks_scope = lacks_scope(parse_challenges(answer.header_lines("WWW-Authenticate")))
        raise error

    def document(self, call: Call, *, limit: int) -> tuple[Answer, bytes]:
        """Make a call, with retries, and read its body of at most limit bytes. Raises RegistryError."""
        return self.consume(call, lambda answer: _read(answer, limit))

    def consume(self, call: Call, use: Callable[[Answer], T]) -> tuple[Answer, T]:
        """Make a call and apply use to its answer, with retries after transient errors. Raises RegistryError."""
        attempts = self.attempts(call.deadline)
        while True:
            try:
                with self.open(call) as answer:
                    return answer, use(answer)
            except RegistryError as exc:
                attempts.wait_or_raise(exc)

    def _pass_on_warnings(self, answer: Answer) -> None:
        for line in answer.header_lines("Warning"):
            code, dummy, rest = line[:_MAX_WARNING].partition(" ")
            text = rest.partition(" ")[2].strip().strip('"').strip()
            if code == "299" and text and text not in self._warned and len(self._warned) < _MAX_WARNINGS:
                self._warned.add(text)
                self.options.warn(f"{self.endpoint.name} warns: {visible(text, limit=500)}")


def _read(answer: Answer, limit: int) -> bytes:
    body = answer.read(limit)
    if is_markup(body):
        raise answer.page_error()
    return body


__all__ = ("Call", "Caller")
