# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._oci.errors import JsonInvalid
from .._oci.names import is_tag
from .._oci.strict_json import load_object
from .._oci.text import quote
from .caller import Call
from .errors import ProtocolBroken, TooLong
from .link import LinkInvalid, next_link
from .url import UrlInvalid

if t.TYPE_CHECKING:  # pragma: no cover
    from collections.abc import Callable

    from .answer import Answer
    from .caller import Caller
    from .errors import Operation
    from .url import Url

MAX_PAGE_BYTES: t.Final = 4 * 1024 * 1024
MAX_PAGES: t.Final = 10_000
MAX_TAGS: t.Final = 1_000_000
PAGE: t.Final = 1000  # what common registries give at most

_MAX_WARNINGS: t.Final = 20

_REPORT: t.Final = "report this to who runs the registry"


@dataclass(frozen=True)
class TagList:
    """Tags in lexical order. last is what to continue after, None when there are no more.

    Servers that never send a Link do not tell whether a page that is just full is the last one: last is set then.
    """

    tags: tuple[str, ...]
    last: str | None = None


class TagLister:
    """Lists the tags of one repository, page by page (distribution-spec, "Listing Tags")."""

    def __init__(self, caller: Caller, operation: Operation, *, repository: str, warn: Callable[[str], None]) -> None:
        self._caller = caller
        self._operation = operation
        self._repository = repository
        self._warn = warn
        self._found: dict[str, None] = {}
        self._unusable: set[str] = set()
        self._deadline = caller.deadline()

    def read(self, *, n: int | None, last: str | None) -> TagList:
        """The first n tags after last, all of them without n. Raises RegistryError.

        Pages go on by Link, however short they are. Where a server sends none, a page as long as was asked for goes on
        after its last tag. A list of all that is too long for one answer is asked for in pages.
        """
        if n is not None:
            return self._read(n, last, wanted=n)
        try:
            return self._read(None, last, wanted=None)
        except TooLong:
            self._found.clear()
        return self._read(PAGE, last, wanted=None)

    def _read(self, size: int | None, last: str | None, *, wanted: int | None) -> TagList:
        url: Url | None = self._caller.endpoint.tags(self._repository, n=size, last=last)
        seen: set[Url] = set()
        while url is not None and (wanted is None or len(self._found) < wanted or not seen):
            if url in seen or len(seen) >= MAX_PAGES:
                raise self._broken("its pages go on in circles or without end")
            seen.add(url)
            names, url = self._page(url, size)
            if len(seen) == 1 and _is_everything(names, size, last):
                return _cut(_after(sorted(self._found), last), wanted, more=False)
        return _cut(_ordered(list(self._found)), wanted, more=url is not None)

    def _page(self, url: Url, size: int | None) -> tuple[list[str], Url | None]:
        """Take in a page for which size tags were asked; its names and where the next one is."""
        call = Call(self._operation, url, headers={"Accept": "application/json"}, deadline=self._deadline)
        answer, body = self._caller.document(call, limit=MAX_PAGE_BYTES)
        names = self._names(body)
        fresh = [name for name in names if name not in self._found]
        self._found.update(dict.fromkeys(filter(self._is_usable, fresh)))
        if len(self._found) > MAX_TAGS:
            raise self._broken(f"there are more than {MAX_TAGS} of them")
        target = self._linked(answer, url)
        if target is not None or not names or len(names) != size:
            return names, target
        if not fresh:
            raise self._broken("the same page comes again and again")
        return names, self._caller.endpoint.tags(self._repository, n=size, last=names[-1])

    def _names(self, body: bytes) -> list[str]:
        try:
            value = load_object(body, what="the list of tags", max_bytes=MAX_PAGE_BYTES)
        except JsonInvalid as exc:
            raise self._broken(exc.message.rstrip(".")) from None
        tags = value.get("tags")
        if tags is None:
            return []
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise self._broken("tags is not a list of strings")
        return [str(tag) for tag in tags]

    def _is_usable(self, name: str) -> bool:
        if is_tag(name):
            return True
        if name not in self._unusable and len(self._unusable) < _MAX_WARNINGS:
            self._unusable.add(name)
            self._warn(
                f"The registry lists {quote(name)} as a tag of {self._repository}, which is none; it is left out."
            )
        return False

    def _linked(self, answer: Answer, url: Url) -> Url | None:
        try:
            link = next_link(answer.header_lines("Link"))
            target = None if link is None else url.join(link)
        except (LinkInvalid, UrlInvalid) as exc:
            raise self._broken(f"the link to the next page cannot be used, {exc}") from None
        if target is not None and target.origin != url.origin:
            raise self._broken(f"the link to the next page leads to another server, {target.origin}")
        return target

    def _broken(self, why: str) -> ProtocolBroken:
        return self._operation.error(ProtocolBroken, f"what the registry lists cannot be used: {why}", _REPORT)


def _is_everything(names: list[str], size: int | None, last: str | None) -> bool:
    """Whether a page shows that the server knows neither n nor last and gives all tags, as distribution 2.8 does."""
    if size is not None and len(names) > size:
        return True
    return last is not None and any(name <= last and name.lower() <= last.lower() for name in names)


def _after(names: list[str], last: str | None) -> list[str]:
    return names if last is None else [name for name in names if name > last]


def _ordered(names: list[str]) -> list[str]:
    """The names in the server's order if it is one of the two that the specification allows, or else in ASCII's."""
    return names if names == sorted(names, key=str.lower) else sorted(names)


def _cut(names: list[str], wanted: int | None, *, more: bool) -> TagList:
    tags = tuple(names if wanted is None else names[:wanted])
    more = more or len(tags) < len(names)
    return TagList(tags, tags[-1] if more and tags else None)


__all__ = ("MAX_PAGES", "MAX_PAGE_BYTES", "MAX_TAGS", "PAGE", "TagList", "TagLister")
