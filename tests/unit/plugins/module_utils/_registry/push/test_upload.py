# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blobs are uploaded in one request or in chunks, go on after a lost connection, and leave no session behind."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DigestMismatch, SizeMismatch
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConnectionFailed,
    Denied,
    NotOffered,
    ProtocolBroken,
    RegistryError,
    Rejected,
    ServerFailed,
    TimedOut,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy, Timeouts
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import BodyFault, Reply, error

DATA = bytes(range(256)) * 40
BLOB = descriptor(DATA)
BIG = bytes(8 * 1024 * 1024)


@pytest.fixture
def server(serve):
    return serve(writable=True)


@pytest.fixture
def pusher(server, connect) -> Pusher:
    return Pusher(connect(server), "app")


def methods(server) -> list[str]:
    return [request.method for request in server.requests]


def assert_pushed(server, data: bytes = DATA, algorithm: str = "sha256") -> None:
    repository = server.repositories["app"]
    assert repository.blobs == {str(descriptor(data, algorithm=algorithm).digest): data}
    assert repository.uploads == {}


# --- one request ---


def test_in_one_request(server, pusher) -> None:
    pusher.push_blob(BLOB, Source(DATA))
    assert_pushed(server)
    begin, put = server.requests
    assert (begin.method, begin.path, begin.header("Content-Length")) == ("POST", "/v2/app/blobs/uploads/", "0")
    assert put.query == {"_state": ["session-1-0"], "digest": [str(BLOB.digest)]}
    assert (put.header("Content-Length"), put.header("Content-Type")) == (str(len(DATA)), "application/octet-stream")
    assert put.header("Transfer-Encoding") is None
    assert pusher.uploaded == len(DATA)
    assert server.connections == 1


def test_an_empty_blob(server, pusher) -> None:
    source = Source(b"")
    pusher.push_blob(descriptor(b""), source)
    assert_pushed(server, b"")
    assert server.requests[-1].header("Content-Length") == "0"


@pytest.mark.parametrize("chunk_size", [None, 3000])
def test_another_digest_algorithm_is_announced(server, pusher, chunk_size) -> None:
    pusher.push_blob(descriptor(DATA, algorithm="sha512"), Source(DATA), chunk_size=chunk_size)
    assert_pushed(server, algorithm="sha512")
    assert server.requests[0].query == {"digest-algorithm": ["sha512"]}


def test_pieces_of_any_size_are_sent_as_they_come(server, pusher) -> None:
    pusher.push_blob(descriptor(BIG), Source(BIG, piece=3_000_000))
    assert_pushed(server, BIG)


def test_the_source_is_read_once_and_closed(pusher) -> None:
    source = Source(DATA)
    pusher.push_blob(BLOB, source, chunk_size=900)
    assert (source.opened, source.closed) == ([0], 1)


def test_each_piece_is_reported_before_it_is_sent(server, connect) -> None:
    sizes: list[int] = []
    Pusher(connect(server, sent=sizes.append), "app").push_blob(BLOB, Source(DATA, piece=4000))
    assert sizes == [4000, 4000, 2240]


# --- Location ---


def test_an_absolute_location_with_a_query(server, pusher) -> None:
    server.on(
        "uploads/$", lambda request: Reply(headers={"Location": f"{server.url}/v2/app/blobs/uploads/session-1?a=%2F&b"})
    )
    pusher.push_blob(BLOB, Source(DATA))
    assert server.requests[-1].target.startswith("/v2/app/blobs/uploads/session-1?a=%2F&b&digest=sha256%3A")


def test_a_location_relative_to_the_request(server, pusher) -> None:
    server.on("uploads/$", Reply(headers={"Location": "session-1"}))
    pusher.push_blob(BLOB, Source(DATA))
    assert server.requests[-1].path == "/v2/app/blobs/uploads/session-1"


# --- chunks ---


def test_in_chunks(server, pusher) -> None:
    pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert_pushed(server)
    assert methods(server) == ["POST", "PATCH", "PATCH", "PATCH", "PUT"]
    ranges = [request.header("Content-Range") for request in server.sent(method="PATCH")]
    assert ranges == ["0-3999", "4000-7999", "8000-10239"]
    # each chunk goes to the Location of the answer before it
    states = [request.query["_state"][0] for request in server.requests[1:]]
    assert states == ["session-1-0", "session-1-4000", "session-1-8000", "session-1-10240"]


def test_a_blob_that_fits_into_a_chunk_is_sent_in_one_request(server, pusher) -> None:
    pusher.push_blob(BLOB, Source(DATA), chunk_size=len(DATA))
    assert methods(server) == ["POST", "PUT"]


@pytest.mark.parametrize(
    ("minimum", "patches"), [("6000", 2), ("1", 3), ("9" * 19, 0), ("9" * 30, 3), ("-5", 3), ("many", 3), ("", 3)]
)
def test_the_minimum_size_of_chunks(server, pusher, minimum, patches) -> None:
    server.on("uploads/$", Reply(headers={"OCI-Chunk-Min-Length": minimum}))
    pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert_pushed(server)
    assert methods(server).count("PATCH") == patches


def test_a_registry_that_keeps_a_part_of_a_chunk(server, pusher) -> None:
    def keep_half(request):
        server.repositories["app"].uploads["session-1"] = DATA[:2000]
        return Reply(202, b"", {"Range": "0-1999", "Location": "/v2/app/blobs/uploads/session-1"})

    server.on("", keep_half, times=1, method="PATCH")
    source = Source(DATA)
    pusher.push_blob(BLOB, source, chunk_size=4000)
    assert_pushed(server)
    assert source.opened == [0, 2000]


def test_a_registry_that_keeps_a_few_bytes_of_each_chunk_is_an_error(server, connect) -> None:
    def keep_few(request):
        uploads = server.repositories["app"].uploads
        uploads["session-1"] += request.body[:2]
        return Reply(202, b"", {"Range": f"0-{len(uploads['session-1']) - 1}"})

    server.on("", keep_few, method="PATCH")
    with pytest.raises(ProtocolBroken, match="the registry kept 2 of 4000 bytes"):
        Pusher(connect(server), "app").push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert methods(server).count("PATCH") == 5


def test_a_range_with_its_unit(server, pusher) -> None:
    server.on("", Reply(headers={"Range": "bytes=0-4999"}), times=1, method="PATCH")
    pusher.push_blob(BLOB, Source(DATA), chunk_size=5000)
    assert_pushed(server)


def test_a_chunk_out_of_order_goes_on_where_the_registry_is(server, pusher) -> None:
    def lose(request):
        server.repositories["app"].uploads["session-1"] = DATA[:1000]

    server.on("state=session-1-4000", lose, times=1, method="PATCH")
    pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert_pushed(server)
    assert methods(server) == ["POST", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PATCH", "PUT"]


# --- lost connections ---


def test_a_cut_upload_goes_on_at_the_byte_that_arrived(server, pusher) -> None:
    server.on_body("PUT ", BodyFault(4096))
    source = Source(DATA)
    pusher.push_blob(BLOB, source)
    assert_pushed(server)
    assert methods(server) == ["POST", "PUT", "GET", "PATCH", "PUT"]
    assert server.sent(method="PATCH")[0].header("Content-Range") == "4096-10239"
    assert source.opened == [0, 4096]


def test_a_big_upload_that_is_cut_while_it_is_sent(server, pusher) -> None:
    server.on_body("PUT ", BodyFault(100_000))
    pusher.push_blob(descriptor(BIG), Source(BIG, piece=65536))
    assert_pushed(server, BIG)


def test_a_cut_chunk(server, pusher) -> None:
    server.on_body("PATCH ", BodyFault(0))
    server.on_body("PATCH .*-6000", BodyFault(100))
    pusher.push_blob(BLOB, Source(DATA), chunk_size=3000)
    assert_pushed(server)


@pytest.mark.parametrize("end", [None, "0-0", "0-99999999", "1-5", "x"])
def test_a_session_that_does_not_say_how_far_it_is_begins_again(server, pusher, end) -> None:
    server.on_body("PUT ", BodyFault(4096))
    headers = {} if end is None else {"Range": end}
    server.on("", Reply(headers=headers, drop=() if end else ("Range",)), method="GET")
    pusher.push_blob(BLOB, Source(DATA))
    assert_pushed(server)
    assert methods(server) == ["POST", "PUT", "GET", "DELETE", "HEAD", "POST", "PUT"]


def test_a_session_that_is_gone_begins_again(server, pusher) -> None:
    server.on_body("PUT ", BodyFault(4096))
    server.on("", error(404, "BLOB_UPLOAD_UNKNOWN"), method="GET")
    pusher.push_blob(BLOB, Source(DATA))
    assert server.repositories["app"].blobs == {str(BLOB.digest): DATA}
    assert methods(server) == ["POST", "PUT", "GET", "HEAD", "POST", "PUT"]


@pytest.mark.parametrize("reply", [error(404, "BLOB_UPLOAD_UNKNOWN"), error(400, "BLOB_UPLOAD_INVALID"), error(416)])
def test_a_session_that_ends_while_chunks_are_sent(server, pusher, reply) -> None:
    def expire(request):
        server.repositories["app"].uploads.clear()
        return reply

    server.on("state=session-1-4000", expire, times=1, method="PATCH")
    pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert_pushed(server)


def test_an_upload_whose_last_answer_was_lost_is_complete(server, pusher) -> None:
    def complete(request):
        server.repositories["app"].blobs[str(BLOB.digest)] = DATA
        server.repositories["app"].uploads.clear()
        return Reply(raw=b"")

    server.on("digest=", complete, method="PUT")
    pusher.push_blob(BLOB, Source(DATA))
    assert methods(server) == ["POST", "PUT", "GET", "HEAD"]


def test_a_server_that_fails_for_a_moment(server, pusher, world) -> None:
    server.on("uploads/$", error(503, headers={"Retry-After": "7"}), times=2, method="POST")
    server.on("digest=", error(502), times=1, method="PUT")
    pusher.push_blob(BLOB, Source(DATA))
    assert_pushed(server)
    assert world.pauses[0] >= 7


def test_the_number_of_attempts_is_limited(server, connect) -> None:
    server.on("digest=", error(500), method="PUT")
    pusher = Pusher(connect(server, retry=RetryPolicy(retries=2)), "app")
    with pytest.raises(ServerFailed, match="Cannot push the blob sha256:.* to app at .* answers 500"):
        pusher.push_blob(BLOB, Source(DATA))
    assert methods(server).count("PUT") == 3
    assert server.repositories["app"].uploads == {}


def test_a_registry_that_never_keeps_a_chunk_is_an_error(server, connect) -> None:
    server.on("", Reply(202, b"", {"Range": "0-0"}), method="PATCH")
    with pytest.raises(ProtocolBroken, match="kept nothing of the bytes from 0 on"):
        Pusher(connect(server), "app").push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert methods(server).count("PATCH") == 5


def test_a_registry_that_forgets_each_session_is_an_error(server, connect) -> None:
    """Although each session brings progress, measured from its beginning."""

    def forget(request):
        server.repositories["app"].uploads.clear()
        return error(404, "BLOB_UPLOAD_UNKNOWN")

    server.on("-8000", forget, method="PATCH")
    pusher = Pusher(connect(server, retry=RetryPolicy(progress=1000)), "app")
    with pytest.raises(RegistryError, match="BLOB_UPLOAD_UNKNOWN"):
        pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert methods(server).count("POST") <= 10


@pytest.mark.parametrize("end", ["0-4000", "0-10240", f"0-{'9' * 19}"])
def test_a_registry_that_has_more_than_was_sent_is_an_error(server, pusher, end) -> None:
    server.on("", Reply(headers={"Range": end}), method="PATCH")
    with pytest.raises(ProtocolBroken, match="claims to have more bytes than were sent"):
        pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert server.repositories["app"].uploads == {}


@pytest.mark.parametrize("text", ["4000-7999", "5-7", "0--1", "nothing", "", f"0-{'9' * 30}"])
def test_a_range_that_cannot_be_read_is_ignored(server, pusher, text) -> None:
    server.on("", Reply(headers={"Range": text}), method="PATCH")
    pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert_pushed(server)


def test_a_chunk_that_was_lost_without_a_word_is_sent_again(server, pusher) -> None:
    server.on("-4000", Reply(202, b""), times=1, method="PATCH")
    pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert_pushed(server)
    assert methods(server) == ["POST", "PATCH", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"]


def test_a_last_chunk_that_was_lost_without_a_word_shows_in_the_digest(server, pusher) -> None:
    server.on("-8000", Reply(202, b""), method="PATCH")
    with pytest.raises(Rejected, match="DIGEST_INVALID"):
        pusher.push_blob(BLOB, Source(DATA), chunk_size=4000)
    assert server.repositories["app"].blobs == {}


# --- refusals ---


def test_a_read_only_registry(serve, connect) -> None:
    server = serve()
    with pytest.raises(NotOffered, match="405 .UNSUPPORTED: the registry is read-only.; the registry is read-only"):
        Pusher(connect(server), "app").push_blob(BLOB, Source(DATA))
    assert methods(server) == ["POST"]


def test_a_body_that_is_too_large(server, pusher) -> None:
    server.on("digest=", Reply(413, b"<html>413</html>", {"Content-Type": "text/html"}), method="PUT")
    with pytest.raises(
        Rejected, match="answers 413.*the request has 10240 bytes; .*or set chunk_size to less"
    ) as raised:
        pusher.push_blob(BLOB, Source(DATA))
    assert raised.value.fields["status"] == 413
    assert methods(server) == ["POST", "PUT", "DELETE"]


def test_a_refusal_before_the_body_is_read(server, pusher) -> None:
    """The server answers and closes the connection, as Go's does, while the client still sends."""
    server.on("digest=", error(413, "SIZE_INVALID", "at most 1 MiB"), method="PUT")
    server.on_body("digest=", BodyFault(is_answered=True))
    with pytest.raises(Rejected, match="413 .SIZE_INVALID: at most 1 MiB"):
        pusher.push_blob(descriptor(BIG), Source(BIG, piece=65536))
    assert methods(server) == ["POST", "PUT", "DELETE"]


def test_content_that_is_accepted_unread_is_no_success(server, connect) -> None:
    for dummy in range(5):
        server.on_body("digest=", BodyFault(is_answered=True))
    server.on("digest=", Reply(201, b""), method="PUT")
    with pytest.raises(ConnectionFailed, match="accepts the content before all of it was sent|closed the connection"):
        Pusher(connect(server), "app").push_blob(descriptor(BIG), Source(BIG, piece=65536))


def test_forbidden(server, pusher) -> None:
    server.on("uploads/$", error(403, "DENIED", "no"), method="POST")
    with pytest.raises(Denied, match="DENIED"):
        pusher.push_blob(BLOB, Source(DATA))


def test_a_web_page_is_no_success(server, pusher) -> None:
    server.on("digest=", Reply(200, b"<html>login</html>", {"Content-Type": "text/html"}), method="PUT")
    with pytest.raises(ProtocolBroken, match="web page"):
        pusher.push_blob(BLOB, Source(DATA))


def test_another_digest_in_the_last_answer(server, pusher) -> None:
    lie = str(descriptor(b"lie").digest)
    server.on("digest=", Reply(headers={"Docker-Content-Digest": lie}), method="PUT")
    with pytest.raises(DigestMismatch, match=lie):
        pusher.push_blob(BLOB, Source(DATA))


def test_a_digest_of_another_algorithm_is_not_compared(server, pusher) -> None:
    server.on("digest=", Reply(headers={"Docker-Content-Digest": "sha512:abc"}), method="PUT")
    pusher.push_blob(BLOB, Source(DATA))


# --- the source ---


@pytest.mark.parametrize("reason", [OSError(5, "Input/output error"), DigestMismatch("no", expected="a", actual="b")])
@pytest.mark.parametrize("chunk_size", [None, 4000])
def test_an_error_of_the_source_cancels_the_upload(server, pusher, reason, chunk_size) -> None:
    source = Source(DATA, error=reason)
    with pytest.raises(type(reason)) as raised:
        pusher.push_blob(BLOB, source, chunk_size=chunk_size)
    assert raised.value is reason
    assert server.repositories["app"].uploads == {}
    assert server.repositories["app"].blobs == {}
    assert source.closed == 1


@pytest.mark.parametrize(
    ("data", "why"), [(DATA[:-1], "10239 of 10240 bytes"), (DATA + b"x", "more than the announced 10240 bytes")]
)
def test_a_source_of_another_size(server, pusher, data, why) -> None:
    with pytest.raises(SizeMismatch, match=why):
        pusher.push_blob(BLOB, Source(data))
    assert server.repositories["app"].blobs == {}
    assert all(len(request.body) <= len(DATA) for request in server.requests)


def test_a_source_of_other_content_is_refused_by_the_registry(server, pusher) -> None:
    with pytest.raises(Rejected, match="DIGEST_INVALID.*the registry received other content"):
        pusher.push_blob(BLOB, Source(bytes(len(DATA))))


# --- time ---


def test_a_registry_that_takes_no_bytes(server, connect) -> None:
    server.on_body("digest=", BodyFault(stall=True))
    options = {"timeouts": Timeouts(read=0.2), "retry": RetryPolicy(retries=0)}
    with pytest.raises(TimedOut, match="the peer accepted no data for 0.2 seconds|no data arrived for 0.2 seconds"):
        Pusher(connect(server, **options), "app").push_blob(descriptor(BIG * 4), Source(BIG * 4, piece=65536))
