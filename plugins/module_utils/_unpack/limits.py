# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import dataclasses

from .errors import LimitExceeded

HEADER_BYTES = 1024 * 1024
"""The longest PAX or GNU long name header that is read; the limit of Go's archive/tar."""

PATH_BYTES = 4095
"""The longest path of an entry; Linux's PATH_MAX less its NUL: nobody could name a longer one."""

SPARSE_REGIONS = 65536
"""The most regions of a sparse file."""

HELD_XATTR_BYTES = 16 * 1024 * 1024
"""The most bytes of extended attributes of directories, over all layers: they stay in memory until the end."""

# The ratio of compression does not count before this many bytes came out of layers that exceed it. Ordinary images hold
# files that are mostly zeros, which zstd packs 20,000 times smaller: a lastlog of 256 MiB, a new database.
RATIO_FLOOR = 512 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an image may ask of a host at most.

    entries counts tar entries, unpacked_bytes decompressed bytes and holes of sparse files, both over all layers;
    ratio is decompressed bytes to compressed bytes of one layer; layers with more may have RATIO_FLOOR bytes together.
    """

    entries: int = 10_000_000
    unpacked_bytes: int = 100 * 1024**3
    ratio: int = 2000


class Budget:
    """Counts what an unpack has used and raises LimitExceeded at the first step beyond limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.entries = 0
        self.bytes = 0
        self._held = 0
        self._extreme = 0
        self._extreme_before = 0

    def begin_layer(self) -> None:
        """Says that the next check_ratio() is about another layer."""
        self._extreme_before += self._extreme
        self._extreme = 0

    def add_entry(self) -> None:
        """Counts one tar entry."""
        self.entries += 1
        if self.entries > self._limits.entries:
            raise _exceeded("max_entries", self._limits.entries, "entries")

    def add_bytes(self, count: int) -> None:
        """Counts count bytes that came out of a decompressor or that a sparse file claims."""
        self.bytes += count
        if self.bytes > self._limits.unpacked_bytes:
            raise _exceeded("max_unpacked_bytes", self._limits.unpacked_bytes, "unpacked bytes")

    def hold(self, count: int) -> None:
        """Counts count bytes that stay in memory until the end."""
        self._held += count
        if self._held > HELD_XATTR_BYTES:
            raise LimitExceeded(
                f"The directories of the image have more than {HELD_XATTR_BYTES} bytes of extended attributes; build"
                " the image without them, or set xattrs: skip.",
                limit="xattr_bytes",
                maximum=HELD_XATTR_BYTES,
            )

    def check_ratio(self, *, compressed: int, unpacked: int) -> None:
        """Compares what went into a decompressor with what came out of it, both in bytes since the layer's start."""
        self._extreme = unpacked if unpacked > compressed * self._limits.ratio else 0
        if self._extreme and self._extreme_before + self._extreme > RATIO_FLOOR:
            raise _exceeded("max_ratio", self._limits.ratio, "times the size of the compressed layer")


def _exceeded(option: str, maximum: int, unit: str) -> LimitExceeded:
    return LimitExceeded(
        f"The image unpacks to more than {maximum} {unit}: this is either an attack or an exceptional image;"
        f" if you trust it, raise {option}.",
        limit=option,
        maximum=maximum,
    )


__all__ = ("HEADER_BYTES", "HELD_XATTR_BYTES", "PATH_BYTES", "RATIO_FLOOR", "SPARSE_REGIONS", "Budget", "Limits")
