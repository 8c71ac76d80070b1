# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Compress an archive that is written: gzip (RFC 1952) and zstd (RFC 8878), without times and with fixed levels.

The same library makes the same bytes of the same archive; another version of it may make others. pending.py calls this.
"""

from __future__ import annotations

import typing as t
import zlib

from .._unpack.errors import CompressionUnavailable
from .._unpack.pipeline.decompress import standard_zstd, zstandard

# The levels that gzip and zstd use by themselves.
_GZIP_LEVEL: t.Final = 6
_ZSTD_LEVEL: t.Final = 3
_GZIP_WINDOW_BITS: t.Final = 31


class Compressor(t.Protocol):
    """Compresses a stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Return the next compressed bytes."""

    def flush(self) -> bytes:
        """Return the last compressed bytes."""


def make_compressor(form: str) -> Compressor | None:
    """Return a compressor for gzip or zstd, None for none. Raises CompressionUnavailable."""
    if form == "gzip":
        # writes no name and no time
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    if form == "zstd":
        return _make_zstd_compressor()
    return None


def _make_zstd_compressor() -> Compressor:
    if zstandard is not None:
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
        return t.cast("Compressor", compressor.compressobj())
    if standard_zstd is not None:
        options = {
            standard_zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
            standard_zstd.CompressionParameter.checksum_flag: 1,
        }
        return t.cast("Compressor", standard_zstd.ZstdCompressor(options=options))
    raise CompressionUnavailable(
        "Writing the archive failed: compression: zstd needs the Python library zstandard on this host: install the "
        "package python3-zstandard, or choose none or gzip.",
        library="zstandard",
    )


__all__ = ("Compressor", "make_compressor")
