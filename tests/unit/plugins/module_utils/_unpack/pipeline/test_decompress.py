# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers in gzip (RFC 1952), zstd (RFC 8878), bzip2 and xz are decompressed in bounded pieces, with each library."""

from __future__ import annotations

import bz2
import importlib
import importlib.util
import lzma
import sys
import types
import typing as t
import zlib

import pytest
import zstandard
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    CompressionUnavailable,
    LayerInvalid,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import decompress as tested
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline.decompress import (
    INPUT_BYTES,
    OUTPUT_BYTES,
    CompressedInput,
    Compression,
    decompress,
    detect,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

PIECES = (1, 3, 1000, INPUT_BYTES, 1 << 30)
TEXT = b"some text, which compresses a little because some text comes again\n"


def standard_zstd() -> types.ModuleType | None:
    """Python 3.14's own library, or its backport."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


STANDARD_ZSTD = standard_zstd()
GZIP_LIBRARIES: dict[str, t.Any] = {"isal": isal_zlib, "zlib": zlib}
ZSTD_LIBRARIES: dict[str, tuple[t.Any, t.Any]] = {"zstandard": (zstandard, None)}
if STANDARD_ZSTD is not None:
    ZSTD_LIBRARIES["standard library"] = (None, STANDARD_ZSTD)


@pytest.fixture(params=GZIP_LIBRARIES)
def gzip_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with isal, and once as on a host without it."""
    monkeypatch.setattr(tested, "_zlib", GZIP_LIBRARIES[request.param])


@pytest.fixture(params=ZSTD_LIBRARIES)
def zstd_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with each library that can do it."""
    use_zstd(monkeypatch, *ZSTD_LIBRARIES[request.param])


def use_zstd(monkeypatch: pytest.MonkeyPatch, third_party: t.Any, standard: t.Any) -> None:
    monkeypatch.setattr(tested, "zstandard", third_party)
    monkeypatch.setattr(tested, "standard_zstd", standard)


def cut(data: bytes, size: int) -> t.Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def unpacked(
    data: bytes,
    *,
    size: int = INPUT_BYTES,
    declared: Compression | None = None,
    warn: t.Callable[[str], None] | None = None,
) -> bytes:
    """All that comes out, by default with a failure for any warning."""
    return b"".join(decompress(CompressedInput(cut(data, size)), declared=declared, warn=warn or pytest.fail))


def ignore(text: str) -> None:
    """Drop a warning."""


def outcome(data: bytes, *, size: int) -> bytes | str:
    try:
        return unpacked(data, size=size, warn=ignore)
    except LayerInvalid:
        return "invalid"


def member(
    content: bytes,
    *,
    level: int = 6,
    extra: bytes | None = None,
    name: bytes | None = None,
    comment: bytes | None = None,
    header_crc: bool = False,
    flags: int = 0,
) -> bytes:
    """A gzip member (RFC 1952, section 2.3) with the optional fields that are given."""
    fields = b""
    for flag, field in ((4, extra), (8, name), (16, comment)):
        if field is not None:
            flags |= flag
            fields += len(field).to_bytes(2, "little") + field if flag == 4 else field + b"\0"
    flags |= 2 * header_crc
    header = b"\x1f\x8b\x08" + bytes((flags,)) + bytes(4) + b"\0\xff" + fields
    if header_crc:
        header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflate.compress(content) + deflate.flush()
    return header + body + zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")


def frame(content: bytes, *, checksum: bool = True) -> bytes:
    """A zstd frame."""
    return zstandard.ZstdCompressor(write_checksum=checksum).compress(content)


def streamed_frame(content: bytes, *, window_log: int = 17) -> bytes:
    """A zstd frame that does not tell the length of its content."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(content) + compressor.flush()


def skippable(content: bytes, *, number: int = 0) -> bytes:
    """A skippable frame (RFC 8878, section 3.1.2), as zstd:chunked has for its table of contents."""
    return bytes((0x50 + number, 0x2A, 0x4D, 0x18)) + len(content).to_bytes(4, "little") + content


def repeating_frame(blocks: int) -> bytes:
    """A zstd frame in which every 4 bytes give 128 KiB of the letter A."""
    pieces = [b"\x28\xb5\x2f\xfd\x00\x50"]
    for number in range(1, blocks + 1):
        pieces.append((131072 << 3 | 2 | (number == blocks)).to_bytes(3, "little") + b"A")
    return b"".join(pieces)


NOISE = bytes((i * i * 31 + i // 7 * 13) % 251 for i in range(INPUT_BYTES + 9000))

GZIP_STREAMS = {
    "one member": (member(TEXT), TEXT),
    "empty member": (member(b""), b""),
    "two members": (member(TEXT) + member(b"more"), TEXT + b"more"),
    "one member for each file": (
        b"".join(member(bytes((i,)) * i) for i in range(40)),
        b"".join(bytes((i,)) * i for i in range(40)),
    ),
    "empty members between": (member(b"") * 3 + member(b"x") + member(b"") * 3, b"x"),
    "zero padding": (member(TEXT) + bytes(700), TEXT),
    "stored": (member(TEXT, level=0), TEXT),
    "name": (member(TEXT, name=b"layer.tar"), TEXT),
    "footer of eStargz": (member(TEXT) + member(b"", level=0, extra=b"SG\x16\0" + b"0" * 22), TEXT),
    "all fields": (member(TEXT, extra=b"BC\2\0..", name=b"n" * 50, comment=b"c", header_crc=True), TEXT),
    "text flag": (member(TEXT, flags=1), TEXT),
}

LARGE_GZIP_STREAMS = {
    f"{size} bytes at level {level}": (member(NOISE[:size], level=level), NOISE[:size])
    for size in (OUTPUT_BYTES - 1, OUTPUT_BYTES, OUTPUT_BYTES + 1, len(NOISE))
    for level in (0, 1, 9)
}

BROKEN_GZIP = {
    "checksum": member(TEXT)[:-8] + bytes(4) + member(TEXT)[-4:],
    "length": member(TEXT)[:-4] + bytes(4),
    "checksum of the second member": member(TEXT) + member(b"x")[:-8] + bytes(8),
    "trailing garbage": member(TEXT) + b"garbage",
    "zeros and then garbage": member(TEXT) + bytes(9) + b"!",
    "zeros and then a member": member(TEXT) + bytes(9) + member(TEXT),
    "one byte of a next member": member(TEXT) + b"\x1f",
    "another method": b"\x1f\x8b\x07" + member(TEXT)[3:],
    "reserved flags": member(TEXT, flags=0x40),
    "checksum of the header": member(TEXT, header_crc=True)[:10] + b"!!" + member(TEXT, header_crc=True)[12:],
    "type of block": b"\x1f\x8b\x08" + bytes(7) + b"\x07" + bytes(20),
    "distance": b"\x1f\x8b\x08" + bytes(7) + b"\x63\x00\x02" + bytes(20),
}


@pytest.mark.parametrize(
    ("head", "compression"),
    [
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x50\x2a\x4d\x18", "zstd"),
        (b"\x5f\x2a\x4d\x18", "zstd"),
        (b"\x60\x2a\x4d\x18", "none"),
        (b"\x28\xb5\x2f", "none"),
        (b"\x1f", "none"),
        (b"BZh91AY&SY", "bzip2"),
        (b"BZh1\x17rE8P\x90", "bzip2"),
        (b"BZh01AY&SY", "none"),
        (b"BZh9", "none"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\xfd7zXZ", "none"),
        (b"", "none"),
    ],
)
def test_compression_shows_in_the_first_bytes(head: bytes, compression: str) -> None:
    assert detect(head) == compression


@pytest.mark.usefixtures("gzip_library")
@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize(("data", "content"), GZIP_STREAMS.values(), ids=GZIP_STREAMS)
def test_gzip_however_it_is_cut(data: bytes, content: bytes, size: int) -> None:
    assert unpacked(data, size=size, declared="gzip") == content


@pytest.mark.usefixtures("gzip_library")
@pytest.mark.parametrize(("data", "content"), LARGE_GZIP_STREAMS.values(), ids=LARGE_GZIP_STREAMS)
def test_gzip_around_the_size_of_a_piece(data: bytes, content: bytes) -> None:
    assert unpacked(data) == content
    assert unpacked(data + data, size=INPUT_BYTES - 1) == content * 2


@pytest.mark.usefixtures("gzip_library")
@pytest.mark.parametrize(
    "fields",
    [
        {"extra": b"12345", "name": b"name"},
        {"extra": b"12345", "name": b"name", "comment": b"comment"},
        {"name": b"name", "comment": b"comment"},
        {"name": b"name", "header_crc": True},
        {"header_crc": True},
        {"extra": b""},
        {"name": b""},
    ],
    ids=", ".join,
)
def test_gzip_header_that_is_cut_anywhere(fields: dict[str, t.Any]) -> None:
    data = member(TEXT, **fields)
    for position in range(1, len(data)):
        assert (
            b"".join(
                decompress(CompressedInput(iter((data[:position], data[position:]))), declared="gzip", warn=pytest.fail)
            )
            == TEXT
        )


@pytest.mark.usefixtures("gzip_library")
@pytest.mark.parametrize("size", [1, INPUT_BYTES])
@pytest.mark.parametrize("data", BROKEN_GZIP.values(), ids=BROKEN_GZIP)
def test_broken_gzip_is_refused(data: bytes, size: int) -> None:
    with pytest.raises(LayerInvalid, match="not a valid gzip stream"):
        unpacked(data, size=size)


@pytest.mark.usefixtures("gzip_library")
def test_gzip_that_is_truncated_anywhere_is_refused() -> None:
    first = member(TEXT, name=b"name")
    data = first + member(b"more")
    for length in range(2, len(data)):
        if length != len(first):
            with pytest.raises(LayerInvalid, match="not a valid gzip stream"):
                unpacked(data[:length])
    assert unpacked(data[: len(first)]) == TEXT


@settings(deadline=None)
@given(data=st.binary(max_size=300), size=st.integers(1, 70))
def test_arbitrary_bytes_after_a_gzip_magic(data: bytes, size: int) -> None:
    assert outcome(b"\x1f\x8b\x08\x00" + data, size=size) is not None


@st.composite
def mutated(draw: st.DrawFn, valid: t.Sequence[bytes]) -> bytes:
    """One of some valid streams, with a few bytes changed, left out or put in between."""
    data = bytearray(draw(st.sampled_from(valid)))
    for dummy in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(data)))
        data[position : position + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@settings(deadline=None)
@given(
    data=mutated([data for data, dummy in GZIP_STREAMS.values()]),
    sizes=st.tuples(st.integers(1, 20), st.integers(20, 999)),
)
def test_damaged_gzip_is_the_same_to_isal_and_zlib(data: bytes, sizes: tuple[int, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        outcomes = set()
        for library in GZIP_LIBRARIES.values():
            patch.setattr(tested, "_zlib", library)
            outcomes |= {outcome(data, size=size) for size in sizes}
    assert len(outcomes) == 1


ZSTD_STREAMS = {
    "one frame": (frame(TEXT), TEXT),
    "empty frame": (frame(b""), b""),
    "without checksum": (frame(TEXT, checksum=False), TEXT),
    "without length": (streamed_frame(TEXT), TEXT),
    "two frames": (frame(TEXT) + streamed_frame(b"more"), TEXT + b"more"),
    "skippable first": (skippable(b"table") + frame(TEXT), TEXT),
    "skippable last": (frame(TEXT) + skippable(bytes(5000), number=10), TEXT),
    "nothing but skippable": (skippable(b"") * 2, b""),
    "one frame for each file": (
        b"".join(frame(bytes((i,)) * i) for i in range(40)),
        b"".join(bytes((i,)) * i for i in range(40)),
    ),
    "window of 128 MiB": (streamed_frame(TEXT, window_log=27), TEXT),
}

BROKEN_ZSTD = {
    "checksum": frame(TEXT)[:-1] + b"!",
    "trailing garbage": frame(TEXT) + b"garbage",
    "zero padding": frame(TEXT) + bytes(512),
    "short garbage": frame(TEXT) + b"\x28\xb5",
    "window of 256 MiB": streamed_frame(TEXT, window_log=28),
    "window of 2 GiB": streamed_frame(TEXT, window_log=31),
    "skippable frame that ends early": frame(TEXT) + skippable(b"12345")[:-1],
    "reserved block type": b"\x28\xb5\x2f\xfd\x00\x50\x07\x00\x00" + bytes(9),
}


@pytest.mark.usefixtures("zstd_library")
@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize(("data", "content"), ZSTD_STREAMS.values(), ids=ZSTD_STREAMS)
def test_zstd_however_it_is_cut(data: bytes, content: bytes, size: int) -> None:
    assert unpacked(data, size=size, declared="zstd") == content


@pytest.mark.usefixtures("zstd_library")
def test_large_zstd_frames() -> None:
    content = NOISE * 3 + bytes(1_000_000)
    assert unpacked(frame(content) + streamed_frame(content), size=5000) == content * 2


@pytest.mark.usefixtures("zstd_library")
@pytest.mark.parametrize("size", [1, INPUT_BYTES])
@pytest.mark.parametrize("data", BROKEN_ZSTD.values(), ids=BROKEN_ZSTD)
def test_broken_zstd_is_refused(data: bytes, size: int) -> None:
    with pytest.raises(LayerInvalid, match="not a valid zstd stream"):
        unpacked(data, size=size)


@pytest.mark.usefixtures("zstd_library")
def test_zstd_that_is_truncated_anywhere_is_refused() -> None:
    first = frame(TEXT)
    data = first + skippable(b"123") + frame(b"more")
    whole = (len(first), len(first) + len(skippable(b"123")))
    for length in range(4, len(data)):
        if length not in whole:
            with pytest.raises(LayerInvalid, match="not a valid zstd stream"):
                unpacked(data[:length])
    assert unpacked(data[: whole[0]]) == unpacked(data[: whole[1]]) == TEXT


@settings(deadline=None)
@given(data=st.binary(max_size=300), size=st.integers(1, 70))
def test_arbitrary_bytes_after_a_zstd_magic(data: bytes, size: int) -> None:
    assert outcome(b"\x28\xb5\x2f\xfd" + data, size=size) is not None


@settings(deadline=None)
@given(data=mutated([data for data, dummy in ZSTD_STREAMS.values()]), size=st.integers(1, 999))
def test_damaged_zstd_is_refused_or_read(data: bytes, size: int) -> None:
    assert outcome(data, size=size) is not None


STREAMS: dict[Compression, t.Callable[[bytes], bytes]] = {"bzip2": bz2.compress, "xz": lzma.compress}


def xz_with_dictionary(content: bytes, *, size_code: int) -> bytes:
    """An xz stream whose header asks for a dictionary of another size (The .xz File Format, 5.3.1: LZMA2)."""
    data = bytearray(lzma.compress(content, preset=0))
    header = 12
    length = (data[header] + 1) * 4
    position = data.index(b"\x21\x01", header) + 2  # the filter LZMA2 and the size of its properties
    assert position < header + length
    data[position] = size_code
    crc = zlib.crc32(data[header : header + length - 4])
    data[header + length - 4 : header + length] = crc.to_bytes(4, "little")
    return bytes(data)


UNCOMMON_STREAMS: dict[str, tuple[Compression, bytes, bytes]] = {
    f"{form}, {name}": (form, data, content)
    for form, compress in STREAMS.items()
    for name, data, content in (
        ("one stream", compress(TEXT), TEXT),
        ("empty stream", compress(b""), b""),
        ("two streams", compress(TEXT) + compress(b"more"), TEXT + b"more"),
        ("empty streams between", compress(b"") * 3 + compress(b"x") + compress(b"") * 3, b"x"),
        ("large", compress(NOISE * 3) + compress(NOISE), NOISE * 4),
    )
}
UNCOMMON_STREAMS["bzip2, smallest blocks"] = ("bzip2", bz2.compress(NOISE * 3, 1), NOISE * 3)
UNCOMMON_STREAMS["xz, padding"] = ("xz", lzma.compress(TEXT) + bytes(4), TEXT)
UNCOMMON_STREAMS["xz, padding between"] = (
    "xz",
    lzma.compress(TEXT) + bytes(400) + lzma.compress(b"more") + bytes(70_000),
    TEXT + b"more",
)
UNCOMMON_STREAMS["xz, sha256"] = ("xz", lzma.compress(TEXT, check=lzma.CHECK_SHA256), TEXT)
UNCOMMON_STREAMS["xz, dictionary of 128 MiB"] = ("xz", xz_with_dictionary(TEXT, size_code=30), TEXT)

BROKEN_UNCOMMON: dict[str, tuple[Compression, bytes]] = {
    f"{form}, {name}": (form, data)
    for form, compress in STREAMS.items()
    for name, data in (
        ("trailing garbage", compress(TEXT) + b"garbage"),
        ("start of a next stream", compress(TEXT) + compress(TEXT)[:3]),
        ("one zero byte", compress(TEXT) + b"\0"),
        ("another compression", compress(TEXT) + member(TEXT)),
    )
}
BROKEN_UNCOMMON["bzip2, checksum"] = ("bzip2", bz2.compress(TEXT)[:10] + b"!!!!" + bz2.compress(TEXT)[14:])
BROKEN_UNCOMMON["bzip2, zero padding"] = ("bzip2", bz2.compress(TEXT) + bytes(512))
BROKEN_UNCOMMON["xz, checksum"] = ("xz", lzma.compress(TEXT)[:-40] + b"!!!!" + lzma.compress(TEXT)[-36:])
BROKEN_UNCOMMON["xz, padding of another length"] = ("xz", lzma.compress(TEXT) + bytes(6))
BROKEN_UNCOMMON["xz, padding and garbage"] = ("xz", lzma.compress(TEXT) + bytes(4) + b"x")
BROKEN_UNCOMMON["xz, dictionary of 192 MiB"] = ("xz", xz_with_dictionary(TEXT, size_code=31))
BROKEN_UNCOMMON["xz, dictionary of 4 GiB"] = ("xz", xz_with_dictionary(TEXT, size_code=40))


@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize(("form", "data", "content"), UNCOMMON_STREAMS.values(), ids=UNCOMMON_STREAMS)
def test_bzip2_and_xz_however_they_are_cut(form: Compression, data: bytes, content: bytes, size: int) -> None:
    warnings: list[str] = []
    assert unpacked(data, size=size, declared=form, warn=warnings.append) == content
    assert len(warnings) == 1
    assert f"compressed with {form}, which the image specification does not define" in warnings[0]


@pytest.mark.parametrize("size", [1, INPUT_BYTES])
@pytest.mark.parametrize(("form", "data"), BROKEN_UNCOMMON.values(), ids=BROKEN_UNCOMMON)
def test_broken_bzip2_and_xz_are_refused(form: Compression, data: bytes, size: int) -> None:
    with pytest.raises(LayerInvalid, match=f"not a valid {form} stream"):
        unpacked(data, size=size, warn=ignore)


@pytest.mark.parametrize(("form", "compress"), STREAMS.items())
def test_bzip2_and_xz_that_are_truncated_anywhere_are_refused(
    form: Compression, compress: t.Callable[[bytes], bytes]
) -> None:
    first = compress(TEXT)
    data = first + compress(b"more")
    for length in range(10, len(data)):
        if length != len(first):
            with pytest.raises(LayerInvalid, match=f"not a valid {form} stream"):
                unpacked(data[:length], warn=ignore)
    assert unpacked(data[: len(first)], warn=ignore) == TEXT


@settings(deadline=None)
@given(head=st.sampled_from([b"BZh11AY&SY", b"\xfd7zXZ\0"]), data=st.binary(max_size=300), size=st.integers(1, 70))
def test_arbitrary_bytes_after_a_magic_of_bzip2_or_xz(head: bytes, data: bytes, size: int) -> None:
    assert outcome(head + data, size=size) is not None


@settings(deadline=None)
@given(
    data=mutated([data for dummy, data, content in UNCOMMON_STREAMS.values() if len(data) < 1000]),
    sizes=st.tuples(st.integers(1, 20), st.integers(20, 999)),
)
def test_damaged_bzip2_and_xz_are_the_same_however_they_are_cut(data: bytes, sizes: tuple[int, int]) -> None:
    assert len({outcome(data, size=size) for size in sizes}) == 1


@settings(deadline=None)
@given(content=st.binary(max_size=2000), sizes=st.lists(st.integers(1, 500), min_size=1), data=st.data())
def test_every_compression_brings_back_what_went_in(content: bytes, sizes: list[int], data: st.DataObject) -> None:
    compress = data.draw(st.sampled_from([member, frame, streamed_frame, bz2.compress, lzma.compress]))
    blob = compress(content[:1000]) + compress(content[1000:])
    pieces = []
    while blob:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(blob[:size])
        blob = blob[size:]
    assert b"".join(decompress(CompressedInput(iter(pieces)), declared=None, warn=ignore)) == content


@pytest.mark.parametrize("size", PIECES)
def test_what_is_not_compressed_passes_as_it_is(size: int) -> None:
    assert unpacked(NOISE, size=size, declared="none") == NOISE


@pytest.mark.parametrize("declared", ["none", "gzip", "zstd", "bzip2", "xz", None])
def test_an_empty_layer_is_empty_whatever_it_is_declared_as(declared: Compression | None) -> None:
    assert unpacked(b"", declared=declared) == b""


@pytest.mark.parametrize("declared", ["none", "gzip", "zstd"])
@pytest.mark.parametrize(("data", "actual"), [(TEXT, "not"), (member(TEXT) * 3, "gzip"), (frame(TEXT) * 3, "zstd")])
def test_one_warning_when_the_media_type_is_wrong(data: bytes, actual: str, declared: Compression) -> None:
    warnings: list[str] = []
    found = unpacked(data, size=1, declared=declared, warn=warnings.append)
    assert found.startswith(TEXT)
    right = {"not": "none"}.get(actual, actual) == declared
    assert len(warnings) == (0 if right else 1)
    assert right or f"is {actual} compressed" in warnings[0]


@pytest.mark.parametrize(
    "data",
    [member(bytes(3_000_000)), repeating_frame(200), bz2.compress(bytes(3_000_000)), lzma.compress(bytes(3_000_000))],
    ids=["gzip", "zstd", "bzip2", "xz"],
)
def test_no_piece_is_large_however_much_comes_out(data: bytes) -> None:
    sizes = [len(piece) for piece in decompress(CompressedInput(iter((data,))), declared=None, warn=ignore)]
    assert sum(sizes) in (3_000_000, 200 * 131072)
    assert max(sizes) <= OUTPUT_BYTES
    assert min(sizes) > 0


class OldDecompressor:
    """A decompressor of zstandard before 0.19, whose decompressobj() does not report the end of a frame."""

    def __init__(self, **dummy: t.Any) -> None:
        self.decompressobj = object


@pytest.mark.parametrize(
    ("library", "found"),
    [
        (None, "on this host: install"),
        (types.SimpleNamespace(ZstdDecompressor=OldDecompressor, __version__="0.15.2"), r"an older one \(0.15.2\) was"),
    ],
    ids=["none", "old"],
)
def test_zstd_without_a_library_names_the_one_to_install(
    library: t.Any, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_zstd(monkeypatch, library, None)
    with pytest.raises(CompressionUnavailable, match=rf"{found}.*python3-zstandard.*gzip layers") as caught:
        unpacked(frame(TEXT))
    assert caught.value.as_result() == {"kind": "dependency_missing", "library": "zstandard"}


def test_gzip_and_plain_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    use_zstd(monkeypatch, None, None)
    monkeypatch.setattr(tested, "_zlib", zlib)
    assert unpacked(member(TEXT)) == unpacked(TEXT) == TEXT


def test_everything_works_where_no_library_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("isal", "zstandard", "compression.zstd", "bz2", "lzma"):
        monkeypatch.setitem(sys.modules, name, None)
    specification = importlib.util.find_spec(tested.__name__)
    assert specification is not None
    assert specification.loader is not None
    bare = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(bare)
    assert (
        b"".join(bare.decompress(bare.CompressedInput(iter((member(TEXT),))), declared="gzip", warn=pytest.fail))
        == TEXT
    )
    with pytest.raises(CompressionUnavailable):
        next(bare.decompress(bare.CompressedInput(iter((frame(TEXT),))), declared="zstd", warn=pytest.fail))
    with pytest.raises(LayerInvalid):
        list(bare.decompress(bare.CompressedInput(iter((BROKEN_GZIP["checksum"],))), declared="gzip", warn=pytest.fail))
    for form, module in (("bzip2", "bz2"), ("xz", "lzma")):
        with pytest.raises(
            CompressionUnavailable, match=f"{form}, which needs the module {module} of Python"
        ) as caught:
            next(bare.decompress(bare.CompressedInput(iter((STREAMS[form](TEXT),))), declared=form, warn=ignore))
        assert caught.value.as_result() == {"kind": "dependency_missing", "module": module}


class TestSource:
    def test_peek_consumes_nothing(self) -> None:
        source = CompressedInput(iter((b"a", b"", b"bc", b"defg")))
        assert source.peek(2) == b"ab"
        assert source.consumed == 0
        assert bytes(source.take(2)) == b"ab"
        assert source.peek(10) == b"cdefg"
        assert bytes(source.take(10)) == b"cdefg"
        assert (bytes(source.take(1)), source.peek(1), source.consumed) == (b"", b"", 7)

    def test_bytes_given_back_are_returned_again(self) -> None:
        source = CompressedInput(iter((b"abcdef", b"gh")))
        source.take(4)
        source.give_back(3)
        assert source.consumed == 1
        assert source.peek(7) == b"bcdefgh"
        assert bytes(source.take(2)) == b"bc"

    @settings(deadline=None)
    @given(pieces=st.lists(st.binary(max_size=9), max_size=9), sizes=st.lists(st.integers(1, 12)), data=st.data())
    def test_all_bytes_come_once_and_in_order(self, pieces: list[bytes], sizes: list[int], data: st.DataObject) -> None:
        whole = b"".join(pieces)
        source = CompressedInput(iter(pieces))
        position = 0
        for size in sizes:
            assert source.peek(size) == whole[position : position + size]
            taken = bytes(source.take(size))
            assert taken == whole[position : position + len(taken)]
            assert bool(taken) == (position < len(whole))
            back = data.draw(st.integers(0, len(taken)))
            source.give_back(back)
            position += len(taken) - back
            assert source.consumed == position


def test_a_plain_layer_may_start_with_letters_that_look_like_bzip2() -> None:
    plain = b"BZh9/" + bytes(507)
    assert b"".join(decompress(CompressedInput(iter([plain])), declared="none", warn=lambda text: None)) == plain
