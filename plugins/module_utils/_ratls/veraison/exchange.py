# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What one HTTP exchange with a Veraison service needs: the protocol of clients, the answer, and the URL."""

from __future__ import annotations

import typing as t
import urllib.parse
from dataclasses import dataclass

from ..._base.loopback import is_loopback
from ..errors import ConfigurationInvalid
from .ear import veraison_error

MAX_BODY: t.Final = 1024 * 1024
DEFAULT_PORTS: t.Final[t.Mapping[str, int]] = {"https": 443, "http": 80}


@dataclass(frozen=True)
class HttpAnswer:
    """The answer of a server. The names of headers are in lower case."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes


class Http(t.Protocol):
    """Sends one HTTP request. The verification of TLS is set up by the creator."""

    def __call__(
        self, method: str, url: str, *, headers: t.Mapping[str, str], body: bytes | None, timeout: float
    ) -> HttpAnswer:
        """Send a request and return the answer, of at most MAX_BODY bytes, without following redirects.

        The exchange takes at most timeout seconds, except for the name resolver, which has limits of its own. Raises
        VeraisonFailed.
        """


@dataclass(frozen=True)
class ServiceUrl:
    """The URL of a Veraison service, without query and without a slash at its end."""

    url: str

    @classmethod
    def parse(cls, text: str, *, allow_http: bool = False) -> ServiceUrl:
        """Check a URL: https, or http on the loopback interface or with allow_http. Raises ConfigurationInvalid."""
        parts = _split(text)
        if parts is None or parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise _url_error("it is not an https address")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise _url_error("it has credentials, a query or a fragment")
        if parts.scheme == "http" and not allow_http and not is_loopback(parts.hostname):
            raise _url_error("it is http, so anybody on the network path could answer in place of the service")
        return cls(text.rstrip("/"))

    @property
    def is_private(self) -> bool:
        """Whether the network path to the service is protected from eavesdropping."""
        return self.uses_tls or is_loopback(urllib.parse.urlsplit(self.url).hostname or "")

    @property
    def uses_tls(self) -> bool:
        """Whether the URL is https."""
        return self.url.lower().startswith("https:")

    def api(self, path: str) -> str:
        """Return the URL of a path below the service."""
        return f"{self.url}/{path}"

    def resolve(self, base: str, location: str) -> str:
        """Resolve a Location header, which must stay within this service. Raises VeraisonFailed."""
        if not location.isascii() or not location.isprintable() or " " in location or "\\" in location:
            raise veraison_error("the Location of its session is not a URL")
        found = _split(location, base=base)
        own = _split(self.url)
        if found is None or own is None or _origin(found) != _origin(own) or found.username is not None:
            raise veraison_error("the Location of its session leads to another server")
        segments = urllib.parse.unquote(found.path).split("/")
        if found.fragment or found.query or not found.path.startswith(f"{own.path}/") or {".", ".."} & {*segments}:
            raise veraison_error("the Location of its session leads out of the service")
        return urllib.parse.urlunsplit(found)


def _split(text: str, *, base: str = "") -> urllib.parse.SplitResult | None:
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(base, text))
        right = parts.port != 0 and text.isascii() and text.isprintable() and " " not in text
    except ValueError:
        return None
    return parts if right else None


def _origin(parts: urllib.parse.SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _url_error(why: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"The address of the Veraison service cannot be used: {why}; give one such as https://veraison.example:8443."
    )


__all__ = ("DEFAULT_PORTS", "MAX_BODY", "Http", "HttpAnswer", "ServiceUrl")
