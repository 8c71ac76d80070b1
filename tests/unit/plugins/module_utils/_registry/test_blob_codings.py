# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A blob with a Content-Encoding is decoded only if its digest says so; web pages in its place are named."""

from __future__ import annotations

import gzip
import os
import zlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DigestMismatch, SizeMismatch
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ProtocolBroken, RegistryError
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy
from ansible_collections.attested.registry.plugins.module_utils._registry.transport.proxies import Proxies
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply

TEXT = b"".join(b"line %d\n" % number for number in range(20_000))
LAYER = gzip.compress(os.urandom(100_000) + TEXT)
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}


def read(client, what, **options) -> bytes:
    with client.blob("app", what, **options) as stream:
        return b"".join(stream)


def described(server, data: bytes) -> Descriptor:
    return Descriptor("x/y", Digest.parse(server.add_blob("app", data)), len(data))


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture(params=["size known", "size not known"])
def known(request) -> bool:
    return request.param == "size known"


@pytest.mark.parametrize("chunked", [None, 10_000])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "br", "zstd", "aws-chunked", "gzip, br"])
def test_of_what_is_stored(server, connect, known, coding, chunked) -> None:
    """The bytes as they came have the digest, so they are right whatever the header says."""
    blob = described(server, LAYER)
    server.on("/blobs/", Reply(headers={"Content-Encoding": coding}, chunked=chunked))
    assert read(connect(server), blob if known else blob.digest) == LAYER


@pytest.mark.parametrize("chunked", [None, 10_000])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate"])
@pytest.mark.parametrize("data", [TEXT, LAYER, b""], ids=["text", "layer", "nothing"])
def test_of_a_proxy(server, connect, known, coding, chunked, data) -> None:
    pack = zlib.compress if coding == "deflate" else gzip.compress
    blob = described(server, data)
    server.on("/blobs/", Reply(body=pack(data), headers={"Content-Encoding": coding}, chunked=chunked))
    assert read(connect(server), blob if known else blob.digest) == data


def test_the_size_on_both_sides_saves_a_second_download(server, connect) -> None:
    blob = described(server, LAYER)
    server.on("/blobs/", Reply(headers={"Content-Encoding": "gzip"}))
    assert read(connect(server), blob) == LAYER
    assert len(server.requests) == 1
    server.on("/blobs/", Reply(body=gzip.compress(LAYER), headers={"Content-Encoding": "gzip"}))
    assert read(connect(server), blob) == LAYER
    assert len(server.requests) == 2


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_cut_is_carried_on_with(server, connect, pack) -> None:
    """A stored coding resumes by Range; a transport coding starts again, and the part received before is skipped."""
    blob = described(server, LAYER)
    reply = {"body": pack(LAYER), "headers": {"Content-Encoding": "gzip"}} if pack is not bytes else {}
    server.on("/blobs/", Reply(**{"headers": {"Content-Encoding": "gzip"}, **reply}))
    server.on("/blobs/", Reply(**{"headers": {"Content-Encoding": "gzip"}, **reply, "cut": 60_000}), times=1)
    assert read(connect(server), blob) == LAYER
    assert [request.header("Range") for request in server.requests] == [
        None,
        "bytes=60000-" if pack is bytes else None,
    ]


def test_carrying_on_with_a_file_when_the_answer_is_compressed(server, connect, known) -> None:
    """A part of a compressed body is not a part of the blob."""
    blob = described(server, TEXT)
    packed = gzip.compress(TEXT)
    state = blob.digest.new_hash()
    state.update(TEXT[:1000])

    def reply(request) -> Reply:
        headers = {"Content-Encoding": "gzip"}
        if request.header("Range") is None:
            return Reply(status=200, body=packed, headers=headers)
        stated = f"bytes 1000-{len(packed) - 1}/{len(packed)}"
        return Reply(status=206, body=packed[1000:], headers={**headers, "Content-Range": stated})

    server.on("/blobs/", reply)
    assert read(connect(server), blob if known else blob.digest, offset=1000, digest_state=state) == TEXT[1000:]


def test_wrong_content(server, connect, known) -> None:
    blob = described(server, TEXT)
    server.on("/blobs/", Reply(body=gzip.compress(TEXT[::-1]), headers={"Content-Encoding": "gzip"}))
    with pytest.raises((DigestMismatch, SizeMismatch)):
        read(connect(server), blob if known else blob.digest)


@pytest.mark.parametrize("chunked", [None, 10_000])
def test_a_bomb_is_no_longer_than_the_blob(server, connect, chunked) -> None:
    blob = described(server, TEXT)
    bomb = gzip.compress(bytes(30_000_000))
    server.on("/blobs/", Reply(body=bomb, headers={"Content-Encoding": "gzip"}, chunked=chunked))
    with pytest.raises((DigestMismatch, SizeMismatch)):
        read(connect(server), blob)


def test_a_bomb_between_two_codings(server, connect) -> None:
    """It has no content at all, so that its size gives nothing away."""
    nothing = gzip.compress(b"")
    named = nothing[:3] + b"\x08" + nothing[4:10] + b"a" * 50_000_000 + b"\0" + nothing[10:]
    blob = described(server, os.urandom(100_000))
    server.on("/blobs/", Reply(body=gzip.compress(named), headers={"Content-Encoding": "gzip, gzip"}))
    with pytest.raises(ProtocolBroken, match="has more than 165536 bytes"):
        read(connect(server), blob)


def test_damaged_compression(server, connect) -> None:
    blob = described(server, TEXT)
    body = bytearray(gzip.compress(TEXT))
    body[2000] ^= 255
    server.on("/blobs/", Reply(body=bytes(body), headers={"Content-Encoding": "gzip"}))
    with pytest.raises((ProtocolBroken, DigestMismatch, SizeMismatch)):
        read(connect(server, retry=RetryPolicy(retries=0)), blob)


def test_an_unknown_coding_that_is_not_a_part_of_the_blob(server, connect) -> None:
    blob = described(server, TEXT)
    server.on("/blobs/", Reply(body=b"x" * 50, headers={"Content-Encoding": "br"}))
    with pytest.raises(ProtocolBroken, match="Content-Encoding br, although the request excludes it"):
        read(connect(server), blob)


def test_an_unknown_coding_is_refused_in_one_way(server, connect) -> None:
    """Of a blob and of a document."""
    blob = described(server, TEXT)
    server.on("", Reply(status=200, body=b"x" * 50, headers={"Content-Encoding": "br"}))
    client = connect(server)
    for ask in (lambda: read(client, blob), lambda: client.tags("app")):
        with pytest.raises(
            ProtocolBroken, match="Encoding br, although the request excludes it; switch off compression"
        ):
            ask()


# --- sizes ---


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
def test_the_size_is_that_of_the_blob(server, connect, pack, coding) -> None:
    """The length beside a Content-Encoding may be that of what a proxy has compressed, or of what is stored."""
    blob = described(server, LAYER)
    server.on("/blobs/", Reply(body=pack(LAYER), headers={"Content-Encoding": coding}))
    assert connect(server).head_blob("app", blob.digest) == len(LAYER)
    assert [request.method for request in server.requests] == ["HEAD", "GET"]


def test_the_size_of_what_is_not_coded_costs_no_get(server, connect) -> None:
    blob = described(server, LAYER)
    server.on("/blobs/", Reply(headers={"Content-Encoding": "identity"}))
    assert connect(server).head_blob("app", blob.digest) == len(LAYER)
    assert [request.method for request in server.requests] == ["HEAD"]


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_the_size_of_what_is_neither(server, connect, coding) -> None:
    blob = described(server, LAYER)
    server.on("/blobs/", Reply(body=gzip.compress(TEXT), headers={"Content-Encoding": coding}))
    with pytest.raises(ProtocolBroken, match="does not state its size"):
        connect(server).head_blob("app", blob.digest)


# --- web pages ---


@pytest.mark.parametrize("chunked", [None, 10])
def test_a_page_in_place_of_a_blob(server, connect, known, chunked) -> None:
    blob = described(server, LAYER)
    server.on("/blobs/", Reply(body=PAGE, headers=HTML, chunked=chunked))
    with pytest.raises(ProtocolBroken, match=f"{server.name} answers with a web page; check that this is the address"):
        read(connect(server), blob if known else blob.digest)


@pytest.mark.parametrize("chunked", [None, 10])
def test_a_blob_that_is_a_page(server, connect, known, chunked) -> None:
    blob = described(server, PAGE)
    server.on("/blobs/", Reply(headers=HTML, chunked=chunked))
    assert read(connect(server), blob if known else blob.digest) == PAGE


ASKS = {
    "manifest": lambda client: client.manifest("app", Selector("1", None)),
    "tags": lambda client: client.tags("app"),
    "ping": lambda client: client.ping(),
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("headers", [HTML, {"Content-Type": "application/json"}, {}])
@pytest.mark.parametrize("body", [PAGE, b"\xef\xbb\xbf\r\n <html>", gzip.compress(PAGE)], ids=["page", "mark", "gzip"])
def test_a_page_in_place_of_a_document(server, connect, ask, headers, body) -> None:
    coding = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
    server.on("", Reply(status=200, body=body, headers={**headers, **coding}))
    with pytest.raises(ProtocolBroken, match=f"{server.name} answers with a web page;"):
        ASKS[ask](connect(server))


def test_a_page_in_place_of_a_token(serve, connect) -> None:
    server = serve(auth="bearer")
    server.on("^/token", Reply(status=200, body=PAGE, headers=HTML))
    with pytest.raises(ProtocolBroken, match="answers with a web page"):
        connect(server).tags("app")


@pytest.mark.parametrize("ask", ASKS)
def test_a_page_of_a_proxy(server, connect, ask) -> None:
    """The proxy is named, and the password in its URL is not."""
    server.on("", Reply(status=200, body=PAGE, headers=HTML))
    proxies = Proxies(http=f"http://me:hunter2@{server.name}/")
    with pytest.raises(ProtocolBroken) as raised:
        ASKS[ask](connect("registry.example", proxies=proxies))
    assert f"registry.example answers with a web page through the proxy {server.name};" in raised.value.message
    assert "hunter2" not in raised.value.message


@pytest.mark.parametrize("status", [403, 404, 502])
def test_a_refusal_of_a_proxy(server, connect, status) -> None:
    server.on("", Reply(status=status, body=PAGE, headers=HTML))
    with pytest.raises(
        RegistryError, match=f"a web page through the proxy {server.name}, possibly from the proxy itself"
    ):
        connect("registry.example", proxies=Proxies(http=server.url), retry=RetryPolicy(retries=0)).tags("app")


# --- messages ---


def test_a_mismatch_names_the_image(server, connect, image) -> None:
    server.publish("app", {"1.0": image})
    blob = described(server, LAYER)
    server.on("/blobs/", Reply(body=LAYER[::-1]))
    client = connect(server)
    client.manifest("app", Selector("1.0", None))
    with pytest.raises(DigestMismatch) as raised:
        read(client, blob)
    assert f"the blob {blob.digest} of the image 1.0 of app from {server.name}" in raised.value.message
