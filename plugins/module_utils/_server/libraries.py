# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# The one place where third-party libraries are imported; without them everything can be imported, and what needs them
# says so when it is asked for.
import re
import sys
import types
import typing as t

from .errors import DependencyMissing

# 3.8 answers header names with a blank, and folded headers, which proxies may read in another way (RFC 9112, 5)
OLDEST_AIOHTTP: t.Final = (3, 11)

try:
    from aiohttp import __version__ as AIOHTTP_VERSION
    from aiohttp import web
    from aiohttp.http import HttpProcessingError
    from yarl import URL

    HAS_AIOHTTP = True
    # what requests are made with in place of a URL that a client has chosen
    NO_URL: t.Any = URL("/")
    # what aiohttp raises about the bytes of a client
    MALFORMED: tuple[type[Exception], ...] = (HttpProcessingError, web.RequestPayloadError)
except ImportError:
    HAS_AIOHTTP = False
    AIOHTTP_VERSION = ""
    NO_URL, MALFORMED = None, ()

    class web:  # type: ignore[no-redef]  # noqa: N801
        """Stands in, so that classes derived from aiohttp's can be defined."""

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
    """Raise DependencyMissing unless aiohttp can be used."""
    if not HAS_AIOHTTP:
        raise _missing("Starting the server", "aiohttp", "aiohttp")
    if tuple(map(int, re.findall(r"[0-9]+", AIOHTTP_VERSION)[:2])) < OLDEST_AIOHTTP:
        oldest = ".".join(map(str, OLDEST_AIOHTTP))
        raise DependencyMissing(
            f"Starting the server failed: the library aiohttp {AIOHTTP_VERSION} is older than {oldest} and takes "
            f"malformed requests; run pip install 'aiohttp>={oldest}' with {sys.executable}."
        )


def require_yaml() -> t.Any:
    """PyYAML. Raises DependencyMissing."""
    return _found(yaml, "Reading a configuration file", "PyYAML", "yaml")


def require_bcrypt() -> t.Any:
    """The library bcrypt. Raises DependencyMissing."""
    return _found(bcrypt, "Checking passwords", "bcrypt", "bcrypt")


def require_prometheus() -> t.Any:
    """The library prometheus-client. Raises DependencyMissing."""
    return _found(prometheus_client, "Serving metrics", "prometheus-client", "prometheus-client")


def _found(library: types.ModuleType | None, doing: str, name: str, package: str) -> types.ModuleType:
    if library is None:
        raise _missing(doing, name, package)
    return library


def _missing(doing: str, name: str, package: str) -> DependencyMissing:
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
