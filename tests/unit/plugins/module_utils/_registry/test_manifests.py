# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manifest is verified by digest, size and media type; HEAD gives the digest or leaves the answer to GET."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError, JsonInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import (
    DigestMismatch,
    DocumentInvalid,
    ReferenceInvalid,
    Unsupported,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.media_type import ACCEPT, OCI_MANIFEST
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import (
    ConnectionFailed,
    NotFound,
    ProtocolBroken,
    RateLimited,
    Unauthorized,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.fetched import ManifestHead
from ansible_collections.attested.registry.plugins.module_utils._registry.manifests import MAX_BYTES
from ansible_collections.attested.registry.plugins.module_utils._registry.options import RetryPolicy
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error

OTHER = f"sha256:{'0' * 64}"


@pytest.fixture
def server(serve, image):
    server = serve()
    server.publish("app", {"1.0": image})
    return server


def select(text: str) -> Selector:
    return Selector.parse(text)


def test_by_tag(server, connect, image) -> None:
    fetched = connect(server).manifest("app", select("1.0"))
    assert str(fetched.digest) == image.digest
    assert fetched.document.raw == image.data
    request = server.requests[0]
    assert request.path == "/v2/app/manifests/1.0"
    assert request.header("Accept") == ", ".join(ACCEPT)


def test_by_digest(server, connect, image) -> None:
    assert str(connect(server).manifest("app", select(image.digest)).digest) == image.digest


def test_by_tag_and_digest(server, connect, image) -> None:
    fetched = connect(server).manifest("app", select(f"1.0@{image.digest}"))
    assert str(fetched.digest) == image.digest
    assert server.requests[0].path.endswith("/1.0")


def test_a_tag_that_leads_elsewhere(server, connect, image) -> None:
    with pytest.raises(DigestMismatch, match=f"the tag 1.0 now leads to {image.digest}, not to {OTHER}") as raised:
        connect(server).manifest("app", select(f"1.0@{OTHER}"))
    assert raised.value.fields["reference"] == f"1.0@{OTHER}"
    assert raised.value.fields["expected"] == OTHER
    assert raised.value.fields["registry"] == server.name


def test_sha512(server, connect, image) -> None:
    digest = server.add_manifest("app", image.data, image.media_type, algorithm="sha512")
    fetched = connect(server).manifest("app", select(digest))
    assert str(fetched.digest) == digest
    server.add_tag("app", "512", digest)
    # a header of another algorithm is checked too, and the digest of a tag is sha256
    assert str(connect(server).manifest("app", select("512")).digest) == image.digest
    assert str(connect(server).manifest("app", select(f"512@{digest}")).digest) == digest


def test_other_bytes_for_a_digest(server, connect, image) -> None:
    server.on("/manifests/", Reply(body=image.data + b" ", drop=("Docker-Content-Digest",)))
    with pytest.raises(DigestMismatch, match="the received content has the digest"):
        connect(server).manifest("app", select(image.digest))


def test_the_header_must_be_right(server, connect, image) -> None:
    server.on("/manifests/", Reply(headers={"Docker-Content-Digest": OTHER}))
    for reference in ("1.0", image.digest):
        with pytest.raises(DigestMismatch, match=f"expected {OTHER}"):
            connect(server).manifest("app", select(reference))


def test_no_header(server, connect, image) -> None:
    server.on("/manifests/", Reply(drop=("Docker-Content-Digest",)))
    assert str(connect(server).manifest("app", select("1.0")).digest) == image.digest


def test_a_header_that_is_no_digest(server, connect, image, warnings) -> None:
    server.on("/manifests/", Reply(headers={"Docker-Content-Digest": "md5:\x1b[31m"}))
    assert str(connect(server).manifest("app", select("1.0")).digest) == image.digest
    assert len(warnings) == 1
    assert "\x1b" not in warnings[0]


def test_content_type_against_media_type(server, connect, image) -> None:
    server.on("/manifests/", Reply(headers={"Content-Type": images.OCI_INDEX}))
    with pytest.raises(DocumentInvalid) as raised:
        connect(server).manifest("app", select("1.0"))
    assert raised.value.fields["repository"] == "app"
    # with the right digest, the content says what it is
    assert str(connect(server).manifest("app", select(image.digest)).digest) == image.digest


@pytest.mark.parametrize("content_type", ["application/json", f"{OCI_MANIFEST.upper()}; charset=utf-8", None])
def test_content_types_that_fit(server, connect, image, content_type) -> None:
    reply = Reply(drop=("Content-Type",)) if content_type is None else Reply(headers={"Content-Type": content_type})
    server.on("/manifests/", reply)
    assert str(connect(server).manifest("app", select("1.0")).digest) == image.digest


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", JsonInvalid), (b"<html>", ProtocolBroken), (b"{}", CollectionError), (b'{"schemaVersion": 1}', Unsupported)],
)
def test_an_invalid_manifest_is_refused(server, connect, body, kind) -> None:
    server.on("/manifests/", Reply(body=body, drop=("Docker-Content-Digest", "Content-Type")))
    with pytest.raises(kind) as raised:
        connect(server).manifest("app", select("1.0"))
    assert raised.value.fields["registry"] == server.name


@pytest.mark.parametrize("chunked", [None, 65536])
def test_too_large(server, connect, chunked) -> None:
    server.on("/manifests/", Reply(body=b"x" * (MAX_BYTES + 1), chunked=chunked))
    with pytest.raises(ProtocolBroken, match=f"longer than {MAX_BYTES} bytes"):
        connect(server).manifest("app", select("1.0"))


@pytest.mark.parametrize("chunked", [None, 1])
def test_endless(server, connect, chunked) -> None:
    server.on("/manifests/", Reply(body=b"x" * 65536, endless=True, chunked=chunked))
    with pytest.raises(ProtocolBroken, match="longer than"):
        connect(server).manifest("app", select("1.0"))


def test_truncated_is_fetched_again(server, connect, image, world) -> None:
    server.on("/manifests/", Reply(cut=20), times=2)
    assert str(connect(server).manifest("app", select("1.0")).digest) == image.digest
    assert len(world.pauses) == 2


def test_a_manifest_that_is_always_truncated_is_an_error(server, connect) -> None:
    server.on("/manifests/", Reply(cut=20))
    with pytest.raises(ConnectionFailed, match="ended after 20 of"):
        connect(server, retry=RetryPolicy(retries=1)).manifest("app", select("1.0"))


def test_not_found(server, connect) -> None:
    with pytest.raises(NotFound) as raised:
        connect(server).manifest("app", select("2.0"))
    fields = raised.value.as_result()
    assert fields["kind"] == "not_found"
    assert (fields["repository"], fields["reference"], fields["code"]) == ("app", "2.0", "MANIFEST_UNKNOWN")
    assert f"Cannot get the manifest 2.0 of app from {server.name}" in raised.value.message
    with pytest.raises(NotFound, match="NAME_UNKNOWN"):
        connect(server).manifest("nothing", select("2.0"))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=404, body=b"not here", headers={"Content-Type": "text/plain"}), r"\(not here\)"),
        (Reply(status=404, body=b"<html>x</html>", headers={"Content-Type": "text/html"}), r"does not have it;"),
        (Reply(status=404, body=b'{"errors": 1}', headers={"Content-Type": "application/json"}), r"does not have it"),
        (Reply(status=404, body=b"x" * 64, cut=3), r"does not have it"),
        (Reply(status=404, body=b"x" * 65536, endless=True), r"does not have it"),
        (error(404, "A\x1b[2J", "b\r\nc" * 1000), r"A\\x1b\[2J: b\\r\\nc"),
    ],
)
def test_errors_of_any_form(server, connect, reply, words) -> None:
    server.on("", reply)
    with pytest.raises(NotFound, match=words) as raised:
        connect(server).manifest("app", select("1.0"))
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 1500


@pytest.mark.parametrize("name", ["../etc", "http://evil.example/", "UPPER", "a//b"])
def test_the_repository_name_cannot_change_the_url(server, connect, name) -> None:
    client = connect(server)
    with pytest.raises(ReferenceInvalid):
        client.manifest(name, select("1.0"))
    assert server.requests == []


# --- HEAD ---


def test_head(server, connect, image) -> None:
    head = connect(server).head_manifest("app", select("1.0"))
    assert head == ManifestHead(Digest.parse(image.digest), image.media_type, len(image.data))
    assert [request.method for request in server.requests] == ["HEAD"]


def test_head_of_a_server_that_describes_a_message(server, connect) -> None:
    server.on(
        "/manifests/",
        Reply(
            body=b"Manifest found",
            headers={"Content-Type": "text/plain; charset=utf-8"},
            drop=("Docker-Content-Digest",),
        ),
    )
    assert connect(server).head_manifest("app", select("1.0")) == ManifestHead(None, None)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 406, 410, 415, 418, 421, 451, 501, 505])
def test_head_leaves_the_explanation_to_get(server, connect, status) -> None:
    server.on("/manifests/", Reply(status=status, body=b""), method="HEAD")
    assert connect(server).head_manifest("app", select("1.0")) == ManifestHead(None, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_head_that_may_be_answered_later_is_tried_again_first(server, connect, status) -> None:
    server.on("/manifests/", Reply(status=status, body=b""), method="HEAD")
    assert connect(server, retry=RetryPolicy(retries=2)).head_manifest("app", select("1.0")) == ManifestHead(None, None)
    assert len(server.requests) == 3


def test_head_with_retry_after_is_retried_and_then_an_error(server, connect) -> None:
    server.on("/manifests/", Reply(status=429, body=b"", headers={"Retry-After": "1"}), method="HEAD")
    with pytest.raises(RateLimited):
        connect(server, retry=RetryPolicy(retries=1)).head_manifest("app", select("1.0"))


def test_head_after_a_token_service_that_refuses(serve, connect) -> None:
    """A GET would be refused as well, and a wrong password would count twice."""
    server = serve(auth="bearer", users={"u": "p"})
    with pytest.raises(Unauthorized):
        connect(server, credentials=BasicAuth("u", "wrong")).head_manifest("app", select("1.0"))
    assert len(server.sent("/token")) == 1


def test_head_of_a_tag_that_leads_elsewhere_says_nothing(server, connect, image) -> None:
    client = connect(server)
    assert client.head_manifest("app", select(f"1.0@{OTHER}")).digest is None
    assert client.head_manifest("app", select(f"1.0@{image.digest}")).digest == Digest.parse(image.digest)


def test_head_with_a_bad_digest(server, connect, warnings) -> None:
    server.on("/manifests/", Reply(headers={"Docker-Content-Digest": "x"}))
    assert connect(server).head_manifest("app", select("1.0")).digest is None
    assert warnings


def test_head_with_a_body_that_should_not_be_there(server, connect, image) -> None:
    """The next request must not read what a HEAD had no right to send."""
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDocker-Content-Digest: " + image.digest.encode() + b"\r\n\r\nHELLO"
    server.on("/manifests/", Reply(raw=evil), method="HEAD", times=1)
    client = connect(server)
    client.head_manifest("app", select("1.0"))
    assert str(client.manifest("app", select("1.0")).digest) == image.digest


def test_head_with_a_bad_length(server, connect, image) -> None:
    server.on("/manifests/", Reply(headers={"Content-Length": "18446744073709452785x"}), method="HEAD")
    assert str(connect(server).head_manifest("app", select("1.0")).digest) == image.digest


def test_one_request_and_no_more_when_nothing_changed(server, connect) -> None:
    client = connect(server)
    client.head_manifest("app", select("1.0"))
    assert client.requests == len(server.requests) == 1
