# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decode the maps of sparse files in all four GNU formats: the GNU tar manual, "Storing Sparse Files".

reader.py calls this.
"""

from __future__ import annotations

import typing as t

from ..errors import LayerInvalid, LimitExceeded
from ..limits import SPARSE_REGIONS
from .entry import Region, Sparse
from .header import BLOCK, parse_number
from .pax import parse_integer
from .stream import ByteStream

_OLD_REGIONS: t.Final = slice(386, 482)
_OLD_MORE: t.Final = 482
_OLD_SIZE: t.Final = slice(483, 495)
_OLD_REGION_BYTES: t.Final = 24
_OLD_BLOCK_REGIONS: t.Final = slice(0, 504)
_OLD_BLOCK_MORE: t.Final = 504
_MAP_DIGITS: t.Final = 20
_VERSION_1: t.Final = (b"1", b"0")
# Major and minor number; formats before 1.0 may have none.
_VERSIONS: t.Final = ((None, None), (b"0", b"0"), (b"0", b"1"), _VERSION_1)


def old_gnu(block: bytes, stream: ByteStream) -> Sparse:
    """Read the map of a GNU type S entry from its header block and the extension blocks that follow in stream."""
    regions = _parse_old_regions(block[_OLD_REGIONS])
    more = block[_OLD_MORE]
    while more:
        extension = stream.block(BLOCK)
        if not extension:
            raise _map_error("its map is truncated")
        regions += _parse_old_regions(extension[_OLD_BLOCK_REGIONS])
        more = extension[_OLD_BLOCK_MORE]
        _check_count(len(regions))
    return _check_map(regions, parse_number(block[_OLD_SIZE], "sparse size"))


def from_pax(records: t.Sequence[tuple[bytes, bytes]]) -> Sparse | None:
    """Return the map in PAX GNU.sparse records of format 0.0 or 0.1; None if there is none."""
    named = dict(records)
    if b"map" in named:
        numbers = named[b"map"].split(b",") if named[b"map"] else []
    else:
        numbers = [value for keyword, value in records if keyword in (b"offset", b"numbytes")]
    if not numbers and b"size" not in named:
        return None
    _check_count(len(numbers) // 2)
    return _check_map(
        _pair_numbers([parse_integer(number, "sparse map") for number in numbers]),
        _file_size(named),
    )


def is_format_1(records: t.Sequence[tuple[bytes, bytes]]) -> bool:
    """Return whether the map stands in front of the content (GNU sparse format 1.0).

    Raises LayerInvalid for an unknown format.
    """
    named = dict(records)
    version = named.get(b"major"), named.get(b"minor")
    if version not in _VERSIONS:
        raise _map_error("its format is unknown")
    return version == _VERSION_1


def format_1(records: t.Sequence[tuple[bytes, bytes]], stream: ByteStream) -> tuple[Sparse, int]:
    """Read a format 1.0 map from the front of the content; return it and the number of bytes read."""
    reader = _MapReader(stream)
    count = reader.number()
    _check_count(count)
    numbers = [reader.number() for dummy in range(2 * count)]
    return _check_map(_pair_numbers(numbers), _file_size(dict(records))), reader.consumed


def _file_size(named: t.Mapping[bytes, bytes]) -> int:
    """Return the whole size, holes included: formats 0.0 and 0.1 call it size, format 1.0 realsize."""
    return parse_integer(named.get(b"size") or named.get(b"realsize", b""), "sparse size")


class _MapReader:
    """Reads decimal numbers, each ended by a newline and all padded to whole blocks."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._rest = b""
        self.consumed = 0

    def number(self) -> int:
        """Return the next number. Raises LayerInvalid for a map that is truncated or malformed."""
        while b"\n" not in self._rest:
            block = self._stream.block(BLOCK) if len(self._rest) <= _MAP_DIGITS else b""
            if not block:
                raise _map_error("its map is truncated")
            self._rest += block
            self.consumed += len(block)
        digits, dummy, self._rest = self._rest.partition(b"\n")
        return parse_integer(digits, "sparse map")


def _parse_old_regions(data: bytes) -> list[Region]:
    regions = []
    for start in range(0, len(data), _OLD_REGION_BYTES):
        if data[start] == 0:
            break
        regions.append(
            Region(
                parse_number(data[start : start + 12], "sparse offset"),
                parse_number(data[start + 12 : start + 24], "sparse length"),
            )
        )
    return regions


def _pair_numbers(numbers: t.Sequence[int]) -> list[Region]:
    if len(numbers) % 2:
        raise _map_error("its map has an odd number of numbers")
    return [Region(offset, length) for offset, length in zip(numbers[::2], numbers[1::2])]


def _check_map(regions: list[Region], size: int) -> Sparse:
    end = 0
    for region in regions:
        if region.length < 0 or region.offset < end:
            raise _map_error("its regions overlap or are out of order")
        end = region.offset + region.length
    if not 0 <= end <= size < 2**63:
        raise _map_error("its regions lie outside the file")
    return Sparse(tuple(regions), size)


def _check_count(count: int) -> None:
    if not 0 <= count <= SPARSE_REGIONS:
        raise LimitExceeded(
            f"A sparse file in the layer has {count} regions, more than the {SPARSE_REGIONS} that are accepted.",
            limit="sparse_regions",
            maximum=SPARSE_REGIONS,
        )


def _map_error(why: str) -> LayerInvalid:
    return LayerInvalid(
        f"A sparse file in the tar archive of the layer is broken: {why}; the image is damaged, push it again."
    )


__all__ = ("format_1", "from_pax", "is_format_1", "old_gnu")
