# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Authenticators of the registry and of registries that it redirects to. caller.py calls it.

The credentials of the registry stay with it. Another registry that wants tokens (a gateway or a vanity domain redirects
there) gets what the auth files hold for that one, or gives a token to anyone.
"""

from __future__ import annotations

import re
import threading
import typing as t

from ..errors import RegistryError
from .credentials import Anonymous, Fixed, Token

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ..effects import Effects
    from ..endpoint import Endpoint
    from ..errors import Operation
    from ..transport.answer import Answer
    from ..transport.transport import Transport
    from ..url import Origin, Url
    from .authentication import Authenticator, Authorization
    from .credentials import CredentialSource

_REFUSALS: t.Final = (401, 403, 404, 429)  # what a registry may answer to those who have not logged in
_REPOSITORY: t.Final = re.compile(r"/v2/(.{1,1024})/(?:manifests|blobs|tags|referrers)/[^/]*$")


class Logins:
    """The authenticators of one registry and of the registries that it redirects to; threads may share it.

    source knows the credentials of the registry, others those of other registries. trusted_realm_hosts is as in
    RealmPolicy. Nothing is asked, and little imported, before a registry refuses something.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        source: CredentialSource,
        others: CredentialSource,
        transport: Transport,
        trusted_realm_hosts: Sequence[str],
        effects: Effects,
    ) -> None:
        self.endpoint = endpoint
        self._source = source
        self._others = others
        self._transport = transport
        self._trusted = tuple(trusted_realm_hosts)
        self._effects = effects
        self._lock = threading.Lock()
        self._authenticators: dict[Origin, Authenticator] = {}
        if isinstance(source, Fixed) and isinstance(source.credentials, Token):
            self.make(endpoint.origin)  # a ready token is sent unasked

    def begin(self, operation: Operation, *, deadline: float | None) -> Login:
        """What one call is logged in with, from its first request to its last."""
        return Login(self, operation, deadline=deadline)

    def get(self, origin: Origin) -> Authenticator | None:
        """The authenticator of an origin, None if it has refused nothing yet."""
        return self._authenticators.get(origin)

    def make(self, origin: Origin) -> Authenticator:
        """The authenticator of an origin, made if need be."""
        from .authentication import Authenticator
        from .realm_policy import RealmPolicy

        own = origin == self.endpoint.origin
        with self._lock:
            if origin not in self._authenticators:
                self._authenticators[origin] = Authenticator(
                    registry=self.endpoint.name if own else origin.authority,
                    source=self._source if own else self._source_for(origin),
                    transport=self._transport,
                    policy=RealmPolicy(origin, self._trusted),
                    effects=self._effects,
                    base=self.endpoint.base() if own else None,
                )
            return self._authenticators[origin]

    def _source_for(self, origin: Origin) -> CredentialSource:
        """The credentials for another registry: none over plain HTTP, unless it is on this host."""
        from .realm_policy import Reach, address_reach

        host = origin.host.rstrip(".")
        # resolvers may ask the DNS for the other local names
        local = host == "localhost" or address_reach(host) is Reach.LOOPBACK
        return self._others if origin.scheme == "https" or local else Fixed(Anonymous())


class Login:
    """What one call is logged in with; for one thread."""

    def __init__(self, logins: Logins, operation: Operation, *, deadline: float | None) -> None:
        self._logins = logins
        self._operation = operation
        self._deadline = deadline
        self._sent: dict[Origin, Authorization] = {}
        self._withheld: Authorization | None = None
        self._refusals = 0

    def authorize(self, url: Url) -> str | None:
        """What to send to the registry itself. Raises RegistryError."""
        self._sent.clear()
        self._withheld = None
        return self._authorize(url)

    def authorize_elsewhere(self, url: Url) -> str | None:
        """What to send where it redirects to. Raises RegistryError."""
        if not self._is_own(url):
            return self._authorize(url)
        # what comes back to the registry by way of another server carries nothing
        self._withheld = self._sent.pop(url.origin, None) or self._withheld
        return None

    def learns(self, answer: Answer) -> bool:
        """Whether to make the request again, by what an answer says about logging in. Raises RegistryError."""
        own = self._is_own(answer.url)
        if answer.status not in _REFUSALS or not (own or answer.status == 401):
            return False
        if own and self._came_back_without_credentials:
            return False  # the next request would come back in the same way
        sent = self._sent.get(answer.url.origin)
        try:
            learnt = self._logins.make(answer.url.origin).learn(
                answer,
                operation=self._operation,
                repository=self._repository(answer.url),
                sent=sent,
                deadline=self._deadline,
            )
        except RegistryError:
            if not own:
                return False  # the answer itself says more, to people who know nothing of that registry
            answer.close()
            raise
        self._refusals += sent is not None and sent.value is not None
        return learnt

    def used(self, answer: Answer) -> tuple[str | None, str | None, str | None]:
        """The credentials that an answer came to in words, the value that was sent, and why others were not sent.

        The last is None where no credentials are known.
        """
        sent = self._sent.get(answer.url.origin)
        authenticator = self._logins.get(answer.url.origin)
        if authenticator is None:
            return None, None, None
        repository = self._repository(answer.url)
        known = authenticator.describe(repository)
        if sent is not None and sent.value is not None:
            return known, sent.value, None
        return None, None, None if known is None else self._unsent(known, authenticator.obstacle(repository))

    @property
    def _came_back_without_credentials(self) -> bool:
        """Whether the request was led back to the registry, which had got credentials with it at first."""
        return self._withheld is not None and self._withheld.value is not None

    def _unsent(self, known: str, obstacle: str | None) -> str:
        """Why known credentials were not sent."""
        if self._came_back_without_credentials:
            return f"the registry redirected to another server, which redirected back, so it was not sent {known} again"
        way = "in a way that this client can answer" + (f" ({obstacle})" if obstacle else "")
        return f"the registry did not ask for credentials {way}, so it was not sent {known}"

    def _authorize(self, url: Url) -> str | None:
        authenticator = self._logins.get(url.origin)
        if authenticator is None:
            return None
        sent = authenticator.authorization(
            self._operation, repository=self._repository(url), deadline=self._deadline, refusals=self._refusals
        )
        self._sent[url.origin] = sent
        return sent.value

    def _is_own(self, url: Url) -> bool:
        return url.origin == self._logins.endpoint.origin

    def _repository(self, url: Url) -> str | None:
        """The repository of a request; another registry may have it under another name."""
        if self._is_own(url):
            return self._operation.repository
        match = _REPOSITORY.search(url.path)
        return self._operation.repository if match is None else match.group(1)


__all__ = ("Login", "Logins")
