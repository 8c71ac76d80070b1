# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# The one place where aiohttp is imported; without it everything can be imported, and nothing can be served.
from .errors import DependencyMissing

try:
    from aiohttp import web

    HAS_AIOHTTP = True
except ImportError:
    HAS_AIOHTTP = False

    class web:  # type: ignore[no-redef]  # noqa: N801
        """Stands in, so that classes derived from aiohttp's can be defined."""

        RequestHandler = Server = StreamResponse = object


def require_aiohttp() -> None:
    """Raise DependencyMissing unless aiohttp can be used."""
    if not HAS_AIOHTTP:
        raise DependencyMissing(
            "Starting the server failed: the Python library aiohttp is not installed; install the package "
            "python3-aiohttp, or run pip install aiohttp with the Python that runs the server."
        )


__all__ = ("HAS_AIOHTTP", "require_aiohttp", "web")
