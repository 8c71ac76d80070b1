# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The headers of an upload are read totally: any text gives a value, and no number is trusted."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ProtocolBroken, RedirectRefused
from ansible_collections.attested.registry.plugins.module_utils._registry.push.pusher import Pusher
from ansible_collections.attested.registry.plugins.module_utils._registry.push.session import (
    Session,
    parse_end,
    parse_minimum,
)
from ansible_collections.attested.registry.plugins.module_utils._registry.url import Url
from ansible_collections.attested.registry.tests.support.images.sources import Source, descriptor
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply
from hypothesis import given
from hypothesis import strategies as st

BLOB = descriptor(b"content")
HEADER = st.one_of(st.none(), st.text(), st.from_regex(r"(bytes[= ])?[0-9]*-[0-9]{0,30}", fullmatch=True))


@given(HEADER)
def test_any_range(value) -> None:
    end = parse_end(value)
    assert end is None or (value is not None and 0 <= end < 10**19 and str(end) in value.replace("-0", "-"))


@given(st.integers(0, 10**19 - 1))
def test_a_range_of_an_upload(end) -> None:
    assert parse_end(f"0-{end}") == parse_end(f"bytes=0-{end}") == parse_end(f" 0-{end} ") == end


@given(HEADER)
def test_any_minimum(value) -> None:
    assert 1 <= parse_minimum(value) < 10**19


@pytest.mark.parametrize(
    ("text", "target"),
    [("http://r/u", "/u?digest=sha256%3A"), ("http://r/u?a=%2f&a&b=", "/u?a=%2f&a&b=&digest=sha256%3A")],
)
def test_the_query_of_a_session_is_kept(text, target) -> None:
    assert Session(Url.parse(text)).closing_url(Digest.of(b"")).target.startswith(target)


LOCATIONS = [
    *("ftp://127.0.0.1/x", "http://user:secret@127.0.0.1/x", "//", "http://", "http://127.0.0.1:99999/", "/\\x"),
    *("http://127.0.0.1:80:80/", "javascript:1", "http://[::1", "/" + "a" * 20_000),
]


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_location_that_cannot_be_used(serve, connect, location) -> None:
    server = serve(writable=True)
    server.on("uploads/$", Reply(headers={"Location": location}))
    with pytest.raises(ProtocolBroken, match="the Location of the upload at .* cannot be used") as raised:
        Pusher(connect(server), "app").push_blob(BLOB, Source(b"content"))
    assert "secret" not in str(raised.value.fields) + raised.value.message
    assert len(server.requests) == 1


def test_no_location(serve, connect) -> None:
    server = serve(writable=True)
    server.on("uploads/$", Reply(drop=("Location",)))
    with pytest.raises(ProtocolBroken, match="begins an upload without a Location header"):
        Pusher(connect(server), "app").push_blob(BLOB, Source(b"content"))


def test_a_chunk_without_a_location_goes_on_at_the_same_place(serve, connect) -> None:
    server = serve(writable=True)
    server.on("", Reply(drop=("Location", "Range")), method="PATCH")
    Pusher(connect(server), "app").push_blob(BLOB, Source(b"content"), chunk_size=3)
    assert server.repositories["app"].blobs == {str(BLOB.digest): b"content"}


def test_the_query_of_a_location_is_a_secret(serve, connect) -> None:
    """Storage signs the URLs that it gives out."""
    server = serve(writable=True)
    server.on("uploads/$", Reply(headers={"Location": "http://169.254.1.1/x?signature=s3cret"}))
    with pytest.raises(RedirectRefused) as raised:
        Pusher(connect(server), "app").push_blob(BLOB, Source(b"content"))
    assert "s3cret" not in str(raised.value.fields) + raised.value.message + repr(raised.value)
