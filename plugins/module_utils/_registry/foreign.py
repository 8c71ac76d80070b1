# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Fetch nondistributable layers from the URLs that their image names (image-spec, descriptor.md, "urls").

Called by blobs.py when the registry does not have such a layer.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._base.text import visible
from .errors import NotFound, RedirectRefused, RegistryError
from .realm_policy import NotEntitled
from .transport.statuses import status_error
from .transport.transport import Request
from .url import Url, UrlInvalid

if t.TYPE_CHECKING:
    from .caller import Call
    from .errors import Operation
    from .options import Effects
    from .realm_policy import RealmPolicy
    from .transport.answer import Answer
    from .transport.transport import Transport

_MAX_URLS: t.Final = 8


@dataclass(frozen=True)
class ForeignSource:
    """The URLs of a nondistributable layer that the registry does not have (image-spec, descriptor.md, "urls").

    The author of the image chose these URLs. They are therefore used only if allowed, get no credentials, and must
    satisfy the realm policy of the registry.
    """

    urls: tuple[str, ...]
    allowed: bool
    transport: Transport
    policy: RealmPolicy
    effects: Effects

    def require_allowed(self, missing: NotFound) -> None:
        """Raise the error that says how to allow foreign layers, based on the error for the missing blob."""
        if self.allowed:
            return
        hosts = ", ".join(_host(url) for url in self.urls[:3])
        error = NotFound(
            f"{missing.message} It is a foreign layer, which the image locates at {hosts}; "
            "set foreign_layers to true to fetch it from there.",
            **missing.fields,
        )
        raise error

    def open(self, call: Call) -> Answer:
        """Open the answer of the first URL that has the layer. Raises the RegistryError of the last URL."""
        error: RegistryError | None = None
        for text in self.urls[:_MAX_URLS]:
            try:
                return self._fetch(call, text)
            except RegistryError as exc:
                error = exc
        raise error or call.operation.error(NotFound, "the image has no URL for this layer", "pull another image")

    def _fetch(self, call: Call, text: str) -> Answer:
        try:
            url = Url.parse(text)
        except UrlInvalid as exc:
            raise call.operation.error(
                RedirectRefused, f"a URL of the image for this layer cannot be used: {exc}", "pull another image"
            ) from None
        request = Request(call.operation, "GET", url, headers=call.headers, deadline=call.deadline)
        answer = self.transport.fetch(request, hops=_ForeignHops(self.policy, call.operation))
        if answer.status in call.statuses:
            return answer
        raise status_error(
            answer, call.operation, used=None, now=self.effects.now(), via="the image locates this layer at"
        )


def _host(text: str) -> str:
    try:
        return visible(Url.parse(text).origin.authority, limit=80)
    except UrlInvalid:
        return "a URL that cannot be used"


@dataclass(frozen=True)
class _ForeignHops:
    """Applies the realm policy to a foreign URL and its redirects."""

    policy: RealmPolicy
    operation: Operation

    def check_url(self, url: Url) -> None:
        """Raise RedirectRefused if the policy refuses the URL."""
        try:
            self.policy.check(url)
        except NotEntitled as exc:
            raise self._error(url, str(exc)) from None

    def check_peer(self, url: Url, peer: str) -> None:
        """Raise RedirectRefused if the policy refuses the address."""
        try:
            self.policy.check_peer(url.origin, peer, registry_peer=None)
        except NotEntitled as exc:
            raise self._error(url, str(exc)) from None

    def _error(self, url: Url, why: str) -> RedirectRefused:
        return self.operation.error(
            RedirectRefused,
            f"the image locates this layer at {visible(str(url.origin))}, which is refused: {why}",
            "push the layer to the registry",
        )


__all__ = ("ForeignSource",)
