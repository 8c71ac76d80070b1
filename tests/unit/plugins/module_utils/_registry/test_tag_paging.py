# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""However a registry pages its tags, none is lost or listed twice, and a part is never reported as the whole."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, replace

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry import name_list as module
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ProtocolBroken, RegistryError
from ansible_collections.attested.registry.plugins.module_utils._registry.name_list import NameList
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import Reply, error

PUSHED = ("z1", "a1", "latest", "B2", "b2", "m3", "a0", "1.0")


@dataclass(frozen=True)
class Manner:
    """How a registry pages: link names the fields n, last and next; refuses is the smallest n that it refuses."""

    order: tuple[str, ...] = PUSHED
    knows_n: bool = True
    knows_last: bool = True
    limit: int = 1000
    link: str | None = '</v2/app/tags/list?n={n}&last={last}>; rel="next"'
    refuses: int = 100_000
    status: int = 413
    includes_last: bool = False
    more: bool = False

    def reply(self, request) -> Reply:
        asked = {name: values[0] for name, values in request.query.items()}
        if int(asked.get("n", 0)) >= self.refuses:
            return error(self.status, "UNSUPPORTED")
        start = int(asked.get("next_page", 0))
        if self.knows_last and asked.get("last") in self.order:
            start = self.order.index(asked["last"]) + (not self.includes_last)
        size = min(int(asked.get("n", self.limit)), self.limit) if self.knows_n else self.limit
        names = self.order[start : start + size]
        end = start + len(names)
        document: dict[str, t.Any] = {"child": [], "name": "app", "tags": list(names)}
        if self.more:
            document["manifest"] = {f"sha256:{number}": {"tag": ["no", "no"], "tags": ["no"]} for number in range(50)}
        headers = {}
        if self.link is not None and end < len(self.order):
            headers["Link"] = self.link.format(n=size, last=names[-1], next=end)
        return Reply(status=200, body=json.dumps(document).encode(), headers=headers)


LEXICAL = tuple(sorted(PUSHED))
IGNORING_CASE = tuple(sorted(PUSHED, key=str.lower))
TOKEN = '</v2/app/tags/list?next_page={next}>; rel="next"'
MANNERS = {
    "distribution 3": Manner(LEXICAL),
    "distribution 2.8": Manner(knows_n=False, knows_last=False, link=None),
    "Azure, regardless of case": Manner(IGNORING_CASE),
    "ghcr.io, as pushed": Manner(),
    "ECR Public, as pushed without Link": Manner(link=None),
    "quay.io, own token": Manner(LEXICAL, knows_last=False, link=TOKEN, limit=3),
    "own token, as pushed": Manner(knows_last=False, link=TOKEN, limit=3),
    "own token, without n": Manner(knows_n=False, knows_last=False, link=TOKEN, limit=3),
    "own token with n": Manner(knows_last=False, link='<list?n={n}&next_page={next}>; rel="next"'),
    "gcr.io, all with manifests": Manner(LEXICAL, knows_n=False, knows_last=False, link=None, more=True),
    "all at once, regardless of case": Manner(IGNORING_CASE, knows_n=False, knows_last=False, link=None),
    "last but no n": Manner(knows_n=False, link=None),
    "last but no n, pages": Manner(IGNORING_CASE, knows_n=False, limit=5),
    "pages shorter than asked": Manner(limit=2),
    "n but no last": Manner(knows_last=False, link=None),
    "last is included": Manner(includes_last=True, limit=3),
    "Link without rel": Manner(link="</v2/app/tags/list?n={n}&last={last}>"),
    "Link without brackets": Manner(link='/v2/app/tags/list?n={n}&last={last}; rel="next"'),
    "Link without both": Manner(link="/v2/app/tags/list?n={n}&last={last}"),
    "absolute Link, wrong port": Manner(link='<https://127.0.0.1/v2/app/tags/list?n={n}&last={last}>; rel="next"'),
    "413 above 2": Manner(refuses=3),
    "400 above 3": Manner(LEXICAL, refuses=4, status=400, link=None),
}


@pytest.fixture
def listing(serve, connect, monkeypatch) -> t.Callable[..., t.Callable[..., NameList]]:
    """Gives the method tags of a client of a registry with some manners."""
    monkeypatch.setattr(module, "_LESS", (3, 2, None))

    def start(manner: Manner) -> t.Callable[..., NameList]:
        server = serve()
        server.on("/tags/list", manner.reply)
        client = connect(server)
        return lambda **options: client.tags("app", **options)

    return start


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
def test_all(listing, manner) -> None:
    found = listing(manner)()
    assert (sorted(found.names), found.last) == (sorted(PUSHED), None)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("manner", "n"),
    [
        pytest.param(manner, n, id=f"{name}-{n}")
        for name, manner in MANNERS.items()
        # one that begins with last itself and is asked for one name has nothing else to give
        for n in ((2, 3, 5, 7, 8, 9) if manner.includes_last else (1, 2, 3, 5, 7, 8, 9))
    ],
)
def test_page_after_page(listing, manner, n) -> None:
    found: list[str] = []
    tags = listing(manner)
    last = None
    for dummy in range(12):
        part = tags(n=n, last=last)
        assert len(part.names) <= n
        found += part.names
        last = part.last
        if last is None:
            break
    assert last is None
    assert sorted(found) == sorted(PUSHED)


@pytest.mark.parametrize("n", [1, 3, 7])
@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
def test_some_and_then_the_rest(listing, manner, n) -> None:
    tags = listing(manner)
    first = tags(n=n)
    rest = tags(last=first.last)
    assert sorted(first.names + rest.names) == sorted(PUSHED)
    assert (len(first.names), rest.last) == (n, None)


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
def test_what_is_continued_after_is_the_last_that_was_listed(listing, manner) -> None:
    part = listing(manner)(n=3)
    assert part.last == part.names[-1]


@pytest.mark.parametrize("limit", [50, 100])
def test_a_page_that_was_cut_without_a_word(listing, limit) -> None:
    """A registry with a limit of its own and no Link: a round number of names may not be all."""
    names = tuple(f"t{number:03}" for number in range(limit + 20))
    tags = listing(Manner(names, limit=limit, link=None))
    assert tags() == NameList(names)
    assert tags(n=limit + 10) == NameList(names[: limit + 10], names[limit + 9])


@pytest.mark.parametrize("n", [7, 30, 50, 60])
@pytest.mark.parametrize("knows_n", [True, False])
def test_pages_of_a_list_that_is_cut_without_a_word(listing, knows_n, n) -> None:
    names = tuple(f"t{number:03}" for number in reversed(range(70)))
    tags = listing(Manner(names, knows_n=knows_n, limit=50, link=None))
    found: list[str] = []
    last = None
    for dummy in range(12):
        part = tags(n=n, last=last)
        found += part.names
        last = part.last
        if last is None:
            break
    assert tuple(found) == names


def test_a_round_number_that_is_all(listing) -> None:
    names = tuple(f"t{number:03}" for number in range(50))
    for manner in (Manner(names, link=None), Manner(names, link=None, knows_n=False, knows_last=False)):
        assert listing(manner)() == NameList(names)


def test_a_large_n_is_asked_for_in_parts(serve, connect) -> None:
    """quay.io refuses more than 100, and lists go on by its Link."""
    names = tuple(f"t{number:04}" for number in range(350))
    server = serve()
    server.on("/tags/list", Manner(names, refuses=101, limit=100).reply)
    assert connect(server).tags("app", n=300) == NameList(names[:300], names[299])
    assert [request.query.get("n") for request in server.requests] == [["300"], ["100"], ["100"], ["100"]]


def test_any_n_is_refused(serve, connect) -> None:
    server = serve()
    server.on("/tags/list", Manner(refuses=1, status=400).reply)
    assert len(connect(server).tags("app", n=3).names) == 3


def test_the_refusal_is_shown_if_less_does_not_help(serve, connect) -> None:
    server = serve()
    server.on("/tags/list", error(400, "NAME_INVALID", "no"))
    with pytest.raises(RegistryError, match="NAME_INVALID"):
        connect(server).tags("app", n=300)


def test_a_registry_that_pays_no_attention_to_last_and_gives_no_more_than_n(serve, connect) -> None:
    """No more than the first page can be had in parts, so it is not called the whole."""
    names = tuple(f"t{number:04}" for number in range(1500))
    server = serve()
    server.on("/tags/list", replace(Manner(names), knows_last=False, link=None, refuses=101, limit=100).reply)
    with pytest.raises(ProtocolBroken, match="sends the same page again"):
        connect(server).tags("app", n=300)


def test_a_registry_that_gives_last_alone_again(listing) -> None:
    tags = listing(MANNERS["last is included"])
    second = tags(n=1, last=tags(n=1).last)
    assert second.names == (PUSHED[1],)
    with pytest.raises(ProtocolBroken):
        tags(n=1, last=second.last)


@pytest.mark.exhaustive
def test_a_long_list_is_read_as_a_stream(serve, connect) -> None:
    entry = '"sha256:%064d": {"imageSizeBytes": "1", "layerId": "", "mediaType": "x", "tag": ["t%05d"]}'
    manifests = ", ".join(entry % (number, number) for number in range(60_000))
    names = [f"t{number:05}" for number in range(60_000)]
    body = f'{{"child": [], "manifest": {{{manifests}}}, "name": "app", "tags": {json.dumps(names)}}}'.encode()
    assert len(body) > 8 * 1024 * 1024
    server = serve()
    server.on("", Reply(status=200, body=body))
    assert connect(server).tags("app").names == tuple(names)


def test_all_pages_together_are_bounded(serve, connect, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 5000)
    server = serve()
    server.on("/tags/list", Manner(tuple(f"t{number:04}" for number in range(2000)), limit=100).reply)
    with pytest.raises(ProtocolBroken, match="more than 5000 bytes in total"):
        connect(server).tags("app")
    assert len(server.requests) < 10


def test_a_huge_name_is_not_sent_back(serve, connect, warnings) -> None:
    server = serve()
    server.on("", Reply(status=200, body=json.dumps({"tags": ["a", "x" * 500_000]}).encode()))
    assert connect(server).tags("app", n=2).names == ("a",)
    assert len(warnings[0]) < 300
    assert [request.query.get("last") for request in server.requests] == [None, ["a"], None]


@pytest.mark.parametrize("order", [LEXICAL, PUSHED])
def test_a_tag_that_is_gone(serve, connect, warnings, order) -> None:
    """No word is needed where the list is in the order of the names anyway."""
    server = serve()
    server.on("", Manner(order, knows_last=False, link=TOKEN, limit=3).reply)
    assert connect(server).tags("app", last="a00").names == ("a1", "b2", "latest", "m3", "z1")
    expected = 'app has no tag "a00"; the list continues after that name in alphabetical order.'
    assert warnings == ([] if order is LEXICAL else [expected])
