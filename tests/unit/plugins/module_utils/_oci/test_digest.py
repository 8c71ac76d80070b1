# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests (image-spec, descriptor.md, "Digests") are parsed, and content in pieces is verified against them."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest, Verifier, verify
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import (
    DigestError,
    DigestMismatch,
    SizeMismatch,
)
from hypothesis import given
from hypothesis import strategies as st

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ALGORITHMS = ("sha256", "sha384", "sha512")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_digest_of_bytes_reads_back(algorithm: str) -> None:
    digest = Digest.of(b"content", algorithm)
    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, b'content').hexdigest()}"
    assert Digest.parse(str(digest)) == digest


def test_known_value() -> None:
    assert str(Digest.of(b"")) == f"sha256:{EMPTY}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        f":{EMPTY}",
        EMPTY,
        f"sha256:{EMPTY[:-1]}",
        f"sha256:{EMPTY}0",
        f"sha256:{EMPTY.upper()}",
        f"SHA256:{EMPTY}",
        f"sha256:{EMPTY}\n",
        f" sha256:{EMPTY}",
        f"sha256:{EMPTY[:-1]}g",
        f"sha256:{EMPTY[:32]}/{EMPTY[33:]}",
        "sha256:../../../../../../../../../../../../../../../../../etc/passwd/.....",
        "sha256:" + "٣" * 64,
        f"sha256:{EMPTY}:{EMPTY}",
        f"sha512:{EMPTY}",
        f"sha1:{EMPTY[:40]}",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        f"blake3:{EMPTY}",
        f"../sha256:{EMPTY}",
        pytest.param("sha256:" + "a" * 1_000_000, id="huge"),
        None,
        5,
        b"sha256:" + EMPTY.encode(),
        ["sha256", EMPTY],
    ],
)
def test_malformed_digests_are_refused(text: object) -> None:
    with pytest.raises(DigestError) as caught:
        Digest.parse(text)  # type: ignore[arg-type]
    assert len(caught.value.message) < 1000
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("algorithm", "encoded"), [("sha256", "../x"), ("..", EMPTY), ("sha256", None), (None, EMPTY), ([], EMPTY)]
)
def test_no_way_around_the_check(algorithm: object, encoded: object) -> None:
    with pytest.raises(DigestError):
        Digest(algorithm, encoded)  # type: ignore[arg-type]


def test_an_algorithm_that_cannot_be_verified_is_named() -> None:
    with pytest.raises(DigestError, match="blake3"):
        Digest.of(b"", "blake3")


@given(st.text())
def test_parse_is_total(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except DigestError:
        return
    assert str(digest) == text


@given(
    st.sampled_from([("sha256", 64), ("sha384", 96), ("sha512", 128)]).flatmap(
        lambda kind: st.text("0123456789abcdef", min_size=kind[1], max_size=kind[1]).map(
            lambda text: f"{kind[0]}:{text}"
        )
    )
)
def test_round_trip(text: str) -> None:
    assert str(Digest.parse(text)) == text


def test_digests_sort_and_hash() -> None:
    digests = {Digest.of(b"a"), Digest.of(b"b"), Digest.of(b"a")}
    assert sorted(digests) == sorted(digests, key=str)
    assert len(digests) == 2


@given(st.lists(st.binary(max_size=50)), st.sampled_from(ALGORITHMS))
def test_verifier_accepts_the_content_in_any_pieces(chunks: list[bytes], algorithm: str) -> None:
    data = b"".join(chunks)
    verifier = Verifier(Digest.of(data, algorithm), len(data), what="blob")
    for chunk in chunks:
        verifier.update(memoryview(chunk))
    verifier.finish()
    assert verifier.received == len(data)


def test_too_many_bytes_are_noticed_at_once() -> None:
    verifier = Verifier(Digest.of(b"1234"), 4, what="layer x")
    verifier.update(b"123")
    with pytest.raises(SizeMismatch, match="layer x") as caught:
        verifier.update(b"45")
    assert caught.value.fields == {"expected": 4, "actual": 5}


def test_too_few_bytes_are_noticed_at_the_end() -> None:
    verifier = Verifier(Digest.of(b"1234"), 4, what="layer x")
    verifier.update(b"123")
    with pytest.raises(SizeMismatch) as caught:
        verifier.finish()
    assert caught.value.as_result() == {"kind": "size_mismatch", "expected": 4, "actual": 3}


@pytest.mark.parametrize("size", [4, None])
def test_other_content_is_noticed(size: int | None) -> None:
    with pytest.raises(DigestMismatch) as caught:
        verify(b"1235", Digest.of(b"1234"), size, what="layer x")
    assert caught.value.as_result() == {
        "kind": "digest_mismatch",
        "expected": str(Digest.of(b"1234")),
        "actual": str(Digest.of(b"1235")),
    }


def test_a_verifier_carries_on_from_a_state() -> None:
    digest = Digest.of(b"12345678")
    state = digest.new_hash()
    state.update(b"1234")
    verifier = Verifier(digest, 8, what="layer", state=state, received=4)
    verifier.update(b"5678")
    verifier.finish()
    assert verifier.received == 8
