# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ordinary members, which are decoded in few steps, become the same entries as by the general decoder."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import LayerInvalid, LimitExceeded
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.entry import Entry
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.plain import PlainDecoder
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.reader import TarReader
from ansible_collections.attested.registry.plugins.module_utils._unpack.tar.stream import ByteStream
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images.tar_bytes import (
    BLOCK,
    END,
    GNU,
    USTAR,
    V7,
    base256,
    header,
    pax,
    with_checksum,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# The general decoder reads whatever follows an extended header, and this one changes nothing.
GENERAL: t.Final = pax({b"comment": b"none"}, typeflag=b"g")

ORDINARY: t.Final = {
    "file": header(b"usr/bin/env", mode=0o755, size=12345, mtime=1_700_000_000),
    "owner": header(b"home/u/f", uid=1000, gid=100, mode=0o4711),
    "directory": header(b"./etc/", typeflag=b"5", mode=0o755),
    "symlink": header(b"bin", typeflag=b"2", linkname=b"usr/bin", mode=0o777),
    "hard link": header(b"h", typeflag=b"1", linkname=b"usr/bin/env"),
    "GNU": header(b"f", magic=GNU),
    "longest texts": header(b"n" * 100, typeflag=b"2", linkname=b"l" * 100),
    "prefix": header(b"name", prefix=b"p" * 155),
    "bytes after the NUL": header(b"n\0ame", linkname=b"\0l", prefix=b"\0p"),
    "names of owners": header(b"f", uname=b"root", gname=b"wheel"),
    "checksum with a space first": with_checksum(header(b"f"), header(b"f")[148:154] + b" \0"),
}
OTHERS: t.Final = {
    "no name": header(b""),
    "not ASCII": header("ä".encode()),
    "device": header(b"d", typeflag=b"3"),
    "sparse": header(b"s", typeflag=b"S", magic=GNU),
    "old directory": header(b"d/", typeflag=b"\0"),
    "large number": header(b"f", uid=base256(2**31, 8)),
    "spaces in numbers": header(b"f", mode=b" 644 \0\0\0"),
    "directory with a size": header(b"d", typeflag=b"5", size=5),
    "GNU prefix": header(b"f", magic=GNU, prefix=b"p"),
    "v7": header(b"f", magic=V7),
    "wrong checksum": header(b"f", checksum=b"000000\0 "),
    "end of the archive": bytes(BLOCK),
    "nothing": b"",
}


@pytest.mark.parametrize("block", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_members_are_decoded(block: bytes) -> None:
    wanted = outcome(GENERAL + block + END)[0]
    assert isinstance(wanted, Entry)
    assert PlainDecoder().entry(block) == wanted


@pytest.mark.parametrize("block", OTHERS.values(), ids=OTHERS)
def test_others_are_left_to_the_general_decoder(block: bytes) -> None:
    assert PlainDecoder().entry(block) is None


def outcome(archive: bytes) -> list[Entry | str]:
    """Return all entries of an archive, and the error that ends it, if any."""
    found: list[Entry | str] = []
    try:
        found.extend(TarReader(ByteStream(iter((archive,)))).entries())
    except (LayerInvalid, LimitExceeded) as exc:
        found.append(f"{type(exc).__name__}: {exc}")
    return found


def test_a_sum_of_bytes_that_an_adler_checksum_cannot_tell_apart_is_refused() -> None:
    # 65521 is the modulus of Adler-32
    block = header(b"f", linkname=b"\x7f" * 100, uname=b"\x7f" * 32, gname=b"\x7f" * 32, prefix=b"\x7f" * 167)
    total = int(block[148:154], 8)
    for wrong in (total + 65521, total - 1, total + 1):
        broken = with_checksum(block, b"%06o\0 " % wrong)
        assert PlainDecoder().entry(broken) is None
        [error] = outcome(broken + END)
        assert isinstance(error, str)
        assert "wrong checksum" in error


def test_a_header_of_the_largest_bytes_has_an_exact_checksum() -> None:
    block = header(b"\xff" * 100, linkname=b"\xff" * 100, uname=b"\xff" * 32, gname=b"\xff" * 32, prefix=b"\xff" * 167)
    [entry] = outcome(block + END)
    assert isinstance(entry, Entry)
    assert entry.target == b"\xff" * 100
    [error] = outcome(with_checksum(block, b"%06o\0 " % (int(block[148:154], 8) - 65521)) + END)
    assert isinstance(error, str)


def test_more_owners_than_are_remembered() -> None:
    decoder = PlainDecoder()
    for uid in (*range(3000), *range(3000)):
        found = decoder.entry(header(b"f", uid=uid))
        assert found is not None
        assert found.uid == uid


TEXT = st.one_of(
    st.sampled_from([b"", b"f", b"d/e", b"./f", b"d/", b"/f", b"\0f", b"f\0g", b"n" * 100, b"\xff"]),
    st.binary(max_size=99),
)
NUMBER = st.one_of(
    st.integers(0, 0o7777777), st.sampled_from([b"        ", b"  644 \0\0", b"\x80" + bytes(7), bytes(8)])
)
LONG_NUMBER = st.one_of(st.integers(0, 2000), st.integers(0, 0o77777777777), st.just(b"7" * 12), st.just(bytes(12)))


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Headers of all kinds with a right checksum, then perhaps a few bytes changed, or the checksum."""
    block = bytearray(
        header(
            draw(TEXT),
            typeflag=draw(st.sampled_from([b"0", b"0", b"1", b"2", b"5", b"\0", b"7", b"3", b"S", b"x", b"L", b"?"])),
            size=draw(LONG_NUMBER),
            mtime=draw(LONG_NUMBER),
            mode=draw(NUMBER),
            uid=draw(NUMBER),
            gid=draw(NUMBER),
            linkname=draw(TEXT),
            magic=draw(st.sampled_from([USTAR, USTAR, GNU, V7, b"ustar\0  "])),
            prefix=draw(TEXT),
        )
    )
    for dummy in range(draw(st.integers(0, 2))):
        block[draw(st.integers(0, BLOCK - 1))] = draw(st.one_of(st.integers(0, 255), st.sampled_from(b"\0 07/.")))
    if draw(st.booleans()):
        return bytes(block)
    return with_checksum(bytes(block), draw(st.sampled_from(["unsigned", "signed"])))


@settings(deadline=None, max_examples=examples(1000))
@given(headers(), st.integers(0, 3))
def test_both_decoders_make_the_same_entry_or_refuse_it(block: bytes, blocks: int) -> None:
    rest = bytes(blocks * BLOCK) + header(b"last") + END
    assert outcome(block + rest) == outcome(GENERAL + block + rest)


@settings(deadline=None, max_examples=examples(1000))
@given(
    st.binary(min_size=BLOCK, max_size=BLOCK),
    st.sampled_from(sorted(ORDINARY)),
    st.integers(0, BLOCK),
    st.integers(0, BLOCK),
)
def test_both_decoders_agree_on_headers_with_random_parts(noise: bytes, kind: str, start: int, stop: int) -> None:
    block = ORDINARY[kind]
    block = with_checksum(block[:start] + noise[start:stop] + block[max(start, stop) :])
    assert outcome(block + END) == outcome(GENERAL + block + END)
