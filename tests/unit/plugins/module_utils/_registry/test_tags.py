# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tag lists (distribution-spec, "Listing Tags") are followed by Link, n and last, without loops and within limits."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry import name_list as module
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import NotFound, ProtocolBroken
from ansible_collections.attested.registry.plugins.module_utils._registry.name_list import NameList
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

NAMES = tuple(f"v{number:02}" for number in range(25))


def fill(server: FaultyRegistry, names=NAMES) -> FaultyRegistry:
    for name in names:
        server.add_tag("app", name, "sha256:0")
    return server


def page(*names, link: str | None = None, **document) -> Reply:
    body = json.dumps({"name": "app", "tags": list(names), **document}).encode()
    return Reply(status=200, body=body, headers={} if link is None else {"Link": link})


def targets(server) -> list[str]:
    return [request.target for request in server.requests]


def test_all(serve, connect) -> None:
    server = fill(serve())
    assert connect(server).tags("app") == NameList(NAMES)
    assert targets(server) == ["/v2/app/tags/list"]


def test_all_by_link(serve, connect) -> None:
    server = fill(serve(page=10))
    assert connect(server).tags("app") == NameList(NAMES)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("n", "last", "expected"),
    [
        (10, None, NameList(NAMES[:10], "v09")),
        (10, "v09", NameList(NAMES[10:20], "v19")),
        (10, "v19", NameList(NAMES[20:])),
        (100, None, NameList(NAMES)),
        (5, "v24", NameList(())),
        (0, None, NameList(())),
        (1, None, NameList(("v00",), "v00")),
    ],
)
@pytest.mark.parametrize("limit", [None, 3])
def test_n_and_last(serve, connect, n, last, expected, limit) -> None:
    assert connect(fill(serve(page=limit))).tags("app", n=n, last=last) == expected


def test_exactly_n_without_a_link_may_not_be_all(serve, connect) -> None:
    assert connect(fill(serve())).tags("app", n=25) == NameList(NAMES, "v24")
    assert connect(fill(serve(page=3))).tags("app", n=25) == NameList(NAMES)


def test_a_short_page_with_a_link_goes_on(serve, connect) -> None:
    server = serve()
    server.on("last=b", page("c"))
    server.on("last=a", page(link='</v2/app/tags/list?last=b>; rel="next"'))
    server.on("list$", page("a", link='<list?last=a>; rel="next"'))
    assert connect(server).tags("app") == NameList(("a", "c"))


def test_full_pages_without_link_go_on_by_last(serve, connect) -> None:
    """n is what the caller wants in all; the server hands out less at a time only with a Link."""
    server = fill(serve())
    server.on("", Reply(drop=("Link",)))
    assert connect(server).tags("app", n=10) == NameList(NAMES[:10], "v09")
    assert connect(server).tags("app", n=10, last="v09") == NameList(NAMES[10:20], "v19")


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_a_server_that_knows_neither_n_nor_last(serve, connect, n) -> None:
    """distribution 2.8 gives all tags, in no order."""
    server = serve()
    server.on("", page("multi", "1.0", "b", "a"))
    client = connect(server)
    found: list[str] = []
    last = None
    for dummy in range(6):
        part = client.tags("app", n=n, last=last)
        assert len(part.names) <= n
        found += part.names
        last = part.last
        if last is None:
            break
    assert found == ["1.0", "a", "b", "multi"]
    assert last is None
    assert client.tags("app").names == ("1.0", "a", "b", "multi")
    assert client.tags("app", last="a").names == ("b", "multi")
    assert client.tags("app", last="aa").names == ("b", "multi")


@pytest.mark.parametrize("names", [("A", "B", "a", "b"), ("A", "a", "b", "C")])
def test_both_orders_of_the_specification_are_kept(serve, connect, names) -> None:
    server = serve()
    server.on("", page(*names))
    assert connect(server).tags("app").names == names


def test_a_list_that_is_too_long_for_one_answer(serve, connect, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 2000)
    monkeypatch.setattr(module, "PAGE", 100)
    names = tuple(f"v{number:03}" for number in range(450))
    server = fill(serve(), names)
    assert connect(server).tags("app") == NameList(names)
    assert len(server.requests) == 1 + 5
    server.clear()
    server.on("n=", Reply(drop=("Link",)))
    assert connect(server).tags("app") == NameList(names)


def test_null_is_an_empty_list(serve, connect) -> None:
    server = serve()
    server.on("", Reply(status=200, body=b'{"name":"app","tags":null}'))
    assert connect(server).tags("app") == NameList(())
    server.on("", Reply(status=200, body=b'{"name":"app"}'))
    assert connect(server).tags("app") == NameList(())


def test_names_twice_are_listed_once(serve, connect) -> None:
    server = serve()
    server.on("last=b", page("b", "c"))
    server.on("list$", page("a", "b", link='<list?last=b>; rel="next"'))
    assert connect(server).tags("app") == NameList(("a", "b", "c"))


def test_invalid_tags_are_left_out(serve, connect, warnings) -> None:
    server = serve()
    server.on("", page("ok", "-bad", "\x1b[2J", "x" * 200, ""))
    assert connect(server).tags("app") == NameList(("ok",))
    assert len(warnings) == 4
    assert all(text.isprintable() for text in warnings)


@pytest.mark.parametrize(
    ("names", "n", "expected"),
    [
        (("a", "\udc00"), 2, ("a",)),
        ((*(f"t{number:02}" for number in range(49)), "\ud800"), None, tuple(f"t{number:02}" for number in range(49))),
        (("\ud800", "\udc00"), 2, ()),
    ],
)
@pytest.mark.parametrize("knows_n_and_last", [True, False])
def test_a_list_that_ends_in_half_a_character(serve, connect, warnings, names, n, expected, knows_n_and_last) -> None:
    """No URL can hold a lone surrogate, so the page that may follow is asked for after the last tag."""
    server = fill(serve(), names)
    if not knows_n_and_last:
        server.on("", page(*names))
    assert connect(server).tags("app", n=n).names == expected
    assert len(warnings) == len(names) - len(expected)
    assert all(text.isprintable() for text in warnings)


def test_the_page_after_an_invalid_tag_is_requested(serve, connect, warnings) -> None:
    server = serve()
    server.on("", page("a", "-bad"))
    server.on("last=a", page("b"))
    assert connect(server).tags("app", n=2).names == ("a", "b")
    assert len(warnings) == 1


@pytest.mark.parametrize(("count", "more"), [(500, "481"), (5000, "at least 980")])
def test_the_number_of_warnings_is_bounded(serve, connect, warnings, count, more) -> None:
    server = serve()
    server.on("last=b", page(*[f"-{number}" for number in range(count)]))
    server.on("list$", page("b", "", "", "", link='<list?last=b>; rel="next"'))
    assert connect(server).tags("app") == NameList(("b",))
    assert len(set(warnings)) == len(warnings) == 21
    assert warnings[1] == 'The registry lists "-0" in app, which is not a valid tag name; it is skipped.'
    assert warnings[-1] == f"The registry lists {more} more in app that are not valid tag names; they are skipped."


@pytest.mark.parametrize(
    "link", ['<list>; rel="next"', '<?last=a>; rel="next"', '</v2/app/tags/list?last=a>; rel="next"']
)
def test_loops_end(serve, connect, link) -> None:
    server = serve()
    server.on("", page("a", link=link))
    with pytest.raises(ProtocolBroken, match="form a loop"):
        connect(server).tags("app")
    assert len(server.requests) <= 2


def test_pages_without_end_end(serve, connect, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 10)
    server = serve()
    server.on("", lambda request: page(f"a{len(server.requests)}", link=f'<list?x={len(server.requests)}>; rel="next"'))
    with pytest.raises(ProtocolBroken, match="or have no end"):
        connect(server).tags("app")
    assert len(server.requests) == 10


@pytest.mark.parametrize("names", [("a",), (), ("-no tag",)])
@pytest.mark.parametrize("n", [None, 2])
def test_pages_that_bring_nothing_new_end_soon(serve, connect, names, n) -> None:
    server = serve()
    server.on("", lambda request: page(*names, link=f'<list?last={len(server.requests)}>; rel="next"'))
    with pytest.raises(ProtocolBroken, match="form a loop or have no end"):
        connect(server).tags("app", n=n)
    assert len(server.requests) <= 1 + module.MAX_IDLE


def test_too_many_tags(serve, connect, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 10)
    with pytest.raises(ProtocolBroken, match="more than 10"):
        connect(fill(serve())).tags("app")


@pytest.mark.exhaustive
def test_names_are_in_memory_once(serve, connect) -> None:
    """Beside the names, which have 57 bytes each, there is one dict of them, and no copies in lower case."""
    count = 100_000
    server = serve()
    server.on("list$", page(*(f"v{number:07}" for number in range(count))))
    server.on("last=", page())
    client = connect(server)
    tracemalloc.start()
    try:
        found = client.tags("app")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.names) == count
    assert peak / count < 200


def test_the_same_full_page_twice_is_an_error(serve, connect, monkeypatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    server = serve()
    server.on("n=", page("a", "b"))
    server.on("list$", Reply(status=200, body=b"x" * (module.MAX_PAGE_BYTES + 1)))
    with pytest.raises(ProtocolBroken, match="sends the same page again"):
        connect(server).tags("app")


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ('<http://localhost:1/v2/app/tags/list?last=a>; rel="next"', "another server"),
        ('<https://evil.example/>; rel="next"', "another server"),
        ('<ftp://evil.example/>; rel="next"', "cannot be used"),
        ("<<<; rel=next", "cannot be used"),
    ],
)
def test_links_that_are_not_followed(serve, connect, link, why) -> None:
    server = serve()
    server.on("", page("a", link=link))
    with pytest.raises(ProtocolBroken, match=why):
        connect(server).tags("app")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags": "a"}', b'{"tags": [1]}', b'{"tags": {}}', b"<html>"])
def test_an_invalid_list_is_refused(serve, connect, body) -> None:
    server = serve()
    server.on("", Reply(status=200, body=body))
    with pytest.raises(ProtocolBroken, match="Cannot list the tags of app"):
        connect(server).tags("app")


def test_unknown_repository(serve, connect) -> None:
    with pytest.raises(NotFound, match="NAME_UNKNOWN"):
        connect(serve()).tags("app")


def test_endless_page(serve, connect, monkeypatch) -> None:
    server = serve()
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 500_000)
    server.on("", Reply(status=200, body=b" " * 65536, endless=True))
    with pytest.raises(ProtocolBroken, match="longer than"):
        connect(server).tags("app", n=5)
