# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Third-party libraries of the server, imported in this file only.

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
OLDEST_PYDANTIC: t.Final = (2, 10)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version)[:2]))


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


try:
    from pydantic import VERSION as PYDANTIC_VERSION
except ImportError:
    PYDANTIC_VERSION = ""

if _numbers(PYDANTIC_VERSION) >= OLDEST_PYDANTIC:
    from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
else:

    class _Absent:
        """A stand-in, so that models can be defined without pydantic."""

        def __init__(self, *args: t.Any, **options: t.Any) -> None:
            pass

        def __call__(self, function: t.Any) -> t.Any:
            return function

    AfterValidator = BeforeValidator = ConfigDict = Field = field_validator = _Absent  # type: ignore[assignment,misc]
    BaseModel = object  # type: ignore[assignment,misc]
    ValidationError = ValueError  # type: ignore[assignment,misc]

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
    if _numbers(AIOHTTP_VERSION) < OLDEST_AIOHTTP:
        raise _old_library("aiohttp", AIOHTTP_VERSION, OLDEST_AIOHTTP, " and accepts malformed requests")


def require_pydantic() -> None:
    """Raise DependencyMissing unless a supported pydantic is installed."""
    if not PYDANTIC_VERSION:
        raise _missing_library("Starting the server", "pydantic", "pydantic")
    if _numbers(PYDANTIC_VERSION) < OLDEST_PYDANTIC:
        raise _old_library("pydantic", PYDANTIC_VERSION, OLDEST_PYDANTIC)


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


def _old_library(name: str, version: str, oldest: tuple[int, ...], effect: str = "") -> DependencyMissing:
    wanted = ".".join(map(str, oldest))
    return DependencyMissing(
        f"Starting the server failed: the library {name} {version} is older than {wanted}{effect}; "
        f"run pip install '{name}>={wanted}' with {sys.executable}."
    )


__all__ = (
    "HAS_AIOHTTP",
    "MALFORMED",
    "NO_URL",
    "AfterValidator",
    "BaseModel",
    "BeforeValidator",
    "ConfigDict",
    "Field",
    "ValidationError",
    "bcrypt",
    "field_validator",
    "prometheus_client",
    "require_aiohttp",
    "require_bcrypt",
    "require_prometheus",
    "require_pydantic",
    "require_yaml",
    "web",
    "yaml",
)
