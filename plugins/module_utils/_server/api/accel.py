# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""X-Accel-Redirect: lets nginx in front of the server send the blobs. Called by app.py."""

from __future__ import annotations

import os
import re
import typing as t
import urllib.parse

from ..errors import UsageError

if t.TYPE_CHECKING:
    from ..content.snapshot import ServedFile

_PREFIX: t.Final = re.compile(r"/[A-Za-z0-9._~/-]*")


class Accel:
    """Maker of X-Accel-Redirect headers with a URI below prefix, by which nginx sends the blob in place of the server.

    nginx must have an internal location prefix that maps to the directory root. Only nginx may reach the server then,
    because the answers have no body. Raises UsageError for a malformed prefix.
    """

    def __init__(self, prefix: str, *, root: str) -> None:
        if not _PREFIX.fullmatch(prefix) or ".." in prefix or "//" in prefix:
            raise UsageError(
                "The prefix for X-Accel-Redirect must be the path of an internal location of nginx, "
                "such as /registry-files/."
            )
        self._prefix = prefix.rstrip("/")
        self._root = root

    def header(self, content: ServedFile) -> dict[str, str]:
        """Return the header for this file, or no header when the file is not below the root."""
        relative = os.path.relpath(content.path, self._root)
        if relative.split(os.sep, 1)[0] == os.pardir:
            return {}
        return {"X-Accel-Redirect": f"{self._prefix}/{urllib.parse.quote(relative)}"}


__all__ = ("Accel",)
