# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The proxies of the task's environment: http_proxy, https_proxy, all_proxy, no_proxy. Called by transport.py."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from urllib.parse import unquote

from ..._base.text import visible
from ..errors import ConfigurationError
from ..realm_policy import Reach, address_reach, is_local_name
from ..url import UrlInvalid, parse_authority

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ..url import Origin

_SCHEMES: t.Final = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxies:
    """The proxies of the environment. Their URLs may contain passwords, so they are never shown.

    no_proxy has host names (with all names below them), addresses, networks such as 10.0.0.0/8, each with an optional
    port, or "*".
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Proxies:
        """Read http_proxy, https_proxy, all_proxy and no_proxy in lower or upper case; lower case wins.

        HTTP_PROXY in upper case is ignored in a CGI script, where a request header sets it.
        """

        def value(name: str) -> str:
            upper = "" if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper(), "")
            return environ.get(name, upper).strip()

        every = value("all_proxy")
        return cls(
            http=value("http_proxy") or every or None,
            https=value("https_proxy") or every or None,
            no_proxy=tuple(entry.strip().lower() for entry in value("no_proxy").split(",") if entry.strip()),
        )

    def for_origin(self, origin: Origin) -> str | None:
        """Return the URL of the proxy for an origin, None for a direct connection. Loopback is always direct.

        Raises ConfigurationError, which shows no part of the URL.
        """
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or _is_local(origin.host) or any(_excludes(entry, origin) for entry in self.no_proxy):
            return None
        return _check_url(proxy if "://" in proxy else f"http://{proxy}")


def proxy_name(url: str | None) -> str | None:
    """Return host and port of a proxy for messages, without the credentials that its URL may contain."""
    if url is None:
        return None
    return visible(re.split(r"[/?#\\]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2], limit=300)


def _check_url(url: str) -> str:
    """Return the URL if it is valid; the libraries report an invalid one as a fault of the server, or crash."""
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        hint = "it does not state the version of SOCKS" if scheme == "socks" else "its scheme is not supported"
        raise ConfigurationError(
            f"The proxy in the environment of the task cannot be used: {hint}; write http://, https://, socks5:// or "
            "socks5h:// (the proxy resolves names) in http_proxy, https_proxy or all_proxy."
        )
    user, dummy, place = re.split(r"[/?#\\]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")
    try:
        parse_authority(place, scheme="http")
        unquote(user).encode("latin-1")
        return url
    except UrlInvalid as exc:
        why = str(exc)
    except UnicodeError:
        why = "its user name or password contains characters outside of ISO 8859-1"
    raise ConfigurationError(
        f"The proxy in the environment of the task cannot be used: {why}; correct http_proxy, https_proxy or all_proxy."
    )


def _excludes(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    name, port = _split_port(entry)
    if port is not None and port != str(origin.port):
        return False
    from ipaddress import ip_address, ip_network

    try:
        address = ip_address(origin.host)
    except ValueError:
        name = name.lstrip("*").strip(".")
        host = origin.host.rstrip(".")
        return bool(name) and (host == name or host.endswith("." + name))
    try:
        return address in ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, str | None]:
    if entry.startswith("["):
        host, dummy, port = entry[1:].partition("]")
        return host, port.lstrip(":") or None
    if entry.count(":") == 1:
        host, dummy, port = entry.partition(":")
        return host, port or None
    return entry, None


def _is_local(host: str) -> bool:
    return is_local_name(host) or address_reach(host) is Reach.LOOPBACK


__all__ = ("Proxies", "proxy_name")
