# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A blob is verified while it is downloaded, resumed after a lost connection, and bounded in time and size."""

from __future__ import annotations

import hashlib
import random
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DigestMismatch, SizeMismatch
from ansible_collections.attested.registry.plugins.module_utils._registry.blobs import ContentRange, parse_content_range
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConnectionFailed,
    NotFound,
    ProtocolBroken,
    RateLimited,
    RegistryError,
    ServerFailed,
    TimedOut,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy, Timeouts
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error, redirect
from ansible_collections.attested.registry.tests.support.waiting import comes
from hypothesis import given
from hypothesis import strategies as st

DATA = random.Random(1).randbytes(300_000)


@pytest.fixture
def server(serve: t.Any) -> t.Any:
    return serve()


@pytest.fixture
def blob(server: t.Any) -> Descriptor:
    return Descriptor("application/octet-stream", Digest.parse(server.add_blob("app", DATA)), len(DATA))


def read(client: t.Any, what: t.Any, **options: t.Any) -> bytes:
    with client.blob("app", what, **options) as stream:
        return b"".join(stream)


def ranges(server: t.Any) -> list[str | None]:
    return [request.header("Range") for request in server.sent("/blobs/")]


def test_download(server, connect, blob) -> None:
    client = connect(server)
    with client.blob("app", blob) as stream:
        assert b"".join(stream) == DATA
        assert (stream.size, stream.received, stream.resumed_from) == (len(DATA), len(DATA), 0)
    assert (client.requests, client.downloaded) == (1, len(DATA))
    assert server.requests[0].header("Accept-Encoding") == "identity"
    assert "attested.registry" in server.requests[0].header("User-Agent")


def test_nothing_is_requested_before_it_is_read(server, connect, blob) -> None:
    with connect(server).blob("app", blob):
        pass
    assert server.requests == []


@pytest.mark.parametrize("size", [0, 1, 65536, 65537])
def test_sizes(server, connect, size) -> None:
    data = DATA[:size]
    what = Descriptor("x/y", Digest.parse(server.add_blob("app", data)), size)
    assert read(connect(server), what) == data
    assert read(connect(server), what.digest) == data


def test_sha512(server, connect) -> None:
    digest = Digest.parse(server.add_blob("app", DATA, algorithm="sha512"))
    assert read(connect(server), Descriptor("x/y", digest, len(DATA))) == DATA


def test_a_damaged_byte(server, connect, blob) -> None:
    server.on("/blobs/", Reply(body=DATA[:-1] + bytes([DATA[-1] ^ 1])))
    with pytest.raises(DigestMismatch, match="Verifying the blob sha256:") as raised:
        read(connect(server), blob)
    assert raised.value.fields["registry"] == server.name
    assert raised.value.fields["repository"] == "app"
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [DATA[:-1], DATA + b"x", b""])
def test_another_length(server, connect, blob, body) -> None:
    server.on("/blobs/", Reply(body=body))
    with pytest.raises(SizeMismatch, match=f"the registry announces {len(body)} bytes, expected {len(DATA)}"):
        read(connect(server), blob)


def test_too_much_in_chunks(server, connect, blob) -> None:
    server.on("/blobs/", Reply(body=DATA + b"x" * 100_000, chunked=1000))
    with pytest.raises(SizeMismatch, match="more than the expected"):
        read(connect(server), blob)


def test_an_endless_body_ends(server, connect, blob) -> None:
    server.on("/blobs/", Reply(body=b"x" * 65536, endless=True))
    client = connect(server)
    with pytest.raises(SizeMismatch):
        read(client, blob)
    assert client.downloaded < len(DATA) + 200_000


def test_an_endless_chunked_body_ends(server, connect, blob) -> None:
    server.on("/blobs/", Reply(body=b"x" * 65536, endless=True, chunked=1))
    with pytest.raises(SizeMismatch):
        read(connect(server), blob)


@pytest.mark.parametrize("chunked", [None, 777])
def test_a_cut_is_resumed(server, connect, blob, chunked, world) -> None:
    server.on("/blobs/", Reply(cut=100_000, chunked=chunked), times=1)
    server.on("/blobs/", Reply(cut=100_001, chunked=chunked), times=1)
    client = connect(server)
    assert read(client, blob) == DATA
    first, second, third = ranges(server)
    assert first is None
    assert None not in (second, third)
    assert 0 < int(second[6:-1]) <= 100_001 < int(third[6:-1])
    assert server.requests[1].header("If-Range") == f'"{blob.digest}"'
    assert len(world.pauses) == 2


@pytest.mark.parametrize("etag", ['W/"weak"', '"folded\r\n X-Evil: 1"', '"a"b"', "none", f'"{"x" * 2000}"'])
def test_an_etag_that_is_not_sent_back(server, connect, blob, etag) -> None:
    server.on("/blobs/", Reply(cut=5000, headers={"ETag": etag}), times=1)
    assert read(connect(server), blob) == DATA
    assert server.requests[-1].header("If-Range") is None


def test_a_reset_is_resumed(server, connect, blob) -> None:
    server.on("/blobs/", Reply(cut=50_000, reset=True), times=2)
    assert read(connect(server), blob) == DATA


def test_a_body_that_ends_too_early_in_good_order(server, connect, blob) -> None:
    server.on("/blobs/", Reply(body=DATA[:1000], chunked=100), times=1)
    assert read(connect(server), blob) == DATA
    assert ranges(server) == [None, "bytes=1000-"]


def test_cut_before_the_first_byte_and_before_the_head(server, connect, blob) -> None:
    server.on("/blobs/", Reply(cut=0), times=1)
    server.on("/blobs/", Reply(raw=b"HTTP/1.1 200 O"), times=1)
    server.on("/blobs/", Reply(raw=b""), times=1)
    assert read(connect(server), blob) == DATA
    assert ranges(server) == [None] * 4


def test_cuts_without_end(server, connect, blob, world) -> None:
    server.on("/blobs/", Reply(cut=0))
    with pytest.raises(ConnectionFailed, match=r"ended after 0 of 300000 bytes; try again"):
        read(connect(server, retry=RetryPolicy(retries=3, base=1)), blob)
    assert world.pauses == [1, 2, 4]
    assert len(server.requests) == 4


def test_progress_renews_patience(server, connect, blob) -> None:
    server.on("/blobs/", Reply(cut=70_000))
    client = connect(server, retry=RetryPolicy(retries=1, progress=60_000))
    assert read(client, blob) == DATA
    assert len(server.requests) == 5


def test_a_server_that_ignores_range(serve, connect) -> None:
    server = serve(ranges=False)
    what = Descriptor("x/y", Digest.parse(server.add_blob("app", DATA)), len(DATA))
    server.on("/blobs/", Reply(cut=100_000), times=1)
    client = connect(server)
    assert read(client, what) == DATA
    assert client.downloaded > len(DATA)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 0-299999/300000"},
        {"Content-Range": "bytes 99999-299999/300000"},
        {"Content-Range": "bytes 100000-299999/300001"},
        {"Content-Range": "bytes 100000-299998/300000"},
        {"Content-Range": "bytes 100000-299999/*", "Content-Length": "7"},
        {"Content-Range": "nonsense"},
        {"Content-Range": "bytes */300000"},
    ],
)
def test_a_wrong_content_range_is_not_believed(server, connect, blob, headers) -> None:
    server.on("/blobs/", lambda request: Reply(headers=headers) if request.header("Range") else None)
    half = hashlib.sha256(DATA[:100_000])
    assert read(connect(server), blob, offset=100_000, digest_state=half) == DATA[100_000:]
    assert ranges(server) == ["bytes=100000-", None]


def test_a_206_without_content_range(server, connect, blob) -> None:
    server.on("/blobs/", Reply(drop=("Content-Range",)), times=1)
    half = hashlib.sha256(DATA[:100_000])
    assert read(connect(server), blob, offset=100_000, digest_state=half) == DATA[100_000:]


def test_a_206_that_was_not_asked_for(server, connect, blob) -> None:
    server.on("/blobs/", Reply(status=206, body=DATA, headers={"Content-Range": "bytes 0-299999/300000"}))
    with pytest.raises(ProtocolBroken, match="answers 206"):
        read(connect(server), blob)


def test_only_a_part_of_the_range(server, connect, blob) -> None:
    part = Reply(status=206, body=DATA[1000:2000], headers={"Content-Range": "bytes 1000-1999/300000"})
    server.on("/blobs/", part, times=1)
    client = connect(server)
    assert read(client, blob, offset=1000, digest_state=hashlib.sha256(DATA[:1000])) == DATA[1000:]
    assert ranges(server) == ["bytes=1000-", "bytes=2000-"]


def test_416_in_the_middle(server, connect, blob) -> None:
    server.on("/blobs/", error(416), times=1)
    assert read(connect(server), blob, offset=1, digest_state=hashlib.sha256(DATA[:1])) == DATA[1:]
    assert ranges(server) == ["bytes=1-", None]


def test_carrying_on_with_a_partial_file(server, connect, blob) -> None:
    client = connect(server)
    with client.blob("app", blob, offset=200_000, digest_state=hashlib.sha256(DATA[:200_000])) as stream:
        assert b"".join(stream) == DATA[200_000:]
        assert (stream.resumed_from, stream.received) == (200_000, 300_000)
    assert client.downloaded == 100_000


def test_carrying_on_with_other_bytes(server, connect, blob) -> None:
    with pytest.raises(DigestMismatch):
        read(connect(server), blob, offset=10, digest_state=hashlib.sha256(b"0123456789"))


def test_nothing_left_to_download(server, connect, blob) -> None:
    assert read(connect(server), blob, offset=len(DATA), digest_state=hashlib.sha256(DATA)) == b""
    assert server.requests == []
    with pytest.raises(DigestMismatch):
        read(connect(server), blob, offset=len(DATA), digest_state=hashlib.sha256(DATA[1:] + b"x"))


def test_nothing_left_when_the_size_is_not_known(server, connect, blob) -> None:
    assert read(connect(server), blob.digest, offset=len(DATA), digest_state=hashlib.sha256(DATA)) == b""
    assert ranges(server) == [f"bytes={len(DATA)}-"]


def test_size_from_the_registry(server, connect, blob) -> None:
    with connect(server).blob("app", blob.digest) as stream:
        assert stream.size is None
        next(stream)
        assert stream.size == len(DATA)
        assert b"".join(stream)
    server.on("/blobs/", Reply(chunked=5000, cut=6000), times=1)
    assert read(connect(server), blob.digest) == DATA


def test_redirect_to_storage_and_resume_at_the_registry(serve, server, connect, blob) -> None:
    storage = serve()
    storage.add_blob("app", DATA)
    for signature in ("new", "old"):
        server.on("/v2/app/blobs/", redirect(f"{storage.url}/v2/app/blobs/{blob.digest}?sig={signature}"), times=1)
    storage.on("sig=old", Reply(cut=1000), times=1)
    assert read(connect(server), blob) == DATA
    assert ranges(server) == [None, "bytes=1000-"]
    assert [request.query["sig"] for request in storage.requests] == [["old"], ["new"]]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_trying_again(server, connect, blob, status, world) -> None:
    server.on("/blobs/", error(status, headers={"Retry-After": "7"}), times=2)
    assert read(connect(server, retry=RetryPolicy(base=0)), blob) == DATA
    assert world.pauses == [7, 7]


def test_retry_after_as_a_date(server, connect, blob, world) -> None:
    server.on("/blobs/", error(503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}), times=1)
    assert read(connect(server, retry=RetryPolicy(base=0)), blob) == DATA
    assert world.pauses == [30]


def test_retry_after_as_a_date_goes_by_the_clock_of_the_server(server, connect, blob, world) -> None:
    dates = {"Retry-After": "Sat, 01 Jan 2028 00:00:09 GMT", "Date": "Sat, 01 Jan 2028 00:00:00 GMT"}
    server.on("/blobs/", error(503, headers=dates), times=1)
    assert read(connect(server, retry=RetryPolicy(base=0)), blob) == DATA
    assert world.pauses == [9]


@pytest.mark.parametrize("stated", ["3600", "Wed, 21 Oct 2015 08:28:00 GMT", "Wednesday, 21-Oct-15 08:28:00 GMT"])
@pytest.mark.parametrize("total", [None, 3000])
def test_a_long_retry_after_is_an_error_at_once(server, connect, blob, world, stated, total) -> None:
    server.on("/blobs/", error(429, headers={"Retry-After": stated}))
    with pytest.raises(RateLimited, match=r"in 3600 seconds \(at 2015-10-21 08:28:00 UTC\)") as raised:
        read(connect(server, timeouts=Timeouts(total=total)), blob)
    assert "set total_timeout to more than 3600 seconds" in raised.value.message
    assert raised.value.fields["retry_after"] == 3600
    assert (len(server.requests), world.pauses) == (1, [])


def test_a_long_retry_after_is_waited_for_within_the_total(server, connect, blob, world) -> None:
    server.on("/blobs/", error(429, headers={"Retry-After": "3600"}), times=1)
    assert read(connect(server, retry=RetryPolicy(base=0), timeouts=Timeouts(total=4000)), blob) == DATA
    assert world.pauses == [3600]


@pytest.mark.parametrize("stated", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_unreasonable_retry_after_is_an_error(server, connect, blob, world, stated) -> None:
    server.on("/blobs/", error(503, headers={"Retry-After": stated}))
    with pytest.raises(ServerFailed, match="asks to retry in"):
        read(connect(server), blob)


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, ServerFailed)])
def test_giving_up(server, connect, blob, status, kind) -> None:
    server.on("/blobs/", error(status, "TOOMANYREQUESTS", "slow\ndown"))
    with pytest.raises(kind, match=r"TOOMANYREQUESTS: slow\\ndown") as raised:
        read(connect(server, retry=RetryPolicy(retries=2)), blob)
    assert raised.value.fields["code"] == "TOOMANYREQUESTS"
    assert raised.value.fields["status"] == status
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 501])
def test_not_trying_again(server, connect, blob, status, world) -> None:
    server.on("/blobs/", error(status))
    with pytest.raises(RegistryError):
        read(connect(server), blob)
    assert (len(server.requests), world.pauses) == (1, [])


def test_a_drip_is_an_error(server, connect, blob, world) -> None:
    server.on("/blobs/", Reply(drip=True))
    world.step = 1.0
    with pytest.raises(TimedOut, match="bytes per second arrived"):
        read(connect(server, retry=RetryPolicy(retries=0), timeouts=Timeouts(read=5)), blob)


@pytest.mark.parametrize("timeout", [2, 20])
def test_the_read_timeout_bounds_a_slow_body(server, connect, blob, world, timeout) -> None:
    server.on("/blobs/", Reply(drip=True))
    world.step = 0.25
    before = world.time
    with pytest.raises(TimedOut, match=f"bytes per second arrived during {timeout} seconds.*option timeout"):
        read(connect(server, retry=RetryPolicy(retries=0), timeouts=Timeouts(read=timeout)), blob)
    assert world.time - before < 4 * timeout


def test_a_dripping_head_is_an_error(server, connect, blob, world) -> None:
    server.on("/blobs/", Reply(drip=True, headers={"X-Long": "x" * 60_000}))
    world.step = 1.0
    with pytest.raises(TimedOut, match="bytes per second arrived"):
        read(connect(server, retry=RetryPolicy(retries=0), timeouts=Timeouts(read=5)), blob)


def test_the_whole_operation_has_a_limit(server, connect, blob, world) -> None:
    server.on("/blobs/", Reply(drip=True))
    world.step = 1.0
    with pytest.raises(TimedOut, match="longer than the 20 seconds.*total_timeout"):
        read(connect(server, timeouts=Timeouts(total=20)), blob)


def test_the_limit_is_for_all_operations_together(server, connect, blob, world) -> None:
    client = connect(server, timeouts=Timeouts(total=20))
    assert read(client, blob) == DATA
    world.time += 19
    assert read(client, blob) == DATA
    world.time += 2
    with pytest.raises(TimedOut, match="longer than the 20 seconds"):
        read(client, blob)
    assert len(server.requests) == 2


def test_silence_is_an_error(server, connect, blob) -> None:
    import threading

    server.on("/blobs/", Reply(hold=threading.Event()))
    client = connect(server, retry=RetryPolicy(retries=1), timeouts=Timeouts(read=0.05))
    with pytest.raises(TimedOut, match="no data arrived for 0.05 seconds"):
        read(client, blob)
    # the client may give up before the server has read its request
    assert comes(lambda: len(server.requests) >= 2)
    assert len(server.requests) == 2


def test_silence_in_the_middle_is_resumed(server, connect, blob) -> None:
    server.on("/blobs/", Reply(cut=5000, stall=True), times=1)
    assert read(connect(server, timeouts=Timeouts(read=2)), blob) == DATA
    assert ranges(server) == [None, "bytes=5000-"]


def test_missing(server, connect, blob) -> None:
    gone = Digest.of(b"gone")
    with pytest.raises(NotFound, match=f"Cannot download the blob {gone} of app from {server.name}.*BLOB_UNKNOWN"):
        read(connect(server), gone)


def test_leaving_early_closes_the_connection_and_the_next_works(server, connect, blob) -> None:
    client = connect(server)
    with client.blob("app", blob) as stream:
        next(stream)
    assert read(client, blob) == DATA
    assert server.connections == 2


def test_one_connection_for_many_blobs(server, connect, blob) -> None:
    client = connect(server)
    for chunked in (None, 1000, None):
        server.on("/blobs/", Reply(chunked=chunked), times=1)
        assert read(client, blob) == DATA
    assert server.connections == 1


def test_many_threads(server, connect) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = connect(server)
    contents = [random.Random(number).randbytes(50_000) for number in range(8)]
    wanted = [Descriptor("x/y", Digest.parse(server.add_blob("app", data)), len(data)) for data in contents]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda what: read(client, what), wanted)) == contents
    assert client.downloaded == 8 * 50_000


def test_head(server, connect, blob) -> None:
    client = connect(server)
    assert client.head_blob("app", blob.digest) == len(DATA)
    assert client.head_blob("app", Digest.of(b"gone")) is None
    assert [request.method for request in server.requests] == ["HEAD", "HEAD", "GET"]


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_head_that_is_refused(server, connect, blob, status) -> None:
    """A URL that is signed for GET gives 403 to HEAD."""
    server.on("/blobs/", Reply(status=status, body=b""), method="HEAD")
    client = connect(server)
    assert client.head_blob("app", blob.digest) == len(DATA)
    assert client.downloaded == 0


@pytest.mark.parametrize("fault", [Reply(status=503, body=b""), Reply(raw=b"")])
def test_head_that_is_refused_and_a_get_that_fails_once(server, connect, world, blob, fault) -> None:
    server.on("/blobs/", Reply(status=403, body=b""), method="HEAD")
    server.on("/blobs/", fault, method="GET", times=1)
    assert connect(server).head_blob("app", blob.digest) == len(DATA)
    assert len(world.pauses) == 1


def test_head_that_describes_a_message(server, connect, blob) -> None:
    drop = ("Docker-Content-Digest",)
    server.on("/blobs/", Reply(headers={"Content-Type": "text/plain"}, length=70, drop=drop), method="HEAD")
    client = connect(server)
    assert client.head_blob("app", blob.digest) == len(DATA)
    assert client.downloaded == 0


def test_head_without_a_length(server, connect, blob) -> None:
    server.on("/blobs/", Reply(chunked=1000))
    with pytest.raises(ProtocolBroken, match="does not state its size"):
        connect(server).head_blob("app", blob.digest)


def test_head_after_a_redirect_to_storage(serve, server, connect, blob) -> None:
    storage = serve()
    storage.add_blob("app", DATA)
    storage.on("", Reply(drop=("Docker-Content-Digest",)))
    server.on("/blobs/", redirect(f"{storage.url}/v2/app/blobs/{blob.digest}"))
    assert connect(server).head_blob("app", blob.digest) == len(DATA)
    assert storage.requests[0].method == "HEAD"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes 0-9/10", ContentRange(0, 9, 10)),
        ("Bytes  5-9/*", ContentRange(5, 9, None)),
        (None, None),
        ("", None),
        ("bytes */10", None),
        ("bytes 5-4/10", None),
        ("bytes 5-10/10", None),
        ("bytes 18446744073709452785-5/10", None),
        ("bytes -5-9/10", None),
        ("bytes 0x0-9/10", None),
        ("items 0-9/10", None),
        ("bytes 0-9/10, bytes 0-9/10", None),
    ],
)
def test_content_range(value: str | None, expected: ContentRange | None) -> None:
    assert parse_content_range(value) == expected


@given(st.text())
def test_content_range_is_total(value: str) -> None:
    found = parse_content_range(value)
    assert found is None or found.first <= found.last
