# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sparse files in all four GNU formats are read and written with their holes; broken or huge maps are refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.changeset.file_content import (
    CREATE,
    write_content,
    write_sparse,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid, LimitExceeded
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import SPARSE_REGIONS, Budget, Limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.entry import Entry, Region, Sparse
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.reader import TarReader
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.stream import ByteStream
from ansible_collections.attested.registry.tests.support.images.tar_bytes import (
    BLOCK,
    END,
    USTAR,
    Regions,
    base256,
    header,
    member,
    octal,
    padded,
    pax,
    sparse_00,
    sparse_01,
    sparse_10,
    sparse_old,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Maker = t.Callable[[bytes, Regions, int], bytes]

MAKERS: dict[str, Maker] = {"old GNU": sparse_old, "PAX 0.0": sparse_00, "PAX 0.1": sparse_01, "PAX 1.0": sparse_10}
every_format = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)

FILES: dict[str, tuple[Regions, int]] = {
    "hole in front": ([(4096, b"data")], 4100),
    "hole at the end": ([(0, b"data"), (9000, b"")], 9000),
    "hole in between": ([(0, b"a" * 512), (1_000_000, b"b" * 513)], 1_000_513),
    "nothing but a hole": ([(5000, b"")], 5000),
    "no hole": ([(0, b"data")], 4),
    "regions that touch": ([(0, b"ab"), (2, b"cd"), (4, b"")], 4),
    "five regions": ([(1000 * number, b"%d" % number) for number in range(5)], 4001),
    "25 regions": ([(1000 * number, b"x" * number) for number in range(25)], 25_000),
    "26 regions": ([(1000 * number, b"x" * number) for number in range(26)], 26_000),
    "200 regions": ([(700 * number, bytes((number,)) * 7) for number in range(200)], 200_000),
}


def read(archive: bytes, *, size: int = 777) -> list[tuple[Entry, bytes]]:
    """All entries with the bytes that follow them, which are the regions of a sparse file one after the other."""
    reader = TarReader(ByteStream(archive[start : start + size] for start in range(0, len(archive), size)))
    return [(entry, b"".join(reader.content())) for entry in reader.entries()]


def expanded(regions: Regions, size: int) -> bytes:
    whole = bytearray(size)
    for offset, data in regions:
        whole[offset : offset + len(data)] = data
    return bytes(whole)


def written(entry: Entry, content: bytes, *, piece: int = 100) -> bytes:
    """The content of the file of a sparse entry, holes included."""
    assert entry.sparse is not None
    return expanded(_cut(entry.sparse, content), entry.sparse.size)


def _cut(sparse: Sparse, content: bytes) -> list[tuple[int, bytes]]:
    regions = []
    for region in sparse.regions:
        regions.append((region.offset, content[: region.length]))
        content = content[region.length :]
    assert not content
    return regions


@every_format
@pytest.mark.parametrize(("regions", "size"), FILES.values(), ids=FILES)
def test_every_format_says_the_same(make: Maker, regions: Regions, size: int) -> None:
    archive = make(b"dir/file", regions, size) + member(b"next", b"content") + END
    (entry, content), (following, rest) = read(archive)
    assert (entry.path, entry.kind, entry.mode) == (b"dir/file", "file", 0o644)
    assert entry.sparse == Sparse(tuple(Region(offset, len(data)) for offset, data in regions), size)
    assert entry.size == len(content) == sum(len(data) for dummy, data in regions)
    assert content == b"".join(data for dummy, data in regions)
    assert (following.path, following.sparse, rest) == (b"next", None, b"content")


@every_format
def test_content_that_is_not_read_is_skipped(make: Maker) -> None:
    archive = make(b"file", *FILES["26 regions"]) + member(b"next") + END
    reader = TarReader(ByteStream(iter((archive,))))
    assert [entry.path for entry in reader.entries()] == [b"file", b"next"]


@settings(deadline=None)
@given(
    make=st.sampled_from(list(MAKERS.values())),
    gaps=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=600)), max_size=30),
    tail=st.integers(0, 5000),
    piece=st.integers(1, 2000),
)
def test_any_file_in_any_format(make: Maker, gaps: list[tuple[int, bytes]], tail: int, piece: int) -> None:
    regions = []
    end = 0
    for gap, data in gaps:
        regions.append((end + gap, data))
        end += gap + len(data)
    regions.append((end + tail, b""))
    [(entry, content)] = read(make(b"file", regions, end + tail) + END, size=piece)
    assert written(entry, content) == expanded(regions, end + tail)


GNU_TAR_OPTIONS = {
    "old GNU": ["--format=gnu"],
    "PAX 0.0": ["--format=posix", "--sparse-version=0.0"],
    "PAX 0.1": ["--format=posix", "--sparse-version=0.1"],
    "PAX 1.0": ["--format=posix", "--sparse-version=1.0"],
}


@pytest.mark.parametrize("options", GNU_TAR_OPTIONS.values(), ids=GNU_TAR_OPTIONS)
def test_what_gnu_tar_writes(options: list[str], tmp_path: Path) -> None:
    contents = {}
    for name, (regions, size) in FILES.items():
        path = f"{name} {'x' * 120}"
        contents[path.encode()] = expanded(regions, size + 100_000)
        with open(tmp_path / path, "wb") as file:
            for offset, data in regions:
                file.seek(offset)
                file.write(data)
            file.truncate(size + 100_000)
    command = [
        "tar",
        "--create",
        "--sparse",
        "--hole-detection=raw",
        *options,
        "--sort=name",
        *sorted(os.listdir(tmp_path)),
    ]
    archive = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout
    found = read(archive)
    assert {entry.path: written(entry, data) if entry.sparse else data for entry, data in found} == contents
    assert all(entry.sparse for entry, dummy in found)


def with_map(numbers: bytes, *, content: bytes = b"", size: bytes = b"100") -> bytes:
    """A file of format 0.1 with this map."""
    return pax({b"GNU.sparse.size": size, b"GNU.sparse.map": numbers}) + member(b"file", content)


def with_front_map(
    front: bytes, *, size: bytes = b"100", content: bytes = b"", version: tuple[bytes, bytes] = (b"1", b"0")
) -> bytes:
    """A file of format 1.0 whose content starts with front."""
    records = {b"GNU.sparse.major": version[0], b"GNU.sparse.minor": version[1], b"GNU.sparse.realsize": size}
    return pax(records) + member(b"file", padded(front) + content)


def old(
    regions: bytes, *, size: bytes | int = 100, content: int = 0, more: bool = False, magic: bytes = b"ustar  \0"
) -> bytes:
    """A file of the old format with these very bytes as regions."""
    length = octal(size, 12) if isinstance(size, int) else size
    fields = bytes(41) + regions.ljust(96, b"\0") + bytes((more,)) + length
    return header(b"file", typeflag=b"S", size=content, magic=magic, prefix=fields)


BROKEN = {
    "regions overlap": with_map(b"0,10,5,5", content=bytes(15)),
    "regions out of order": with_map(b"50,5,0,5", content=bytes(10)),
    "region beyond the end": with_map(b"98,5", content=bytes(5)),
    "region starts beyond the end": with_map(b"101,0"),
    "odd number of numbers": with_map(b"0,5,9", content=bytes(5)),
    "length negative": with_map(b"5,-5"),
    "offset negative": with_map(b"-5,5", content=bytes(5)),
    "no number": with_map(b"0,x", content=bytes(1)),
    "empty number": with_map(b"0,,5", content=bytes(5)),
    "content shorter than the map": with_map(b"0,10", content=bytes(9)),
    "content longer than the map": with_map(b"0,10", content=bytes(11)),
    "no size": pax({b"GNU.sparse.map": b"0,1"}) + member(b"file", b"x"),
    "size negative": with_map(b"", size=b"-1"),
    "size of 8 EiB": with_map(b"0,0", size=b"9223372036854775808"),
    "sum beyond 64 bits": with_map(
        b"0,9223372036854775807,9223372036854775807,9223372036854775807", size=b"9223372036854775807"
    ),
    "pairs that are none": pax([(b"GNU.sparse.size", b"9"), (b"GNU.sparse.offset", b"1")]) + member(b"file"),
    "version 2": with_front_map(b"0\n", version=(b"2", b"0")),
    "version 1.1": with_front_map(b"0\n", version=(b"1", b"1")),
    "front map is no number": with_front_map(b"x\n"),
    "front map is empty": with_front_map(b"\n"),
    "front map negative": with_front_map(b"-1\n"),
    "front map of fewer regions than it says": with_front_map(b"2\n0\n5\n", content=bytes(5)),
    "front map with a very long number": with_front_map(b"1" * 600 + b"\n"),
    "front map without size": with_front_map(b"0\n", size=b""),
    "front map that ends with the archive": with_front_map(b"1\n0\n")[:-BLOCK],
    "front map that goes on in the next entry": with_front_map(b"300\n" + b"0\n" * 254)
    + member(b"0\n" * 50, b"0\n" * 600),
    "old in a ustar header": old(octal(0, 12) + octal(0, 12), magic=USTAR),
    "old with a region that is no number": old(b"x" * 24),
    "old with a negative offset": old(base256(-5, 12) + octal(0, 12)),
    "old with a negative length": old(octal(9, 12) + base256(-5, 12)),
    "old with a negative size": old(b"", size=base256(-1, 12)),
    "old of 2^63": old(b"", size=base256(2**63, 12)),
    "old whose map is truncated": old(octal(0, 12) + octal(0, 12), more=True) + bytes(100),
}


@pytest.mark.parametrize("archive", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("end", [b"", END])
def test_broken_maps(archive: bytes, end: bytes) -> None:
    with pytest.raises((LayerInvalid, LimitExceeded)):
        read(archive + end)


def test_a_map_of_the_old_format_that_is_missing() -> None:
    with pytest.raises(LayerInvalid, match="its map is truncated"):
        read(old(octal(0, 12) + octal(0, 12), more=True))


TOO_MANY = SPARSE_REGIONS + 1

BOMBS = {
    "2^40 regions claimed": with_front_map(b"1099511627776\n"),
    "regions of format 1.0": with_front_map(b"%d\n" % TOO_MANY + b"0\n0\n" * TOO_MANY),
    "regions of format 0.1": with_map(b",".join([b"0"] * 2 * TOO_MANY)),
    "regions of the old format": old(octal(0, 12) * 8, more=True)
    + (octal(0, 12) * 42 + b"\1" + bytes(7)) * (TOO_MANY // 21 + 1),
}


@pytest.mark.parametrize("archive", BOMBS.values(), ids=BOMBS)
def test_maps_with_too_many_regions(archive: bytes) -> None:
    with pytest.raises(LimitExceeded, match=f"regions, more than the {SPARSE_REGIONS} that are accepted") as caught:
        read(archive, size=65536)
    assert caught.value.fields["limit"] == "sparse_regions"


def test_a_file_that_may_have_as_many_regions_as_there_may_be() -> None:
    regions = [(3 * number, b"x") for number in range(SPARSE_REGIONS)]
    [(entry, content)] = read(sparse_10(b"file", regions, 3 * SPARSE_REGIONS) + END, size=65536)
    assert (len(content), entry.size) == (SPARSE_REGIONS, SPARSE_REGIONS)


def test_a_name_alone_does_not_make_a_file_sparse() -> None:
    archive = pax({b"GNU.sparse.name": b"name"}) + member(b"file", b"content") + END
    [(entry, content)] = read(archive)
    assert (entry.path, entry.sparse, content) == (b"name", None, b"content")


def test_sparse_records_of_other_entries_are_ignored() -> None:
    records = {b"GNU.sparse.size": b"5", b"GNU.sparse.map": b"0,5", b"GNU.sparse.name": b"name"}
    [(entry, dummy)] = read(pax(records) + member(b"dir", typeflag=b"5") + END)
    assert (entry.path, entry.kind, entry.sparse) == (b"dir", "directory", None)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"map", b"size", b"realsize", b"offset", b"numbytes", b"major", b"minor", b"name"]),
            st.text("0123456789,-", max_size=9),
        ),
        max_size=8,
    ),
    st.binary(max_size=40) | st.text("0123456789\n", max_size=60).map(str.encode),
)
def test_any_records_and_content_are_a_file_or_an_error(records: list[tuple[bytes, str]], content: bytes) -> None:
    archive = pax([(b"GNU.sparse." + keyword, value.encode()) for keyword, value in records]) + member(b"file", content)
    try:
        [(entry, found)] = read(archive + END)
    except (LayerInvalid, LimitExceeded):
        return
    if entry.sparse is None:
        assert found == content
    else:
        assert len(written(entry, found)) == entry.sparse.size


class TestWriting:
    def _write(self, path: Path, write: t.Callable[[int, t.Any], None]) -> bytes:
        """Write a file without and with a digest; return its content."""
        found = []
        for digest in (None, hashlib.sha256()):
            path.unlink(missing_ok=True)
            descriptor = os.open(path, CREATE, 0o600)
            try:
                write(descriptor, digest)
            finally:
                os.close(descriptor)
            found.append(path.read_bytes())
            assert digest is None or digest.digest() == hashlib.sha256(path.read_bytes()).digest()
        assert found[0] == found[1]
        return found[1]

    def test_content(self, tmp_path: Path) -> None:
        pieces = [b"abc", memoryview(b"def"), b"", bytes(100_000)]
        assert self._write(tmp_path / "file", lambda *to: write_content(to[0], pieces, to[1])) == b"".join(pieces)

    def test_content_where_the_system_writes_little_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))
        data = bytes(range(100))
        assert self._write(tmp_path / "file", lambda *to: write_content(to[0], [data], to[1])) == data

    @pytest.mark.parametrize("piece", [1, 100, 65536])
    @pytest.mark.parametrize(("regions", "size"), FILES.values(), ids=FILES)
    def test_sparse(self, regions: Regions, size: int, piece: int, tmp_path: Path) -> None:
        sparse = Sparse(tuple(Region(offset, len(data)) for offset, data in regions), size)
        content = b"".join(data for dummy, data in regions)
        pieces = [content[start : start + piece] for start in range(0, len(content), piece)]
        budget = Budget(Limits())
        found = self._write(
            tmp_path / "file", lambda *to: write_sparse(to[0], pieces, sparse, budget=budget, digest=to[1])
        )
        assert found == expanded(regions, size)
        assert budget.bytes == 2 * (size - len(content))

    def test_holes_stay_holes(self, tmp_path: Path) -> None:
        sparse = Sparse((Region(5_000_000, 1),), 6_000_000)
        self._write(
            tmp_path / "file", lambda *to: write_sparse(to[0], [b"x"], sparse, budget=Budget(Limits()), digest=to[1])
        )
        assert (tmp_path / "file").stat().st_blocks * 512 < 100_000

    def test_a_hole_beyond_the_budget_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        budget = Budget(Limits(unpacked_bytes=10**12))
        sparse = Sparse((Region(0, 1),), 2**62)
        with pytest.raises(LimitExceeded, match="raise max_unpacked_bytes"):
            self._write(tmp_path / "file", lambda *to: write_sparse(to[0], [b"x"], sparse, budget=budget))
        assert (tmp_path / "file").stat().st_size == 0

    def test_nothing_that_exists_is_opened(self, tmp_path: Path) -> None:
        (tmp_path / "victim").write_bytes(b"secret")
        (tmp_path / "link").symlink_to("victim")
        for name in ("victim", "link"):
            with pytest.raises(FileExistsError):
                os.open(tmp_path / name, CREATE, 0o600)
