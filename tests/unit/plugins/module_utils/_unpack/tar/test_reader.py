# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tar archives (POSIX.1-2017 pax, ustar, GNU, v7) are read entry by entry, and broken ones are refused."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import stat
import subprocess
import tarfile
import tracemalloc
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid, LimitExceeded
from ansible_collections.attested.registry.plugins.module_utils._unpack.limits import HEADER_BYTES
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.entry import Entry, Kind
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.header import (
    Header,
    parse_header,
    parse_number,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.reader import TarReader
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.stream import ByteStream
from ansible_collections.attested.registry.tests.support.images import tar_entries
from ansible_collections.attested.registry.tests.support.images.tar_bytes import (
    BLOCK,
    END,
    GNU,
    USTAR,
    V7,
    base256,
    header,
    long_name,
    long_target,
    member,
    octal,
    padded,
    pax,
    record,
    reused_views,
    sparse_00,
    sparse_01,
    sparse_10,
    sparse_old,
    with_checksum,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SECOND = 10**9


def read(archive: bytes, *, size: int = 700) -> list[tuple[Entry, bytes]]:
    """All entries with their content."""
    reader = TarReader(ByteStream(archive[start : start + size] for start in range(0, len(archive), size)))
    return [(entry, b"".join(reader.content())) for entry in reader.entries()]


def entry_of(archive: bytes) -> Entry:
    """The one entry of an archive that does not end yet."""
    [(entry, dummy)] = read(archive + END)
    return entry


def paths(archive: bytes) -> list[bytes]:
    return [entry.path for entry, dummy in read(archive)]


# --- numbers and headers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000644\0", 0o644),
        (b"000644 \0", 0o644),
        (b"   644 \0", 0o644),
        (b"644\0\0\0\0\0", 0o644),
        (b"77777777", 0o77777777),
        (b"\0\0\0\0\0\0\0\0", 0),
        (b"        ", 0),
        (b"0\0garbag", 0),
        (b"\x00000644\0", 0o644),
        (b" \0 644 \0", 0o644),
        (base256(0, 8), 0),
        (base256(2**32 - 2, 8), 2**32 - 2),
        (base256(-1, 8), -1),
        (base256(-(2**62), 8), -(2**62)),
        (base256(2**62 - 1, 8), 2**62 - 1),
        (base256(2**94 - 1, 12), 2**94 - 1),
        (base256(-(2**94), 12), -(2**94)),
        (b"\x80\0\0\0\0\0\0\x08", 8),
        (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
    ],
)
def test_numbers(field: bytes, value: int) -> None:
    assert parse_number(field, "size") == value


@pytest.mark.parametrize(
    "field",
    [
        b"0000648\0",
        b"-000644\0",
        b"0x1ff\0\0\0",
        b"64 4\0\0\0\0",
        b"6_4\0\0\0\0\0",
        b"\x7f\0\0\0\0\0\0\0",
        b"+644\0\0\0\0",
        b"abcdefgh",
    ],
)
def test_an_invalid_number_is_refused(field: bytes) -> None:
    with pytest.raises(LayerInvalid, match="has a gid that is not an octal number"):
        parse_number(field, "gid")


@settings(deadline=None)
@given(st.integers(8, 12).flatmap(lambda width: st.binary(min_size=width, max_size=width)))
def test_any_field_is_a_number_or_an_error(field: bytes) -> None:
    with contextlib.suppress(LayerInvalid):
        assert abs(parse_number(field, "size")) < 2**95


@settings(deadline=None)
@given(st.integers(-(2**55), 2**55), st.integers(8, 12))
def test_large_numbers_as_tarfile_writes_them(value: int, width: int) -> None:
    assert parse_number(tarfile.itn(value, width, tarfile.GNU_FORMAT), "size") == value


def test_all_fields_of_a_header() -> None:
    block = header(
        b"name",
        typeflag=b"3",
        size=5,
        mode=0o4755,
        uid=1000,
        gid=1001,
        mtime=1721396696,
        linkname=b"target",
        prefix=b"dir/ectory",
        devmajor=1,
        devminor=3,
        uname=b"nobody",
    )
    expected = Header(b"dir/ectory/name", 0o4755, 1000, 1001, 5, 1721396696, b"3", b"target", (1, 3), False)
    assert parse_header(block) == expected


@pytest.mark.parametrize(
    ("magic", "prefix", "expected"),
    [
        (USTAR, b"", b"name"),
        (USTAR, b"p" * 155, b"p" * 155 + b"/name"),
        (USTAR, b"dir/", b"dir//name"),
        (b"ustar\0\0\0", b"dir", b"dir/name"),
        (V7, b"dir", b"name"),
        (GNU, octal(1721396696, 12) * 2, b"name"),
        (GNU, base256(-1, 12) * 2, b"name"),
        (GNU, b"a/directory", b"a/directory/name"),
        (GNU, b"\xc3\xa9/not in ASCII", b"name"),
    ],
    ids=repr,
)
def test_prefix_only_where_it_is_one(magic: bytes, prefix: bytes, expected: bytes) -> None:
    assert parse_header(header(b"name", magic=magic, prefix=prefix)).name == expected


def test_name_and_target_that_fill_their_fields() -> None:
    found = parse_header(header(b"n" * 100, linkname=b"l" * 100, prefix=b"p" * 155))
    assert (found.name, found.linkname) == (b"p" * 155 + b"/" + b"n" * 100, b"l" * 100)


@pytest.mark.parametrize(
    "checksum",
    ["unsigned", "signed", None],
)
def test_checksum_of_bytes_above_127(checksum: t.Any) -> None:
    block = header(b"\xff\xfe\x80", checksum=checksum or "unsigned")
    if checksum is None:
        block = header(b"\xff\xfe\x80", checksum=b"%07o\0" % (int(block[148:154], 8)))
    assert parse_header(block).name == b"\xff\xfe\x80"


@pytest.mark.parametrize("field", [b"0000000\0", bytes(8), b" " * 8, b"7777777\0", b"nonsense", base256(-1, 8)])
def test_wrong_checksums(field: bytes) -> None:
    with pytest.raises(LayerInvalid, match=r"wrong checksum|checksum that is not an octal number"):
        parse_header(header(b"name", checksum=field))


def test_every_changed_byte_of_a_header_is_noticed() -> None:
    block = member(b"name", b"", uid=1000)
    for position in range(BLOCK):
        if not 148 <= position < 156:
            changed = block[:position] + bytes((block[position] ^ 1,)) + block[position + 1 :]
            with pytest.raises(LayerInvalid, match="checksum"):
                parse_header(changed)


@settings(deadline=None)
@given(st.binary(min_size=BLOCK, max_size=BLOCK))
def test_any_block_with_the_right_checksum_is_a_header_or_an_error(block: bytes) -> None:
    with contextlib.suppress(LayerInvalid):
        assert parse_header(with_checksum(block)).typeflag == block[156:157]


# --- entries ----------------------------------------------------------------------------------------------------------


def expected(path: bytes = b"file", kind: Kind = "file", **fields: t.Any) -> Entry:
    entry = Entry(path, kind, 0o644, 0, 0, 0, 0, b"", (0, 0), {}, None)
    return entry._replace(**fields)


ENTRIES = {
    "regular file": (member(), expected()),
    "v7 regular file": (member(typeflag=b"\0", magic=V7), expected()),
    "contiguous file": (member(typeflag=b"7"), expected()),
    "directory": (member(b"d/", typeflag=b"5"), expected(b"d/", "directory")),
    "v7 directory": (member(b"d/", typeflag=b"\0", magic=V7), expected(b"d/", "directory")),
    "regular file with a slash": (member(b"d/", typeflag=b"0"), expected(b"d/")),
    "v7 directory by its PAX name": (
        pax({b"path": b"long/"}) + member(b"short", typeflag=b"\0"),
        expected(b"long/", "directory"),
    ),
    "v7 file by its PAX name": (pax({b"path": b"long"}) + member(b"short/", typeflag=b"\0"), expected(b"long")),
    "symbolic link": (member(typeflag=b"2", linkname=b"../t"), expected(kind="symlink", target=b"../t")),
    "hard link": (member(typeflag=b"1", linkname=b"t"), expected(kind="hardlink", target=b"t")),
    "fifo": (member(typeflag=b"6"), expected(kind="fifo")),
    "character device": (
        member(typeflag=b"3", devmajor=1, devminor=3),
        expected(kind="character", device=(1, 3)),
    ),
    "block device with large numbers": (
        member(typeflag=b"4", devmajor=base256(2**33, 8), devminor=base256(-1, 8)),
        expected(kind="block", device=(2**33, -1)),
    ),
    "device fields of a file": (member(devmajor=b"nonsense", devminor=b"xxxxxxxx"), expected()),
    "special bits": (member(mode=0o7777), expected(mode=0o7777)),
    "mode with type": (member(mode=0o100644), expected(mode=0o100644)),
    "large owner": (member(uid=base256(2**32 - 2, 8), gid=base256(2**31, 8)), expected(uid=2**32 - 2, gid=2**31)),
    "time": (member(mtime=1721396696), expected(mtime=1721396696 * SECOND)),
    "time before 1970": (member(mtime=base256(-1, 12)), expected(mtime=-SECOND)),
    "time far away": (member(mtime=base256(2**90, 12)), expected(mtime=2**90 * SECOND)),
    "GNU long name": (long_name(b"n" * 300) + member(b"n" * 100), expected(b"n" * 300)),
    "GNU long target": (
        long_target(b"t" * 300) + member(typeflag=b"2", linkname=b"t" * 100),
        expected(kind="symlink", target=b"t" * 300),
    ),
    "GNU long name and target": (
        long_target(b"t" * 300) + long_name(b"n" * 300) + member(typeflag=b"1", magic=GNU),
        expected(b"n" * 300, "hardlink", target=b"t" * 300),
    ),
    "GNU long name with more after its NUL": (long_name(b"name\0more") + member(), expected(b"name")),
    "GNU long name without NUL": (member(b"L", b"name", typeflag=b"L") + member(), expected(b"name")),
    "empty GNU long name": (long_name(b"") + long_target(b"") + member(b"name"), expected(b"name")),
    "two GNU long names, the last counts": (long_name(b"a") + long_name(b"b") + member(), expected(b"b")),
    "PAX": (
        pax({b"path": b"p" * 200, b"uid": b"1", b"gid": b"2", b"mtime": b"3.25", b"comment": b"x"}) + member(),
        expected(b"p" * 200, uid=1, gid=2, mtime=3_250_000_000),
    ),
    "PAX with a time before 1970": (pax({b"mtime": b"-1.5"}) + member(), expected(mtime=-1_500_000_000)),
    "PAX target": (
        pax({b"linkpath": b"\xff\n"}) + member(typeflag=b"2", linkname=b"x"),
        expected(kind="symlink", target=b"\xff\n"),
    ),
    "PAX of Solaris": (pax({b"path": b"p"}, typeflag=b"X") + member(), expected(b"p")),
    "PAX with empty values": (
        pax({b"path": b"", b"uid": b"", b"size": b"", b"mtime": b"", b"linkpath": b""}) + member(uid=5, mtime=1),
        expected(uid=5, mtime=SECOND),
    ),
    "PAX overrides a GNU long name": (long_name(b"gnu") + pax({b"path": b"pax"}) + member(), expected(b"pax")),
    "PAX attributes of Go": (
        pax({b"SCHILY.xattr.security.capability": b"\1\0\0\2\n=\0"}) + member(),
        expected(xattrs={"security.capability": b"\1\0\0\2\n=\0"}),
    ),
    "two PAX headers, the last counts": (
        pax({b"path": b"first", b"uid": b"1", b"SCHILY.xattr.user.a": b"1"}) + pax({b"path": b"second"}) + member(),
        expected(b"second"),
    ),
    "global header is ignored": (
        pax({b"path": b"g", b"uid": b"9", b"mtime": b"1"}, typeflag=b"g") + member(),
        expected(),
    ),
    "global header that is broken": (pax(b"nonsense", typeflag=b"g") + member(), expected()),
    "global header between": (
        pax({b"path": b"p"}) + pax({b"comment": b"c"}, typeflag=b"g") + member(),
        expected(b"p"),
    ),
    "size of a directory": (member(b"d", typeflag=b"5", size=1000), expected(b"d", "directory")),
    "size of a symbolic link": (
        member(typeflag=b"2", size=7, linkname=b"t"),
        expected(kind="symlink", target=b"t"),
    ),
    "PAX size of a fifo": (pax({b"size": b"99"}) + member(typeflag=b"6"), expected(kind="fifo")),
    "name as long as can be in ustar": (
        member(b"n" * 100, prefix=b"p" * 155),
        expected(b"p" * 155 + b"/" + b"n" * 100),
    ),
    "name of any bytes": (member(b"\xff\n ./x\\"), expected(b"\xff\n ./x\\")),
    "no name": (member(b"", typeflag=b"5"), expected(b"", "directory")),
}


@pytest.mark.parametrize(("archive", "entry"), ENTRIES.values(), ids=ENTRIES)
def test_entries(archive: bytes, entry: Entry) -> None:
    following = member(b"next", b"content of the next one")
    (found, content), (after, rest) = read(archive + following + END)
    assert found == entry
    assert content == b""
    assert (after, rest) == (expected(b"next", size=23), b"content of the next one")


BROKEN = {
    "unknown type": member(typeflag=b"Z"),
    "type of GNU incremental archives": member(typeflag=b"D"),
    "type of GNU volume labels": member(typeflag=b"V"),
    "type of multi-volume archives": member(typeflag=b"M"),
    "type above 127": member(typeflag=b"\xff"),
    "hard link with content": member(b"l", b"content", typeflag=b"1", linkname=b"t"),
    "hard link with content by PAX": pax({b"size": b"5"})
    + member(b"l", typeflag=b"1", linkname=b"t")
    + padded(b"12345"),
    "NUL in a PAX name": pax({b"path": b"a\0b"}) + member(),
    "NUL in a PAX target": pax({b"linkpath": b"a\0b"}) + member(typeflag=b"2"),
    "negative size": member(size=base256(-1, 12)),
    "negative PAX size": pax({b"size": b"-1"}) + member(),
    "size of 2^63": member(size=base256(2**63, 12)),
    "PAX size of 2^63": pax({b"size": b"9223372036854775808"}) + member(),
    "size in hexadecimal": member(size=b"0x10\0\0\0\0\0\0\0\0"),
    "PAX size that is no number": pax({b"size": b"1e3"}) + member(),
    "negative owner": member(uid=base256(-1, 8)),
    "owner -1 in 32 bits": member(uid=base256(2**32 - 1, 8)),
    "owner of 33 bits": pax({b"uid": b"4294967296"}) + member(),
    "group -1 in 32 bits": pax({b"gid": b"4294967295"}) + member(),
    "negative PAX group": pax({b"gid": b"-2"}) + member(),
    "negative mode": member(mode=base256(-1, 8)),
    "PAX time that is no number": pax({b"mtime": b"today"}) + member(),
    "PAX record of length 0": pax(b"0 path=x\n") + member(),
    "PAX record without newline": pax(record(b"path", b"x")[:-1]) + member(),
    "extended header at the end": pax({b"path": b"x"}),
    "long name at the end": long_name(b"x"),
    "negative extended header": header(typeflag=b"x", size=base256(-512, 12)) + member(),
    "content is truncated": header(size=1000) + bytes(500),
    "padding is truncated": (header(size=10) + b"0123456789").ljust(BLOCK + 100, b"\0"),
    "header is truncated": header()[:300],
    "extended header is truncated": pax({b"path": b"x" * 600})[: BLOCK + 300],
    "one zero block and then an entry": bytes(BLOCK) + member(),
    "one zero block and then less than a block": bytes(BLOCK + 100),
    "garbage": b"\x7fELF" + bytes(range(256)) * 4,
    "xz": b"\xfd7zXZ\0" + bytes(range(256)) * 4,
}


@pytest.mark.parametrize("archive", BROKEN.values(), ids=BROKEN)
def test_broken_archives(archive: bytes) -> None:
    end = b"" if len(archive) % BLOCK else END
    with pytest.raises((LayerInvalid, LimitExceeded)) as caught:
        read(archive + end)
    assert len(caught.value.message) < 1000
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("end", [b"", bytes(BLOCK), END, bytes(10240), END + b"anything may come after the end"])
def test_ends_of_archives(end: bytes) -> None:
    assert paths(member(b"a") + member(b"b") + end) == [b"a", b"b"]
    assert paths(end) == []


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 5000])
def test_content_of_any_length(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    found = read(member(b"a", content) + member(b"b", b"x") + END, size=97)
    assert [(entry.path, entry.size, data) for entry, data in found] == [(b"a", size, content), (b"b", 1, b"x")]


@pytest.mark.parametrize("piece", [1, 512, 100_000])
def test_content_that_is_not_read_is_skipped(piece: int) -> None:
    archive = member(b"a", bytes(2000)) + member(b"b", b"x" * 513) + member(b"c", b"last") + END
    reader = TarReader(ByteStream(archive[start : start + piece] for start in range(0, len(archive), piece)))
    found = []
    for entry in reader.entries():
        content = b"".join(reader.content()) if entry.path == b"c" else b""
        found.append((entry.path, content))
    assert found == [(b"a", b""), (b"b", b""), (b"c", b"last")]


HIDDEN = member(b"hidden", b"evil") + END


def test_pax_size_frames_the_content_where_the_header_says_0() -> None:
    archive = pax({b"size": b"%d" % len(HIDDEN)}) + header(b"outer", size=0) + padded(HIDDEN) + member(b"after") + END
    (outer, content), (after, dummy) = read(archive)
    assert (outer.path, outer.size, content) == (b"outer", len(HIDDEN), HIDDEN)
    assert after.path == b"after"


def test_pax_size_frames_the_content_where_the_header_says_more() -> None:
    archive = pax({b"size": b"0"}) + header(b"outer", size=len(HIDDEN)) + member(b"inner") + END
    assert paths(archive) == [b"outer", b"inner"]


def test_size_of_what_has_no_content_does_not_hide_entries() -> None:
    archive = header(b"dir", typeflag=b"5", size=len(HIDDEN)) + member(b"inner") + END
    assert paths(archive) == [b"dir", b"inner"]


@pytest.mark.parametrize("typeflag", [b"x", b"g", b"L", b"K", b"X"])
@pytest.mark.parametrize("size", [HEADER_BYTES + 1, 300 * 1024 * 1024, 8**11 - 1, base256(2**80, 12)])
def test_extended_headers_that_are_too_long(typeflag: bytes, size: int | bytes) -> None:
    with pytest.raises(LimitExceeded, match=f"more than the {HEADER_BYTES} that are accepted") as caught:
        read(header(typeflag=typeflag, size=size))
    assert caught.value.fields == {"limit": "header_bytes", "maximum": HEADER_BYTES}


def test_extended_header_as_long_as_it_may_be() -> None:
    content = record(b"uid", b"7") + record(b"comment", b"x" * (HEADER_BYTES - 25))
    assert len(content) == HEADER_BYTES
    assert entry_of(pax(content) + member()).uid == 7


def test_extended_headers_without_end_take_no_memory() -> None:
    names = (b"SCHILY.xattr.user.%d" % number for number in itertools.count())
    ones = (pax(b"".join(record(name, b"") for name in itertools.islice(names, 300))) for dummy in range(60))
    tracemalloc.start()
    try:
        reader = TarReader(ByteStream(itertools.chain(ones, (member(), END))))
        [entry] = reader.entries()
        assert len(entry.xattrs) == 300
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_an_empty_extended_header_takes_the_place_of_a_large_one() -> None:
    large = pax(b"".join(record(b"SCHILY.xattr.user.%d" % number, b"") for number in range(30_000)))
    assert entry_of(large + pax({}) * 5000 + member()).xattrs == {}


# --- against other programs -------------------------------------------------------------------------------------------

LONG = "a directory with a long name that takes up more and more room/" * 2
GNU_TAR_NAMES = {
    "v7": ["plain", "dir/below", "n" * 97, "\udcff\udcfe", "new\nline"],
    "ustar": ["plain", "dir/below", LONG + "n" * 90, "\udcff\udcfe"],
    "gnu": ["plain", LONG + "n" * 200, LONG * 5 + "x", "\udcff\udcfe"],
    "posix": ["plain", LONG + "n" * 200, LONG * 5 + "x", "\udcff\udcfe", "new\nline", "= =é"],
}


def make_tree(top: Path, names: list[str], *, long_targets: bool) -> None:
    for number, name in enumerate(names):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape") * number * 100)
        path.chmod((0o644, 0o4755, 0o2711, 0o1600)[number % 4])
        os.utime(path, ns=(0, 1721396696_123456789 + number))
    (top / "link").symlink_to("t/" * (150 if long_targets else 45))  # no component is too long to be looked up
    os.mkfifo(top / "fifo", 0o640)
    os.link(top / "plain", top / "same")
    (top / "old").touch()
    os.utime(top / "old", (-5, -5))


@pytest.mark.parametrize("form", GNU_TAR_NAMES)
def test_what_gnu_tar_writes(form: str, tmp_path: Path) -> None:
    names = GNU_TAR_NAMES[form]
    make_tree(tmp_path, names, long_targets=form in ("gnu", "posix"))
    if form in ("v7", "ustar"):
        (tmp_path / "old").unlink()  # neither has a number for that time
    if form == "v7":
        (tmp_path / "fifo").unlink()
    command = ["tar", "--create", f"--format={form}", "--numeric-owner", "--sort=name", "."]
    archive = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout
    found = {os.fsdecode(os.path.normpath(entry.path)): (entry, content) for entry, content in read(archive)}
    assert found.keys() == {"."} | {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    for name, (entry, content) in found.items():
        if entry.kind == "hardlink":
            assert {name, os.fsdecode(os.path.normpath(entry.target))} == {"plain", "same"}
        else:
            compare(tmp_path / name, entry, content, nanoseconds=form == "posix")


def compare(path: Path, entry: Entry, content: bytes, *, nanoseconds: bool) -> None:
    status = path.lstat()
    kinds = {"file": stat.S_ISREG, "directory": stat.S_ISDIR, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO}
    assert kinds[entry.kind](status.st_mode)
    assert (entry.mode, entry.uid, entry.gid) == (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    assert entry.mtime == status.st_mtime_ns if nanoseconds else entry.mtime // SECOND == status.st_mtime_ns // SECOND
    assert content == (path.read_bytes() if entry.kind == "file" else b"")
    assert entry.target == (os.fsencode(os.readlink(path)) if entry.kind == "symlink" else b"")


def test_extended_attributes_as_gnu_tar_writes_them(tmp_path: Path) -> None:
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
    (tmp_path / "ping").touch()
    os.setxattr(tmp_path / "ping", "security.capability", capability)
    command = ["tar", "--create", "--format=posix", "--xattrs", "--xattrs-include=security.*", "ping"]
    archive = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True).stdout
    [(entry, dummy)] = read(archive)
    assert entry.xattrs["security.capability"] == capability


_KINDS: dict[Kind, bytes] = {
    "file": tarfile.REGTYPE,
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "character": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


@st.composite
def generated(draw: st.DrawFn) -> tuple[Entry, bytes]:
    """An entry, and its content, that tarfile can write in the formats of GNU and POSIX."""
    kind = draw(st.sampled_from(list(_KINDS)))
    name = st.lists(st.text("abc é.\udcff", min_size=1, max_size=60), min_size=1, max_size=6).map("/".join)
    content = draw(st.binary(max_size=1500)) if kind == "file" else b""
    entry = Entry(
        draw(name).encode("utf-8", "surrogateescape"),
        kind,
        draw(st.integers(0, 0o7777)),
        draw(st.sampled_from([0, 1000, 0o7777777, 2**31, 2**32 - 2])),
        draw(st.integers(0, 2**32 - 2)),
        len(content),
        draw(st.integers(-(2**33), 2**40)) * SECOND,
        draw(name).encode("utf-8", "surrogateescape") if kind in ("symlink", "hardlink") else b"",
        (draw(st.integers(0, 0o7777777)), draw(st.integers(0, 255))) if kind in ("character", "block") else (0, 0),
        {},
        None,
    )
    return entry, content


@settings(deadline=None)
@given(
    entries=st.lists(generated(), max_size=5),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    piece=st.integers(1, 3000),
)
def test_what_tarfile_writes(entries: list[tuple[Entry, bytes]], form: int, piece: int) -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=form) as archive:
        for entry, content in entries:
            info = tarfile.TarInfo(entry.path.decode("utf-8", "surrogateescape"))
            info.type, info.mode, info.uid, info.gid = _KINDS[entry.kind], entry.mode, entry.uid, entry.gid
            info.size, info.mtime = entry.size, entry.mtime // SECOND
            info.linkname = entry.target.decode("utf-8", "surrogateescape")
            info.devmajor, info.devminor = entry.device
            archive.addfile(info, io.BytesIO(content))
    wanted = [
        (entry._replace(path=entry.path + b"/" * (entry.kind == "directory")), content) for entry, content in entries
    ]
    assert read(output.getvalue(), size=piece) == wanted


def test_extended_attributes_as_go_writes_them() -> None:
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)
    archive = tar_entries.tar(
        [tar_entries.file("ping", b"x", xattrs={"security.capability": capability, "user.a": b"\n=\xff"})]
    )
    [(entry, dummy)] = read(archive)
    assert entry.xattrs == {"security.capability": capability, "user.a": b"\n=\xff"}


# --- pieces whose memory is used again --------------------------------------------------------------------------------

EVERYTHING = [
    member(b"plain", bytes(range(256)) * 5),
    member(b"d/", typeflag=b"5"),
    pax({b"path": b"p" * 300, b"mtime": b"1.5", b"SCHILY.xattr.user.a": b"v" * 700}) + member(b"x", b"content"),
    long_name(b"n" * 600) + long_target(b"t" * 600) + member(b"x", typeflag=b"2", linkname=b"x"),
    member(b"hard", typeflag=b"1", linkname=b"plain"),
    member(b"empty"),
    sparse_old(b"s", [(512 * number, b"%d" % number) for number in range(0, 60, 2)], 40_000),
    sparse_00(b"s", [(0, b"x"), (100, b"y" * 600)], 900),
    sparse_01(b"s", [(0, b"x"), (100, b"y" * 600)], 900),
    sparse_10(b"s", [(1000 * number, b"x" * number) for number in range(200)], 900_000),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize("sizes", [range(1, 64), range(64, 514), (700, 1024, 4096, 10**6)], ids=str)
def test_memory_of_a_piece_is_not_used_after_the_next_one_is_requested(sizes: t.Sequence[int]) -> None:
    archive = b"".join(EVERYTHING) + END
    wanted = read(archive)
    assert len(wanted) == len(EVERYTHING)
    for size in sizes:
        reader = TarReader(ByteStream(reused_views(archive, size)))
        found = [(entry, b"".join(map(bytes, reader.content()))) for entry in reader.entries()]
        assert found == wanted


# --- anything at all --------------------------------------------------------------------------------------------------


def total(archive: bytes, size: int) -> int | None:
    """The number of bytes of content in an archive; None if it is broken."""
    reader = TarReader(ByteStream(archive[start : start + size] for start in range(0, len(archive), size)))
    found = 0
    try:
        for entry in reader.entries():
            content = sum(len(piece) for piece in reader.content())
            assert content == entry.size
            found += content
    except (LayerInvalid, LimitExceeded):
        return None
    return found


@settings(deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 2000))
def test_any_bytes_are_an_archive_or_an_error(data: bytes, size: int) -> None:
    assert (total(data, size) or 0) <= len(data)


PARTS = [archive for archive, dummy in ENTRIES.values()] + [
    member(b"content", bytes(600)),
    sparse_old(b"s", [(512 * number, b"x") for number in range(0, 30, 2)], 20_000),
    sparse_00(b"s", [(0, b"x"), (100, b"y" * 600)], 900),
    sparse_10(b"s", [(0, b"x"), (100, b"y" * 600)], 900),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid parts with a few bytes changed, the checksums made right again; or cut somewhere."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))) + END)
    for dummy in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(data) - 1))
        data[position] = draw(st.sampled_from(b"\x00 0179=/xgLKS\n\x80\xff"))
        block = position // BLOCK * BLOCK
        if draw(st.booleans()):
            blank = data[block : block + 148] + b" " * 8 + data[block + 156 : block + BLOCK]
            data[block + 148 : block + 156] = b"%06o\0 " % sum(blank)
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@settings(deadline=None)
@given(mutated(), st.integers(1, 2000))
def test_a_damaged_archive_is_read_or_refused_the_same_however_it_is_cut(data: bytes, size: int) -> None:
    found = total(data, size)
    assert found == total(data, len(data) + 1)
    assert (found or 0) <= len(data)
