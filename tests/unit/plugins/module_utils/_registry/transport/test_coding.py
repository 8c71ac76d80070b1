# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compressed answers (RFC 9110, 8.4) are decoded with bounded memory; unknown codings are refused."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    NotFound,
    ProtocolBroken,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.coding import (
    PIECE,
    CodingInvalid,
    ContentTooLong,
    decoded,
    is_known,
    parse_codings,
)
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error
from hypothesis import given
from hypothesis import strategies as st


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


LIMIT = 1_000_000
PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "raw": raw_deflate}


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ()),
        (["identity"], ()),
        (["x-gzip"], ("gzip",)),
        (["GZIP, identity"], ("gzip",)),
        (["deflate", "gzip"], ("deflate", "gzip")),
        ([",, br ,"], ("br",)),
    ],
)
def test_names(lines: list[str], expected: tuple[str, ...]) -> None:
    assert parse_codings(lines) == expected


def test_known() -> None:
    assert is_known(("gzip", "deflate", "gzip"))
    assert not any(map(is_known, (("br",), ("gzip", "zstd"), ("gzip",) * 4)))


@given(st.sampled_from(sorted(PACK)), st.lists(st.binary(), max_size=3).map(b"".join), st.integers(1, 40))
def test_round(name: str, data: bytes, size: int) -> None:
    coding = "deflate" if name == "raw" else name
    assert b"".join(decoded(pieces(PACK[name](data), size), (coding,), limit=LIMIT)) == data


def test_several_members_and_several_codings() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    assert b"".join(decoded(pieces(packed, 7), ("gzip",), limit=LIMIT)) == b"one two"
    assert b"".join(decoded([zlib.compress(packed)], ("gzip", "deflate"), limit=LIMIT)) == b"one two"


def test_pieces_stay_small() -> None:
    """Content that would fill the memory is decoded in parts, on demand."""
    bomb = decoded([gzip.compress(bytes(50_000_000))], ("gzip",), limit=50_000_000)
    assert all(len(next(bomb)) <= PIECE for dummy in range(20))


def packed_nothing(size: int) -> bytes:
    """A gzip stream without content whose header is a name of so many bytes, packed once more: a thousandth of them."""
    stream = gzip.compress(b"")
    return gzip.compress(stream[:3] + b"\x08" + stream[4:10] + b"a" * size + b"\0" + stream[10:])


def test_the_size_between_two_codings_is_limited() -> None:
    """Three codings would make hours of work of a megabyte, and not a byte of content."""
    assert b"".join(decoded([packed_nothing(LIMIT - 100)], ("gzip", "gzip"), limit=LIMIT)) == b""
    with pytest.raises(ContentTooLong):
        list(decoded([packed_nothing(LIMIT)], ("gzip", "gzip"), limit=LIMIT))


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]), st.booleans(), st.integers(1, 50))
def test_total(data: bytes, coding: str, magic: bool, size: int) -> None:
    try:
        for piece in decoded(pieces(b"\x1f\x8b" + data if magic else data, size), (coding,), limit=LIMIT):
            assert len(piece) <= max(PIECE, 2)
    except CodingInvalid:
        pass


@pytest.mark.parametrize("cut", [1, 5, 12])
@pytest.mark.parametrize("name", sorted(PACK))
def test_cut_short(name: str, cut: int) -> None:
    packed = PACK[name](bytes(range(200)))[:-cut]
    with pytest.raises(CodingInvalid):
        list(decoded([packed], ("deflate" if name == "raw" else name,), limit=LIMIT))


def compressed(body: bytes, coding: str = "gzip") -> Reply:
    packed = PACK["gzip" if "gzip" in coding else coding](body)
    name = "deflate" if coding == "raw" else coding
    return Reply(status=200, body=packed, headers={"Content-Encoding": name, "Content-Type": "application/json"})


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw"])
def test_a_manifest(serve, connect, image, coding) -> None:
    server = serve()
    server.publish("app", {"1": image})
    server.on("/manifests/", compressed(image.data, coding))
    assert str(connect(server).manifest("app", Selector("1", None)).digest) == image.digest


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_tag_list(serve, connect, coding) -> None:
    server = serve()
    server.on("", compressed(json.dumps({"tags": ["a", "b"]}).encode(), coding))
    assert connect(server).tags("app").names == ("a", "b")


def test_a_token(serve, connect, image) -> None:
    server = serve(auth="bearer")
    server.publish("app", {"1": image})
    server.tokens["t0k"] = {"repository:app:pull"}
    server.on("^/token", compressed(b'{"token": "t0k"}'))
    assert connect(server).manifest("app", Selector("1", None)).document


def test_an_error(serve, connect) -> None:
    server = serve()
    refusal = error(404, "NAME_UNKNOWN", "no such thing")
    body = gzip.compress(refusal.body or b"")
    server.on(
        "", Reply(status=404, body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
    )
    with pytest.raises(NotFound, match="no such thing"):
        connect(server).tags("app")


def test_an_uncompressed_body_with_a_content_encoding_is_accepted(serve, connect) -> None:
    server = serve()
    server.on("", Reply(status=200, body=b'{"tags": ["a"]}', headers={"Content-Encoding": "gzip"}))
    assert connect(server).tags("app").names == ("a",)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=200, body=b"{}", headers={"Content-Encoding": "br"}), "Content-Encoding br"),
        (Reply(status=200, body=gzip.compress(b"{}")[:-9], headers={"Content-Encoding": "gzip"}), "ends too early"),
        (compressed(b" " * 5_000_000), "longer than"),
        (Reply(status=200, body=packed_nothing(5_000_000), headers={"Content-Encoding": "gzip, gzip"}), "longer than"),
    ],
)
def test_what_cannot_be_decoded(serve, connect, image, reply, why) -> None:
    server = serve()
    server.on("", reply)
    with pytest.raises(ProtocolBroken, match=why):
        connect(server).manifest("app", Selector("1", None))


def test_an_unknown_coding_of_an_error_hides_nothing(serve, connect) -> None:
    server = serve()
    server.on("", Reply(status=401, body=b"\x01", headers={"Content-Encoding": "br"}))
    with pytest.raises(Unauthorized):
        connect(server).tags("app")
