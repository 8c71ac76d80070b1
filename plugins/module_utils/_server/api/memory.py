# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import logging
import typing as t

from ..._oci.digest import Digest, verify
from ..._oci.errors import DigestMismatch, SizeMismatch
from .content_file import ContentFile

if t.TYPE_CHECKING:
    from ..content.snapshot import Content

_LOG: t.Final = logging.getLogger("attested.registry")
# in all; a manifest has about a thousand bytes
MAX_KEPT: t.Final = 8 * 1024 * 1024


class Memory:
    """Short contents, read once: opening and reading a file takes longer than all else that answers a request.

    What is kept has the digest that it is found by, so it never gets old. Whether it is still to be served is for the
    file to say (is_unchanged).
    """

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._size = 0

    def read(self, content: Content) -> bytes | None:
        """All of it; None, with a line in the log, when the file is no longer what it was.

        Raises OSError, and Refusal, 503, when there is no telling for now.
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
            # the one that has been there longest
            self._size -= len(self._kept.pop(next(iter(self._kept))))


def _load(content: Content) -> bytes | None:
    file = ContentFile.open(content)
    if file is None:
        return None
    with file:
        # one more than there should be, to notice that
        data = file.read(0, content.size + 1)
    try:
        verify(data, Digest.parse(content.digest), content.size, what=content.path)
    except (DigestMismatch, SizeMismatch):
        _LOG.error("%s is not served: it was changed while it was read", content.path)
        return None
    return data


__all__ = ("MAX_KEPT", "Memory")
