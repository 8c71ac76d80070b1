# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The limits on what an image may use of a host, and the counters that hold an unpack to them.

layers.py counts the compression ratio against one Budget; the writer counts entries and bytes against its own,
possibly in another process.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .errors import LimitExceeded

# The longest PAX or GNU long name header that is read; the limit of Go's archive/tar.
HEADER_BYTES: t.Final = 1024 * 1024

# The longest path of an entry: Linux's PATH_MAX less its NUL. No program could name a longer one.
PATH_BYTES: t.Final = 4095

# The most regions of a sparse file.
SPARSE_REGIONS: t.Final = 65536

# The most bytes of extended attributes of directories, over all layers: they stay in memory until the end.
HELD_XATTR_BYTES: t.Final = 16 * 1024 * 1024

# The compression ratio counts only once the layers that exceed it have more than this many bytes decompressed.
# Ordinary images hold files that are mostly zeros, which zstd compresses 20,000 times: a lastlog of 256 MiB, a new
# database.
RATIO_FLOOR: t.Final = 512 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Limits:
    """The most that an image may use of a host.

    entries counts tar entries, unpacked_bytes counts decompressed bytes and holes of sparse files, both over all
    layers. ratio is decompressed bytes to compressed bytes of one layer; layers that exceed it may have RATIO_FLOOR
    decompressed bytes together.
    """

    entries: int = 10_000_000
    unpacked_bytes: int = 100 * 1024**3
    ratio: int = 2000


DEFAULT_LIMITS: t.Final = Limits()


class Budget:
    """Counts what an unpack has used; raises LimitExceeded at the first step beyond limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.entries = 0
        self.bytes = 0
        self._held = 0
        self._extreme = 0
        self._extreme_before = 0

    def begin_layer(self) -> None:
        """Start the next layer: check_ratio() is about that layer from now on."""
        self._extreme_before += self._extreme
        self._extreme = 0

    def add_entry(self) -> None:
        """Count one tar entry."""
        self.entries += 1
        if self.entries > self._limits.entries:
            raise _limit_error("max_entries", self._limits.entries, "entries")

    def add_bytes(self, count: int) -> None:
        """Count bytes that a decompressor yielded or that a sparse file claims."""
        self.bytes += count
        if self.bytes > self._limits.unpacked_bytes:
            raise _limit_error("max_unpacked_bytes", self._limits.unpacked_bytes, "unpacked bytes")

    def hold(self, count: int) -> None:
        """Count bytes that stay in memory until the end."""
        self._held += count
        if self._held > HELD_XATTR_BYTES:
            raise LimitExceeded(
                f"The directories of the image have more than {HELD_XATTR_BYTES} bytes of extended attributes; build"
                " the image without them, or set xattrs: skip.",
                limit="xattr_bytes",
                maximum=HELD_XATTR_BYTES,
            )

    def check_ratio(self, *, compressed: int, unpacked: int) -> None:
        """Compare input and output of a decompressor, both in bytes since the start of the layer."""
        self._extreme = unpacked if unpacked > compressed * self._limits.ratio else 0
        if self._extreme and self._extreme_before + self._extreme > RATIO_FLOOR:
            raise _limit_error("max_ratio", self._limits.ratio, "times the size of the compressed layer")


def _limit_error(option: str, maximum: int, unit: str) -> LimitExceeded:
    return LimitExceeded(
        f"The image unpacks to more than {maximum} {unit}: this is either an attack or an exceptional image;"
        f" if you trust it, raise {option}.",
        limit=option,
        maximum=maximum,
    )


__all__ = (
    "DEFAULT_LIMITS",
    "HEADER_BYTES",
    "HELD_XATTR_BYTES",
    "PATH_BYTES",
    "RATIO_FLOOR",
    "SPARSE_REGIONS",
    "Budget",
    "Limits",
)
