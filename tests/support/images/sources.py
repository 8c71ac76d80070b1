# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources of blobs to push: bytes in pieces, from any offset, with a record of the offsets asked for."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager

from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def descriptor(data: bytes, *, algorithm: str = "sha256", media_type: str = "application/octet-stream") -> Descriptor:
    """Return the descriptor of some bytes."""
    return Descriptor(media_type, Digest.of(data, algorithm), len(data))


class Source:
    """Opens bytes in pieces; ``opened`` has the offsets. An error is raised in place of the end of the bytes."""

    def __init__(self, data: bytes, *, piece: int = 1000, error: Exception | None = None) -> None:
        self.data, self.piece, self.error = data, piece, error
        self.opened: list[int] = []
        self.closed = 0

    @contextmanager
    def __call__(self, offset: int) -> Iterator[Iterator[bytes]]:
        """Open the bytes from an offset on."""
        self.opened.append(offset)
        try:
            yield self._pieces(offset)
        finally:
            self.closed += 1

    def _pieces(self, offset: int) -> Iterator[bytes]:
        for start in range(offset, len(self.data), self.piece):
            yield self.data[start : start + self.piece]
        if self.error is not None:
            raise self.error


__all__ = ("Source", "descriptor")
