# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Known mistakes of unpackers do not occur: forged archives and compressed streams (classes 39 to 43)."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack import limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import (
    DiffIdMismatch,
    LayerInvalid,
    LimitExceeded,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import HEADER_BYTES, Limits
from ansible_collections.attested.registry.tests.support.images.layer_maker import Box, layer_source
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Compression,
    Entry,
    compress,
    directory,
    entry,
    file,
    symlink,
    tar,
    whiteout,
)

EVIL = tar([file("smuggled", b"evil")])
MEBIBYTE = 1024 * 1024


def extended(records: bytes, kind: bytes = tarfile.XHDTYPE) -> Entry:
    """An extended header with this content."""
    return entry("pax", kind, mode=0o644, content=records)


def test_39_the_size_in_an_extended_header_counts(box: Box) -> None:
    hiding = file("n", EVIL, pax={"size": str(len(EVIL))})
    box.unpack([hiding, file("after", b"seen")])
    assert box.tree() == {"n": EVIL, "after": b"seen"}


def test_39_an_extended_header_may_say_that_there_is_no_content(box: Box) -> None:
    size = len(EVIL) - 1024  # without the blocks that end the archive
    box.unpack([extended(b"10 size=0\n"), file("n", EVIL[:size]), file("after", b"seen")])
    assert box.tree() == {"n": b"", "smuggled": b"evil", "after": b"seen"}


@pytest.mark.parametrize(
    "records",
    [
        b"0 a=b\n",
        b"5 a=b\n",
        b"6 a=b",
        b"-6 a=b\n",
        b" a=b\n",
        b"6 =bb\n",
        b"99 a=b\n",
        b"999999999 a=b\n",
        b"\0",
    ],
)
def test_39_broken_records_are_refused(box: Box, records: bytes) -> None:
    with pytest.raises(LayerInvalid, match="extended header .* is broken"):
        box.unpack([extended(records), file("n")])
    assert box.tree() == {}


@pytest.mark.parametrize("value", ["-1", "9" * 19, "9" * 21, "0x10", " 1", "1.5", "٣"])
def test_39_impossible_sizes_are_refused(box: Box, value: str) -> None:
    with pytest.raises(LayerInvalid):
        box.unpack([file("n", pax={"size": value}), file("after")])
    assert set(box.tree()) <= {"n"}


@pytest.mark.parametrize("number", [-1, -(2**62), 2**70])
def test_39_impossible_sizes_in_base_256_are_refused(box: Box, number: int) -> None:
    hidden = file("n")
    hidden.header.size = number
    with pytest.raises(LayerInvalid, match="impossible size"):
        box.unpack(tar([hidden, file("after")], tar_format=tarfile.GNU_FORMAT))


def test_39_a_wrong_checksum_is_refused(box: Box) -> None:
    archive = bytearray(tar([file("n", b"content")]))
    archive[0] ^= 1
    with pytest.raises(LayerInvalid, match="wrong checksum"):
        box.unpack(bytes(archive))


@pytest.mark.parametrize("records", [b"10 path=x\n", b"10 mode=0\n", b"anything at all", b""])
def test_39_global_headers_are_ignored(box: Box, records: bytes) -> None:
    comment = entry("foo/bar", tarfile.XGLTYPE, mode=0o644, content=records)
    box.unpack([comment, file("n", b"seen"), comment])
    assert box.tree() == {"n": b"seen"}


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_39_an_extended_header_at_the_end_is_refused(box: Box, kind: bytes) -> None:
    with pytest.raises(LayerInvalid, match="ends after an extended header"):
        box.unpack([file("n"), extended(b"10 path=x\n", kind)])


def test_39_an_archive_may_stop_without_closing_blocks(box: Box) -> None:
    box.unpack(tar([file("n", b"seen")])[:-1024])
    assert box.tree() == {"n": b"seen"}


@pytest.mark.parametrize("size", [1, 511, 513, 700, 1024 + 511, 2048 + 100])
def test_39_truncated_archives_are_refused(box: Box, size: int) -> None:
    with pytest.raises(LayerInvalid, match="truncated"):
        box.unpack(tar([file("n", b"x" * 600), file("m", b"x" * 600)])[:size])


@pytest.mark.parametrize("flag", [b"A", b"V", b"M", b"D", b"N", b"s", b"\xff", b"8"])
def test_39_unknown_types_are_refused(box: Box, flag: bytes) -> None:
    with pytest.raises(LayerInvalid, match="unknown type"):
        box.unpack([entry("n", flag, mode=0o644)])
    assert box.tree() == {}


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
@pytest.mark.parametrize("size", [HEADER_BYTES + 1, 300 * MEBIBYTE, 2**62])
def test_40_long_extended_headers_are_refused_before_they_are_read(box: Box, kind: bytes, size: int) -> None:
    claim = entry("pax", kind, mode=0)
    claim.header.size = size
    with pytest.raises(LimitExceeded) as caught:
        box.unpack(tar([claim], tar_format=tarfile.GNU_FORMAT))
    assert caught.value.fields["limit"] == "header_bytes"


def test_40_as_many_records_as_fit_are_read(box: Box) -> None:
    count = HEADER_BYTES // 8
    box.unpack([extended(b"8 a=bcd\n" * count), file("n")])
    assert box.tree() == {"n": b""}


@pytest.mark.parametrize("count", [2**20, 2**40, 10**18])
def test_40_large_sparse_maps_are_refused_before_they_are_read(box: Box, count: int) -> None:
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"}
    with pytest.raises(LimitExceeded) as caught:
        box.unpack([file("n", b"%d\n" % count + bytes(1000), pax=records)])
    assert caught.value.fields["limit"] == "sparse_regions"


@pytest.mark.parametrize("size", [2**37, 2**62, 2**63 - 1])
def test_40_holes_count_as_content(box: Box, size: int) -> None:
    sparse = {"GNU.sparse.size": str(size), "GNU.sparse.map": "0,0"}
    with pytest.raises(LimitExceeded) as caught:
        box.unpack([file("n", pax=sparse)])
    assert caught.value.fields["limit"] == "max_unpacked_bytes"


@pytest.mark.parametrize("extra", [[whiteout("x")], [directory("d")], [symlink("s", "t")]])
def test_40_more_entries_than_allowed_are_refused(box: Box, extra: list[Entry]) -> None:
    entries = [file(f"f{number}") for number in range(9)]
    box.unpack(entries, extra, limits=Limits(entries=10))
    with pytest.raises(LimitExceeded) as caught:
        box.unpack(entries, extra * 2, fresh=False, limits=Limits(entries=10))
    assert caught.value.fields["limit"] == "max_entries"


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "bzip2", "xz"])
def test_41_more_bytes_than_allowed_are_refused(box: Box, compression: Compression) -> None:
    layer = tar([file("n", bytes(4 * MEBIBYTE))])
    box.unpack(layer, compression=compression, limits=Limits(unpacked_bytes=len(layer)))
    with pytest.raises(LimitExceeded) as caught:
        box.unpack(layer, compression=compression, fresh=False, limits=Limits(unpacked_bytes=len(layer) - 1))
    assert caught.value.fields["limit"] == "max_unpacked_bytes"


@pytest.mark.parametrize("compression", ["gzip", "zstd", "bzip2", "xz"])
def test_41_a_bomb_is_refused_by_its_ratio(box: Box, monkeypatch: pytest.MonkeyPatch, compression: Compression) -> None:
    monkeypatch.setattr(limits, "RATIO_FLOOR", MEBIBYTE)
    bomb = tar([file("n", bytes(8 * MEBIBYTE))])
    with pytest.raises(LimitExceeded) as caught:
        box.unpack(bomb, compression=compression, limits=Limits(ratio=100))
    assert caught.value.fields["limit"] == "max_ratio"
    assert box.status("n").kind == "file"


def test_42_gzip_may_have_many_members(box: Box) -> None:
    archive = tar([file(f"f{number}", b"content") for number in range(20)])
    blob = b"".join(gzip.compress(archive[start : start + 700]) for start in range(0, len(archive), 700))
    _unpack_blob(box, archive, blob + bytes(512), "gzip")
    assert len(box.tree()) == 20


def test_42_zstd_may_have_many_frames_and_skippable_ones(box: Box) -> None:
    archive = tar([file(f"f{number}", b"content") for number in range(20)])
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"extra"
    frames = [compress(archive[start : start + 9000], "zstd") for start in range(0, len(archive), 9000)]
    _unpack_blob(box, archive, skippable + skippable.join(frames) + skippable, "zstd")
    assert len(box.tree()) == 20


@pytest.mark.parametrize("actual", ["none", "gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("declared", ["none", "gzip", "zstd", "bzip2", "xz"])
def test_42_the_compression_is_what_the_bytes_say(box: Box, actual: Compression, declared: Compression) -> None:
    archive = tar([file("n", b"content")])
    _unpack_blob(box, archive, compress(archive, actual), declared)
    assert box.tree() == {"n": b"content"}


def test_42_an_empty_blob_is_an_empty_layer(box: Box) -> None:
    box.unpack(b"", [file("n")], b"")
    assert box.tree() == {"n": b""}


@pytest.mark.parametrize("compression", ["gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("missing", [1, 4, 9, 40])
def test_42_truncated_streams_are_refused(box: Box, compression: Compression, missing: int) -> None:
    archive = tar([file("n", b"content")])
    with pytest.raises(LayerInvalid):
        _unpack_blob(box, archive, compress(archive, compression)[:-missing], compression)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_43_another_diff_id_is_refused(box: Box, algorithm: str) -> None:
    archive = tar([file("n")])
    box.unpack_sources([layer_source(archive, diff_id=Digest.of(archive, algorithm))])
    wrong = Digest.of(b"", algorithm)
    with pytest.raises(DiffIdMismatch) as caught:
        box.unpack_sources([layer_source(archive, diff_id=wrong, name="the layer")], fresh=False)
    actual = str(Digest.of(archive, algorithm))
    assert caught.value.fields == {"layer": "the layer", "expected": str(wrong), "actual": actual}


@pytest.mark.parametrize("more", [b"x", bytes(512), bytes(512) + EVIL, b"x" * 30_000])
def test_43_what_follows_the_archive_is_part_of_the_diff_id(box: Box, more: bytes) -> None:
    archive = tar([file("n")])
    box.unpack(archive + more)
    with pytest.raises(DiffIdMismatch):
        box.unpack_sources([layer_source(archive + more, diff_id=Digest.of(archive))], fresh=False)
    assert box.tree() == {"n": b""}


def test_43_a_source_that_fails_ends_the_unpack_with_its_own_error(box: Box) -> None:
    class Cut(Exception):
        pass

    def pieces() -> t.Iterator[bytes]:
        yield tar([file("n", bytes(20_000))])[:9000]
        raise Cut("the connection broke")

    source = layer_source(b"")
    broken = dataclasses.replace(source, open=lambda: contextlib.nullcontext(pieces()))
    with pytest.raises(Cut):
        box.unpack_sources([layer_source([file("m")]), broken])


def _unpack_blob(box: Box, archive: bytes, blob: bytes, declared: Compression) -> None:
    source = layer_source(blob, diff_id=Digest.of(archive))
    box.unpack_sources([dataclasses.replace(source, compression=declared)])
