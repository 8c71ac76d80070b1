# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import os
import re
import typing as t
import urllib.parse

from ..errors import UsageError

if t.TYPE_CHECKING:
    from ..content.snapshot import Content

_PREFIX: t.Final = re.compile(r"/[A-Za-z0-9._~/-]*")


class Accel:
    """Has nginx in front of this server send the files: X-Accel-Redirect with a URI below prefix.

    nginx must have an internal location for prefix that leads to the directory root. Nobody but nginx may reach this
    server then: the answers have no body. Raises UsageError.
    """

    def __init__(self, prefix: str, *, root: str) -> None:
        if not _PREFIX.fullmatch(prefix) or ".." in prefix or "//" in prefix:
            raise UsageError(
                "The prefix for X-Accel-Redirect must be the path of an internal location of nginx, "
                "such as /registry-files/."
            )
        self._prefix = prefix.rstrip("/")
        self._root = root

    def header(self, content: Content) -> dict[str, str]:
        """The header that has this file sent; none when it is not below the root."""
        relative = os.path.relpath(content.path, self._root)
        if relative.split(os.sep, 1)[0] == os.pardir:
            return {}
        return {"X-Accel-Redirect": f"{self._prefix}/{urllib.parse.quote(relative)}"}


__all__ = ("Accel",)
