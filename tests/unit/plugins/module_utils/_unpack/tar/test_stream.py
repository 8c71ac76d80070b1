# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ByteStream returns exact numbers of bytes from pieces of any size, and reports a truncated archive."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.stream import ByteStream
from ansible_collections.attested.registry.tests.support.images.tar_bytes import reused_views
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = bytes(range(256)) * 8


def cut(data: bytes, sizes: t.Sequence[int]) -> t.Iterator[bytes]:
    """Pieces of these sizes, again and again; 0 gives an empty piece."""
    position = number = 0
    while position < len(data):
        size = sizes[number % len(sizes)]
        yield data[position : position + size]
        position += size
        number += 1


@pytest.mark.parametrize("sizes", [[1], [3, 0, 500], [512], [513], [5000]], ids=str)
def test_exact_counts_from_pieces_of_any_size(sizes: list[int]) -> None:
    stream = ByteStream(cut(DATA, sizes))
    assert stream.block(512) == DATA[:512]
    assert b"".join(stream.pieces(700)) == DATA[512:1212]
    stream.skip(100)
    assert stream.block(8) == DATA[1312:1320]
    assert list(stream.pieces(0)) == []
    assert stream.block(len(DATA) - 1320) == DATA[1320:]
    assert stream.block(512) == b""
    assert stream.block(512) == b""


@pytest.mark.parametrize("sizes", [[1], [100], [5000]], ids=str)
@pytest.mark.parametrize("read", [ByteStream.block, ByteStream.skip, lambda stream, size: list(stream.pieces(size))])
def test_an_end_in_between_is_an_error(read: t.Callable[[ByteStream, int], object], sizes: list[int]) -> None:
    stream = ByteStream(cut(DATA, sizes))
    stream.skip(len(DATA) - 5)
    with pytest.raises(LayerInvalid, match="truncated: 507 bytes of its last entry are missing"):
        read(stream, 512)


def test_skipping_beyond_any_end_ends() -> None:
    with pytest.raises(LayerInvalid, match="truncated"):
        ByteStream(iter((b"abc",))).skip(2**63)


def test_large_content_is_not_copied() -> None:
    piece = bytes(100_000)
    stream = ByteStream(iter((piece, piece)))
    stream.block(10)
    found = list(stream.pieces(150_000))
    assert [len(view) for view in found] == [99_990, 50_010]
    assert all(isinstance(view, memoryview) and view.obj is piece for view in found)


def test_blocks_stay_when_the_memory_of_their_pieces_is_used_again() -> None:
    for size in (1, 7, 512, 700):
        stream = ByteStream(reused_views(DATA, size))
        found = [stream.block(512), stream.read(700), b"".join(map(bytes, stream.pieces(300)))]
        stream.drain()
        assert found == [DATA[:512], DATA[512:1212], DATA[1212:1512]]


def test_no_memory_is_held_after_the_end() -> None:
    memory = bytearray(DATA)
    stream = ByteStream(iter((memoryview(memory),)))
    stream.block(512)
    stream.drain()
    memory.append(0)  # which a bytearray refuses while a view of it exists


def test_drain_consumes_everything() -> None:
    passed = []

    def pieces() -> t.Iterator[bytes]:
        for piece in (b"abc", b"", b"def", b"g"):
            passed.append(piece)
            yield piece

    stream = ByteStream(pieces())
    stream.block(2)
    stream.drain()
    assert passed == [b"abc", b"", b"def", b"g"]
    assert stream.block(1) == b""
    stream.drain()


def test_an_error_of_the_source_passes_through() -> None:
    def pieces() -> t.Iterator[bytes]:
        yield b"abc"
        raise ConnectionError("cut")

    for read in (lambda stream: stream.block(5), lambda stream: stream.skip(5), lambda stream: stream.drain()):
        with pytest.raises(ConnectionError, match="cut"):
            read(ByteStream(pieces()))


@settings(deadline=None)
@given(
    data=st.binary(max_size=200),
    sizes=st.lists(st.integers(0, 50), min_size=1).filter(any),
    steps=st.lists(
        st.tuples(st.sampled_from(["block", "pieces", "read", "skip", "drain"]), st.integers(0, 80)), max_size=20
    ),
)
def test_behaves_like_a_plain_position_in_the_data(data: bytes, sizes: list[int], steps: list[tuple[str, int]]) -> None:
    stream = ByteStream(cut(data, sizes))
    position = 0
    for step, size in steps:
        left = len(data) - position
        if step == "drain":
            stream.drain()
            position = len(data)
        elif step == "block" and left == 0:
            assert stream.block(size) == b""
        elif size > left:
            with pytest.raises(LayerInvalid):
                b"".join(getattr(stream, step)(size) or ())
            return
        else:
            found = getattr(stream, step)(size)
            if step != "skip":
                assert (found if step in ("block", "read") else b"".join(found)) == data[position : position + size]
            position += size
