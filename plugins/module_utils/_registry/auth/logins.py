# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The authenticators of a registry and of the registries that it redirects to. Called by caller.py.

The credentials of the registry are not sent to others. Another registry that requires tokens (behind a gateway or a
vanity domain) gets the credentials that the auth files have for it, or an anonymous token request. That is for reading:
a registry must not choose what this client writes to another one, with rights that the registry does not have.
"""

from __future__ import annotations

import re
import threading
import typing as t

from ..._base.loopback import is_loopback
from ..._base.text import visible
from ..errors import RedirectRefused, RegistryError
from ..realm_policy import is_listed
from .credentials import Anonymous, Fixed, Token

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ..endpoint import Endpoint
    from ..errors import Operation
    from ..options import Effects
    from ..transport.answer import Answer
    from ..transport.transport import Transport
    from ..url import Origin, Url
    from .authentication import Authenticator, Authorization
    from .credentials import CredentialSource

# statuses of answers to clients that have not logged in
_REFUSALS: t.Final = (401, 403, 404, 429)
_REPOSITORY: t.Final = re.compile(r"/v2/(.{1,1024})/(?:manifests|blobs|tags|referrers)/[^/]*$")


class Logins:
    """The authenticators of one registry and of the registries that it redirects to; threads may share it.

    source has the credentials of the registry, others those of other registries. trusted_realm_hosts is as in
    RealmPolicy, trusted_redirect_hosts as in RedirectPolicy: they get credentials for writing, too. No credentials are
    looked up, and few modules imported, before a registry refuses a request.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        source: CredentialSource,
        others: CredentialSource,
        transport: Transport,
        trusted_realm_hosts: Sequence[str],
        trusted_redirect_hosts: Sequence[str],
        effects: Effects,
    ) -> None:
        self.endpoint = endpoint
        self._source = source
        self._others = others
        self._transport = transport
        self._trusted = tuple(trusted_realm_hosts)
        self._writable = tuple(trusted_redirect_hosts)
        self._effects = effects
        self._lock = threading.Lock()
        self._authenticators: dict[Origin, Authenticator] = {}
        if isinstance(source, Fixed) and isinstance(source.credentials, Token):
            self.make(endpoint.origin)  # a ready token is sent with the first request

    def begin(
        self, operation: Operation, *, writes: bool, deadline: float | None, scopes: frozenset[str] = frozenset()
    ) -> Login:
        """Return the login of one call, for its first request to its last; scopes are what a token must permit."""
        return Login(self, operation, writes=writes, deadline=deadline, scopes=scopes)

    def may_write_to(self, origin: Origin) -> bool:
        """Tell whether an origin may get credentials with a request that writes."""
        return origin == self.endpoint.origin or is_listed(origin, self._writable)

    def get(self, origin: Origin) -> Authenticator | None:
        """Return the authenticator of an origin, None if the origin has refused nothing yet."""
        return self._authenticators.get(origin)

    def make(self, origin: Origin) -> Authenticator:
        """Return the authenticator of an origin; create it if it does not exist."""
        from ..realm_policy import RealmPolicy
        from .authentication import Authenticator

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
        """Return the credentials for another registry: none over plain HTTP, unless it is on this host."""
        return self._others if origin.scheme == "https" or is_loopback(origin.host) else Fixed(Anonymous())


class Login:
    """The authentication of one call; for one thread."""

    def __init__(
        self,
        logins: Logins,
        operation: Operation,
        *,
        writes: bool,
        deadline: float | None,
        scopes: frozenset[str],
    ) -> None:
        self._logins = logins
        self._writes = writes
        self._scopes = scopes
        self._operation = operation
        self._deadline = deadline
        self._sent: dict[Origin, Authorization] = {}
        self._withheld: Authorization | None = None
        self._refusals = 0

    def authorize(self, url: Url) -> str | None:
        """Return the Authorization for the registry itself. Raises RegistryError."""
        self._sent.clear()
        self._withheld = None
        return self._authorize(url)

    def authorize_elsewhere(self, url: Url) -> str | None:
        """Return the Authorization for the target of a redirect. Raises RegistryError."""
        if not self._is_own(url):
            return self._authorize(url)
        # a request that another server redirects back to the registry has no credentials
        self._withheld = self._sent.pop(url.origin, None) or self._withheld
        return None

    def learns(self, answer: Answer) -> bool:
        """Learn from an answer about logging in; return whether to repeat the request. Raises RegistryError."""
        own = self._is_own(answer.url)
        if answer.status not in _REFUSALS or not (own or answer.status == 401):
            return False
        if own and self._came_back_without_credentials:
            return False  # the next request would be redirected back as well
        if self._writes and not self._logins.may_write_to(answer.url.origin):
            answer.close()
            raise self._write_refused(answer)
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
                return False  # the answer says more to users who do not know that registry
            answer.close()
            raise
        self._refusals += sent is not None and sent.value is not None
        return learnt

    def used(self, answer: Answer) -> tuple[str | None, str | None, str | None]:
        """Return the credentials of an answer as text, the value that was sent, and why known ones were not sent.

        The last is None if no credentials are known or they were sent.
        """
        sent = self._sent.get(answer.url.origin)
        authenticator = self._logins.get(answer.url.origin)
        if authenticator is None:
            return None, None, None
        repository = self._repository(answer.url)
        known = authenticator.describe(repository)
        if sent is not None and sent.value is not None:
            return known, sent.value, None
        return None, None, None if known is None else self._explain_unsent(known, authenticator.obstacle(repository))

    @property
    def _came_back_without_credentials(self) -> bool:
        """Whether the request was redirected back to the registry, which had received credentials with it at first."""
        return self._withheld is not None and self._withheld.value is not None

    def _explain_unsent(self, known: str, obstacle: str | None) -> str:
        """Return why known credentials were not sent."""
        if self._came_back_without_credentials:
            return f"{known} was not sent again, because the registry redirected to a server that redirected back"
        reason = f" ({obstacle})" if obstacle else ""
        return f"{known} was not sent, because the registry sent no challenge that this client can answer{reason}"

    def _authorize(self, url: Url) -> str | None:
        authenticator = self._logins.get(url.origin)
        if authenticator is None or (self._writes and not self._logins.may_write_to(url.origin)):
            return None
        sent = authenticator.authorization(
            self._operation,
            repository=self._repository(url),
            deadline=self._deadline,
            refusals=self._refusals,
            # another registry may have the repository under another name
            scopes=self._scopes if self._is_own(url) else frozenset(),
        )
        self._sent[url.origin] = sent
        return sent.value

    def _write_refused(self, answer: Answer) -> RedirectRefused:
        other = visible(answer.url.origin.authority)
        return self._operation.error(
            RedirectRefused,
            f"{self._logins.endpoint.origin.authority} leads to {other}, which requires credentials to write there",
            f"if that is right, add {other} to the option trusted_redirect_hosts",
            url=answer.url.safe,
        )

    def _is_own(self, url: Url) -> bool:
        return url.origin == self._logins.endpoint.origin

    def _repository(self, url: Url) -> str | None:
        """Return the repository of a request; another registry may have it under another name."""
        if self._is_own(url):
            return self._operation.repository
        match = _REPOSITORY.search(url.path)
        return self._operation.repository if match is None else match.group(1)


__all__ = ("Login", "Logins")
