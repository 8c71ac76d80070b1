# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Cache of short content in memory, filled from verified files. Called by app.py."""

from __future__ import annotations

import logging
import typing as t

from ..._oci.digest import Digest, verify
from ..._oci.errors import DigestMismatch, SizeMismatch
from .content_file import ContentFile

if t.TYPE_CHECKING:
    from ..content.snapshot import ServedFile

_LOG: t.Final = logging.getLogger("attested.registry")
# bytes of all content together; a manifest has about a thousand
MAX_KEPT: t.Final = 8 * 1024 * 1024


class Memory:
    """A cache of short content, because opening and reading a file takes longer than the rest of a request.

    The keys are digests, so entries never become stale. The caller checks that the file is still the one that was
    verified (IdentityCheck).
    """

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._size = 0

    def read(self, content: ServedFile) -> bytes | None:
        """Return the whole content. Returns None, after an error in the log, when the file has changed.

        Raises OSError, and Refusal 503 when the server lacks the resources to open files.
        """
        data = self._kept.get(content.digest)
        if data is None:
            data = _load(content)
            if data is not None:
                self._keep(content.digest, data)
        return data

    def _keep(self, digest: str, data: bytes) -> None:
        self._kept[digest] = data
        self._size += len(data)
        while self._size > MAX_KEPT:
            # the oldest entry
            self._size -= len(self._kept.pop(next(iter(self._kept))))


def _load(content: ServedFile) -> bytes | None:
    file = ContentFile.open(content)
    if file is None:
        return None
    with file:
        # one byte more than expected reveals a file that has grown
        data = file.read(0, content.size + 1)
    try:
        verify(data, Digest.parse(content.digest), content.size, what=content.path)
    except (DigestMismatch, SizeMismatch):
        _LOG.error("%s is not served: it changed while it was read", content.path)
        return None
    return data


__all__ = ("MAX_KEPT", "Memory")
