# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of a blob is read by one Range request, within limits, and no other bytes are taken for it."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.blob_range import (
    MAX_PART,
    BlobPart,
    ByteRange,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConfigurationError,
    NotFound,
    NotOffered,
    ProtocolBroken,
    RangeInvalid,
)
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply
from hypothesis import given
from hypothesis import strategies as st

DATA = bytes(range(256)) * 10
SIZE = len(DATA)


@pytest.fixture
def read(serve, connect):
    server = serve()
    digest = Digest.parse(server.add_blob("app", DATA))
    client = connect(server)

    def start(text: str) -> BlobPart:
        return client.blob_part("app", digest, ByteRange.parse(text))

    start.server = server
    return start


@pytest.mark.parametrize(
    ("text", "first", "content"),
    [
        ("0-0", 0, DATA[:1]),
        ("0-1023", 0, DATA[:1024]),
        ("100-199", 100, DATA[100:200]),
        (f"{SIZE - 1}-{SIZE - 1}", SIZE - 1, DATA[-1:]),
        ("2000-", 2000, DATA[2000:]),
        ("0-", 0, DATA),
        ("2000-9999", 2000, DATA[2000:]),
        ("-1", SIZE - 1, DATA[-1:]),
        ("-512", SIZE - 512, DATA[-512:]),
        ("-9999", 0, DATA),
    ],
)
def test_a_part(read, text, first, content) -> None:
    assert read(text) == BlobPart(first, content, SIZE)
    (request,) = read.server.requests
    assert request.header("Range") == f"bytes={text}"


@pytest.mark.parametrize("text", ["", "-", "a-b", "1", "1-0", "-0", "0-1,2", "b=0-1", " 0-1", "0-1048576", "-1048577"])
def test_an_invalid_range(text) -> None:
    with pytest.raises(ConfigurationError, match="The option range"):
        ByteRange.parse(text)


@given(st.text("0123456789-, ", max_size=30))
def test_total(text: str) -> None:
    try:
        found = ByteRange.parse(text)
    except ConfigurationError:
        return
    assert ByteRange.parse(str(found)) == found


def test_bytes_that_the_blob_does_not_have(read) -> None:
    with pytest.raises(RangeInvalid, match=f"it has {SIZE} bytes"):
        read(f"{SIZE}-{SIZE + 1}")
    read.server.on("/blobs/", Reply(status=416, body=b""))
    with pytest.raises(RangeInvalid, match="does not have these bytes; correct"):
        read(f"{SIZE}-{SIZE + 1}")


def test_a_registry_without_ranges(read) -> None:
    read.server.ranges = False
    with pytest.raises(NotOffered, match="does not support ranges"):
        read("0-1")


@pytest.mark.parametrize(
    ("stated", "body"),
    [
        (f"bytes 1-2/{SIZE}", b"ab"),
        (f"bytes 0-0/{SIZE}", b"a"),
        (f"bytes 0-2/{SIZE}", b"abc"),
        (f"bytes 0-1/{SIZE}", b"a"),
        (f"bytes 0-1/{SIZE}", b"abc"),
        ("bytes 0-1/1", b"ab"),
        ("bytes 0-0/*", b"a"),
        ("nonsense", b"ab"),
        (None, b"ab"),
    ],
)
def test_other_bytes_than_requested(read, stated, body) -> None:
    headers = {} if stated is None else {"Content-Range": stated}
    read.server.on("/blobs/", Reply(status=206, body=body, headers=headers))
    with pytest.raises(ProtocolBroken, match="other bytes than those that were requested"):
        read("0-1")


def test_a_registry_that_does_not_state_the_size(read) -> None:
    read.server.on("/blobs/", Reply(status=206, body=b"ab", headers={"Content-Range": "bytes 0-1/*"}))
    assert read("0-1") == BlobPart(0, b"ab", None)


def test_a_compressed_part_is_refused(read) -> None:
    read.server.on("/blobs/", Reply(headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ProtocolBroken, match="Content-Encoding gzip"):
        read("0-1")


def test_a_part_that_is_too_long(read) -> None:
    size = MAX_PART + 1
    headers = {"Content-Range": f"bytes 0-{size - 1}/{size}"}
    read.server.on("/blobs/", Reply(status=206, body=b"x" * size, headers=headers))
    with pytest.raises(ProtocolBroken, match="longer than"):
        read("0-")


def test_a_blob_that_is_not_there(serve, connect) -> None:
    server = serve()
    server.add_blob("app", DATA)
    with pytest.raises(NotFound):
        connect(server).blob_part("app", Digest.of(b"other"), ByteRange.parse("0-1"))
