# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs and Location headers are parsed without ambiguity, and shown without their query."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.url import (
    Origin,
    Url,
    UrlInvalid,
    literal_address,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "origin", "path", "query"),
    [
        ("http://localhost", Origin("http", "localhost", 80), "/", None),
        ("HTTPS://Example.COM/a?b=c#d", Origin("https", "example.com", 443), "/a", "b=c"),
        ("http://[::1]:5000/x", Origin("http", "::1", 5000), "/x", None),
        ("http://[0:0::1]/x", Origin("http", "::1", 80), "/x", None),
        ("https://my_registry:5000", Origin("https", "my_registry", 5000), "/", None),
        ("https://a.b./?", Origin("https", "a.b.", 443), "/", ""),
        ("https://a:/", Origin("https", "a", 443), "/", None),
    ],
)
def test_parse(text: str, origin: Origin, path: str, query: str | None) -> None:
    url = Url.parse(text)
    assert (url.origin, url.path, url.query) == (origin, path, query)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/v2/",
        "ftp://a/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://user@host/",
        "http://user:secret@host/",
        "http://host:0/",
        "http://host:65536/",
        "http://host:x/",
        "http://a b/",
        "http://a\\@b/",
        "http://a\n/",
        "http://a/\x00",
        "http://exämple.org/",
        "http://[::1",
        "http://::1/",
        "http://[127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://-a/",
        "http://a..b/",
        "http://" + "a" * 70 + ".example",
        "http://a/" + "x" * 20000,
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(UrlInvalid) as raised:
        Url.parse(text)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/x", "http://h:5000/x"),
        ("x?y", "http://h:5000/v2/a/tags/x?y"),
        ("?n=1", "http://h:5000/v2/a/tags/list?n=1"),
        ("../y", "http://h:5000/v2/a/y"),
        ("//other/x", "http://other/x"),
        ("https://other/x?a=%2F", "https://other/x?a=%2F"),
        ("/a b/ä", "http://h:5000/a%20b/%E4"),
        ("/€", "http://h:5000/%E2%82%AC"),
        ("https://other/x%2fy?sig=a%2fb%2Bc", "https://other/x%2fy?sig=a%2fb%2Bc"),
        ('/x|{y}"<z>^`?a=|{}"<>\\^`', 'http://h:5000/x|{y}"<z>^`?a=|{}"<>\\^`'),
        ("https://other/a/../b//c;d?", "https://other/a/../b//c;d?"),
        ("//other//x?a=b#c", "http://other//x?a=b"),
        ("https://other/x?y z", "https://other/x?y%20z"),
        ("https://other?a", "https://other/?a"),
        ("", "http://h:5000/v2/a/tags/list?last=1"),
        ("HTTPS://OTHER/X%2F%zz%", "https://other/X%2F%zz%"),
    ],
)
def test_join(location: str, expected: str) -> None:
    assert Url.parse("http://h:5000/v2/a/tags/list?last=1").join(location).text == expected


@pytest.mark.parametrize(
    "location",
    [
        *("http://u:p@h/", "\\\\evil\\x", "/\\evil/x", "http://[x/", "gopher://x/", "data:x", "/\r\nX: y", "/a\tb"),
        *("x" * 20000, "http://a\\@b/", "http://h/\x7f", "http://a|b/", "ä" * 6000),
    ],
)
def test_join_refused(location: str) -> None:
    with pytest.raises(UrlInvalid):
        Url.parse("http://h/").join(location)


def test_safe_has_no_query() -> None:
    url = Url.parse("https://storage/blob?X-Signature=secret")
    assert "secret" not in f"{url} {url.safe}"
    assert "secret" in url.text


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "1.2.3.4.5", "a.1", "017700000001"]
)
def test_odd_addresses_are_no_names(host: str) -> None:
    with pytest.raises(UrlInvalid):
        literal_address(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", ipaddress.ip_address("127.0.0.1")),
        ("::1", ipaddress.ip_address("::1")),
        ("a.example", None),
        ("a1", None),
    ],
)
def test_literal_address(host: str, expected: object) -> None:
    assert literal_address(host) == expected


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"https://{text}"))
def test_total_and_unambiguous(text: str) -> None:
    try:
        url = Url.parse(text)
    except UrlInvalid:
        return
    split = urlsplit(url.text)
    assert (split.scheme, split.hostname) == (url.origin.scheme, url.origin.host)
    assert split.username is None
    assert Url.parse(url.text) == url


@given(st.text(max_size=60))
def test_join_is_total(location: str) -> None:
    base = Url.parse("https://h:5000/v2/")
    try:
        joined = base.join(location)
    except UrlInvalid:
        return
    assert base.join(joined.text) == joined
    assert re.fullmatch("/[!-~]*", joined.target)
