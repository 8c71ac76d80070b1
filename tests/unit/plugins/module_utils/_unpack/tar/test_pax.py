# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of extended headers (POSIX.1-2017 pax, "pax Extended Header") are read exactly; broken ones are refused."""

from __future__ import annotations

import base64
import contextlib
import os
import tracemalloc
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.pax import (
    Pax,
    parse_integer,
    parse_pax,
    parse_time,
)
from ansible_collections.attested.registry.tests.support.images.tar_bytes import record
from hypothesis import given, settings
from hypothesis import strategies as st


def records(*pairs: tuple[bytes, bytes]) -> bytes:
    return b"".join(record(keyword, value) for keyword, value in pairs)


KNOWN = {
    "nothing": (b"", Pax()),
    "path": (b"12 path=a/b\n", Pax({b"path": b"a/b"})),
    "all that count": (
        records(
            (b"path", b"p"),
            (b"linkpath", b"l"),
            (b"size", b"1"),
            (b"uid", b"2"),
            (b"gid", b"3"),
            (b"mtime", b"4.5"),
        ),
        Pax({b"path": b"p", b"linkpath": b"l", b"size": b"1", b"uid": b"2", b"gid": b"3", b"mtime": b"4.5"}),
    ),
    "others are left out": (
        records((b"atime", b"1"), (b"uname", b"me"), (b"comment", b"x=y\nz"), (b"SCHILY.fflags", b"nodump")),
        Pax(),
    ),
    "bytes of any kind in a value": (record(b"path", b"\xff\n=\0 7"), Pax({b"path": b"\xff\n=\0 7"})),
    "the last one of a keyword counts": (records((b"path", b"a"), (b"path", b"b")), Pax({b"path": b"b"})),
    "empty value": (record(b"path", b""), Pax({b"path": b""})),
    "length with zeros in front": (b"0010 gid=\n", Pax({b"gid": b""})),
    "length that grows with its own digits": (record(b"path", b"x" * 92), Pax({b"path": b"x" * 92})),
    "extended attribute of Go, tar and star": (
        records((b"SCHILY.xattr.security.capability", b"\1\0\0\2\n="), (b"SCHILY.xattr.user.\xc3\xa9", b"")),
        Pax(xattrs={"security.capability": b"\1\0\0\2\n=", "user.é": b""}),
    ),
    "extended attribute whose name is not UTF-8": (
        record(b"SCHILY.xattr.user.\xff", b"1"),
        Pax(xattrs={"user.\udcff": b"1"}),
    ),
    "extended attribute with = in its value": (record(b"SCHILY.xattr.user.a", b"b=c"), Pax(xattrs={"user.a": b"b=c"})),
    "extended attribute of libarchive": (
        record(b"LIBARCHIVE.xattr.user.%25%20a", base64.b64encode(b"\0\xff\n!")),
        Pax(xattrs={"user.% a": b"\0\xff\n!"}),
    ),
    "extended attribute of libarchive without padding": (
        record(b"LIBARCHIVE.xattr.user.a", b"YQ"),
        Pax(xattrs={"user.a": b"a"}),
    ),
    "both forms, the readable one counts": (
        records(
            (b"LIBARCHIVE.xattr.user.a", base64.b64encode(b"1")),
            (b"SCHILY.xattr.user.a", b"2"),
            (b"LIBARCHIVE.xattr.user.a", base64.b64encode(b"3")),
        ),
        Pax(xattrs={"user.a": b"2"}),
    ),
    "sparse map in order": (
        records((b"GNU.sparse.offset", b"0"), (b"GNU.sparse.numbytes", b"5"), (b"GNU.sparse.offset", b"9")),
        Pax(sparse=((b"offset", b"0"), (b"numbytes", b"5"), (b"offset", b"9"))),
    ),
}

BROKEN = {
    "length 0": b"0 path=a\n",
    "length that ends in itself": b"2 path=a\n",
    "length too short": b"9 path=a/b\n",
    "length too long": b"13 path=a/b\n",
    "length far too long": b"99999999 path=a\n",
    "length of 9 digits": b"000000012 path=a/b\n",
    "length negative": b"-9 path=a\n",
    "length with a sign": b"+9 path=a\n",
    "length in other digits": "١٢ path=a/b\n".encode(),
    "length in hexadecimal": b"c path=abc\n",
    "no length": b" path=a/b\n",
    "no space": b"12path=a/b\n",
    "no newline": b"12 path=a/bc",
    "no keyword": b"5 =a\n",
    "no equals sign": b"10 patha/\n",
    "NUL padding": record(b"path", b"a") + bytes(4),
    "second one broken": record(b"path", b"a") + b"7 gid=\n!",
    "name of an extended attribute empty": record(b"SCHILY.xattr.", b"1"),
    "name of an extended attribute with NUL": record(b"SCHILY.xattr.user.\0a", b"1"),
    "encoded name with NUL": record(b"LIBARCHIVE.xattr.user.%00a", b""),
    "not base64": record(b"LIBARCHIVE.xattr.user.a", b"!!!!"),
    "base64 cut off": record(b"LIBARCHIVE.xattr.user.a", b"YQYQY"),
}


@pytest.mark.parametrize(("data", "expected"), KNOWN.values(), ids=KNOWN)
def test_records(data: bytes, expected: Pax) -> None:
    assert parse_pax(data) == expected


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_records(data: bytes) -> None:
    with pytest.raises(LayerInvalid, match="An extended header in the tar archive of the layer is broken"):
        parse_pax(data)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text("0123456789 =\npath", max_size=60).map(str.encode))
def test_any_bytes_are_records_or_an_error(data: bytes) -> None:
    with contextlib.suppress(LayerInvalid):
        assert isinstance(parse_pax(data), Pax)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([b"path", b"linkpath", b"uid", b"mtime"])
        | st.binary(min_size=1, max_size=9).map(b"SCHILY.xattr.user.".__add__),
        st.binary(max_size=200),
    ).filter(lambda found: not any(b"=" in keyword or b"\0" in keyword for keyword in found))
)
def test_what_is_written_is_read(written: dict[bytes, bytes]) -> None:
    pax = parse_pax(records(*written.items()))
    prefix = b"SCHILY.xattr."
    found = {prefix + os.fsencode(name): value for name, value in pax.xattrs.items()}
    assert {**found, **pax.values} == written


def test_a_million_bytes_of_records_take_little_memory() -> None:
    data = b"".join(record(b"SCHILY.xattr.user.%d" % number, b"") for number in range(38_000))
    tracemalloc.start()
    try:
        assert len(parse_pax(data).xattrs) == 38_000
        assert tracemalloc.get_traced_memory()[1] < 16 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"0", 0),
        (b"4294967294", 2**32 - 2),
        (b"-1", -1),
        (b"0" * 20 + b"0999", 999),
        (b"9223372036854775808", 2**63),
        (b"9" * 40, 10**40 - 1),
    ],
)
def test_integers(value: bytes, expected: int) -> None:
    assert parse_integer(value, "size") == expected


@pytest.mark.parametrize(
    "value",
    [b"", b"-", b"+1", b" 1", b"1 ", b"1\n", b"0x1", b"1_0", b"1.0", b"1e3", "٣".encode(), b"9" * 41, b"9" * 100_000],
    ids=lambda value: repr(value[:9]),
)
def test_an_invalid_integer_is_refused(value: bytes) -> None:
    with pytest.raises(LayerInvalid, match="has a size that is not a number") as caught:
        parse_integer(value, "size")
    assert len(caught.value.message) < 300


SECOND = 10**9


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"0", 0),
        (b"1721396696", 1721396696 * SECOND),
        (b"1721396696.123456789", 1721396696123456789),
        (b"1.5", 1500000000),
        (b"1.", SECOND),
        (b"1.000000001", SECOND + 1),
        (b"1.0000000019", SECOND + 1),
        (b"0.999999999999999999", SECOND - 1),
        (b"-1", -SECOND),
        (b"-1.5", -1500000000),
        (b"-0.000000001", -1),
        (b"-0.0000000001", -1),
        (b"-0.0000000000", 0),
        (b"-1.0000000010000", -SECOND - 1),
        (b"99999999999999999999", 2**55 * SECOND),
        (b"-99999999999999999999", -(2**55) * SECOND),
        (b"1." + b"9" * 100_000, 2 * SECOND - 1),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_times(value: bytes, expected: int) -> None:
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b".",
        b".5",
        b"-",
        b"1e5",
        b"1,5",
        b"nan",
        b"inf",
        b"--1",
        b"+1",
        b" 1",
        b"1.5\n",
        b"1.-5",
        b"9" * 21,
        b"1." + b"9" * 9999 + b"x",
    ],
    ids=lambda value: repr(value[:9]),
)
def test_an_invalid_time_is_refused(value: bytes) -> None:
    with pytest.raises(LayerInvalid, match="has a time that is not a number") as caught:
        parse_time(value)
    assert len(caught.value.message) < 300


@settings(deadline=None)
@given(seconds=st.integers(-(2**50), 2**50), nanoseconds=st.integers(0, SECOND - 1), negative=st.booleans())
def test_times_to_the_nanosecond(seconds: int, nanoseconds: int, negative: bool) -> None:
    sign = -1 if negative else 1
    text = b"%s%d.%09d" % (b"-" if negative else b"", abs(seconds), nanoseconds)
    assert parse_time(text) == sign * (abs(seconds) * SECOND + nanoseconds)


@pytest.mark.parametrize("parse", [parse_time, lambda value: parse_integer(value, "uid")])
@settings(deadline=None)
@given(value=st.binary(max_size=30) | st.text("0123456789.-", max_size=30).map(str.encode))
def test_any_bytes_are_a_number_or_an_error(parse: t.Callable[[bytes], int], value: bytes) -> None:
    with contextlib.suppress(LayerInvalid):
        assert isinstance(parse(value), int)
