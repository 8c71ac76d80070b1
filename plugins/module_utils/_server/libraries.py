# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The libraries that serve: aiohttp, bcrypt and prometheus-client, imported in this file only.

Every file can be imported without them; require_* raise DependencyMissing when a library is used. The libraries of the
settings are in config/libraries.py, so that the settings can be validated without loading a web server.
"""

from __future__ import annotations

import types
import typing as t

from .requirements import require, require_version

# older versions accept spaces in header names and folded headers, which proxies may interpret differently (RFC 9112, 5)
OLDEST_AIOHTTP: t.Final = (3, 11)


try:
    from aiohttp import __version__ as AIOHTTP_VERSION
    from aiohttp import web
    from aiohttp.http import HttpProcessingError
    from multidict import CIMultiDict, CIMultiDictProxy
    from yarl import URL

    # replaces the URL from the client in requests
    NO_URL: t.Any = URL("/")
    # errors of aiohttp about malformed input of a client
    MALFORMED: tuple[type[Exception], ...] = (HttpProcessingError, web.RequestPayloadError)
except ImportError:
    AIOHTTP_VERSION = ""
    NO_URL, MALFORMED = None, ()
    CIMultiDict = CIMultiDictProxy = None  # type: ignore[misc, assignment]

    class web:  # type: ignore[no-redef]  # noqa: N801
        """A stand-in, so that subclasses of aiohttp classes can be defined without aiohttp."""

        RequestHandler = Server = StreamResponse = object


bcrypt: types.ModuleType | None
try:
    import bcrypt
except ImportError:
    bcrypt = None

prometheus_client: types.ModuleType | None
try:
    import prometheus_client
    import prometheus_client.core
except ImportError:
    prometheus_client = None


def require_aiohttp() -> None:
    """Raise DependencyMissing unless a supported aiohttp is installed."""
    require_version("aiohttp", AIOHTTP_VERSION, OLDEST_AIOHTTP, effect=" and accepts malformed requests")


def require_bcrypt() -> t.Any:
    """Return the library bcrypt. Raises DependencyMissing."""
    return require(bcrypt, "Checking passwords", "bcrypt", "bcrypt")


def require_prometheus() -> t.Any:
    """Return the library prometheus-client. Raises DependencyMissing."""
    return require(prometheus_client, "Serving metrics", "prometheus-client", "prometheus-client")


__all__ = (
    "MALFORMED",
    "NO_URL",
    "CIMultiDict",
    "CIMultiDictProxy",
    "bcrypt",
    "prometheus_client",
    "require_aiohttp",
    "require_bcrypt",
    "require_prometheus",
    "web",
)
