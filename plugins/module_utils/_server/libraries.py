# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Third-party libraries of the server, imported in this file only: aiohttp, PyYAML, bcrypt, prometheus-client.

Every file can be imported without them; require_* raise DependencyMissing when a library is used.
"""

from __future__ import annotations

import re
import sys
import types
import typing as t

from .errors import DependencyMissing

# older versions accept spaces in header names and folded headers, which proxies may interpret differently (RFC 9112, 5)
OLDEST_AIOHTTP: t.Final = (3, 11)

try:
    from aiohttp import __version__ as AIOHTTP_VERSION
    from aiohttp import web
    from aiohttp.http import HttpProcessingError
    from yarl import URL

    HAS_AIOHTTP = True
    # replaces the URL from the client in requests
    NO_URL: t.Any = URL("/")
    # errors of aiohttp about malformed input of a client
    MALFORMED: tuple[type[Exception], ...] = (HttpProcessingError, web.RequestPayloadError)
except ImportError:
    HAS_AIOHTTP = False
    AIOHTTP_VERSION = ""
    NO_URL, MALFORMED = None, ()

    class web:  # type: ignore[no-redef]  # noqa: N801
        """A stand-in, so that subclasses of aiohttp classes can be defined without aiohttp."""

        RequestHandler = Server = StreamResponse = object


yaml: types.ModuleType | None
try:
    import yaml
except ImportError:
    yaml = None

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
    if not HAS_AIOHTTP:
        raise _missing_library("Starting the server", "aiohttp", "aiohttp")
    if tuple(map(int, re.findall(r"[0-9]+", AIOHTTP_VERSION)[:2])) < OLDEST_AIOHTTP:
        oldest = ".".join(map(str, OLDEST_AIOHTTP))
        raise DependencyMissing(
            f"Starting the server failed: the library aiohttp {AIOHTTP_VERSION} is older than {oldest} and accepts "
            f"malformed requests; run pip install 'aiohttp>={oldest}' with {sys.executable}."
        )


def require_yaml() -> t.Any:
    """Return PyYAML. Raises DependencyMissing."""
    return _require(yaml, "Reading a configuration file", "PyYAML", "yaml")


def require_bcrypt() -> t.Any:
    """Return the library bcrypt. Raises DependencyMissing."""
    return _require(bcrypt, "Checking passwords", "bcrypt", "bcrypt")


def require_prometheus() -> t.Any:
    """Return the library prometheus-client. Raises DependencyMissing."""
    return _require(prometheus_client, "Serving metrics", "prometheus-client", "prometheus-client")


def _require(library: types.ModuleType | None, doing: str, name: str, package: str) -> types.ModuleType:
    if library is None:
        raise _missing_library(doing, name, package)
    return library


def _missing_library(doing: str, name: str, package: str) -> DependencyMissing:
    return DependencyMissing(
        f"{doing} failed: the Python library {name} is not installed; install the package python3-{package}, "
        f"or run pip install {name} with the Python that runs the server."
    )


__all__ = (
    "HAS_AIOHTTP",
    "MALFORMED",
    "NO_URL",
    "bcrypt",
    "prometheus_client",
    "require_aiohttp",
    "require_bcrypt",
    "require_prometheus",
    "require_yaml",
    "web",
    "yaml",
)
