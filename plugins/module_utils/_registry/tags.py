# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Lists the tags of a repository (distribution-spec, "Listing Tags") from registries that differ in how they do it.

Lexical order or that of the pushes; pages by n and last, by a token of their own, or none; with and without Link;
limits that refuse a large n, or silently shorten the page. A list is only said to be complete when the registry has
shown that. client.py is the caller.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from itertools import chain

from .._base.text import quote
from .._oci.names import is_tag
from .caller import Call
from .errors import REPORT, ProtocolBroken, RegistryError, TooLong
from .link import LinkInvalid, next_link
from .tag_names import Effort, TagListInvalid, tag_names
from .transport.answer import is_markup
from .url import Url, UrlInvalid

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .caller import Caller
    from .errors import Operation
    from .transport.answer import Answer

MAX_PAGE_BYTES: t.Final = 128 * 1024 * 1024  # read as a stream; gcr.io describes each manifest in the list
MAX_BYTES: t.Final = 512 * 1024 * 1024  # of all pages
MAX_PAGES: t.Final = 10_000
MAX_IDLE: t.Final = 5  # pages one after the other that bring nothing new
MAX_TAGS: t.Final = 1_000_000
PAGE: t.Final = 1000  # what common registries give at most

# what to ask for where more is refused: ECR allows 1000, quay.io 100
_LESS: t.Final = (1000, 100, None)
_REFUSALS: t.Final = (400, 413, 414, 422)
# registries that shorten pages and send no Link have limits such as 50, 100, 1000
_ROUND: t.Final = 50
_MAX_WARNINGS: t.Final = 20
_MAX_UNUSABLE: t.Final = 1000  # names that are no tags, which are kept to count them
_MAX_NAME: t.Final = 256  # characters that are kept of a name; a tag has 128


@dataclass(frozen=True)
class TagList:
    """Tags, and what to continue after: the last of them in the registry's order, None when there are no more.

    A complete list without n and last is in lexical order if the registry has none, else tags are in the registry's.
    Servers that never send a Link do not tell whether a page that is just full is the last one: last is set then.
    """

    tags: tuple[str, ...]
    last: str | None = None


@dataclass(frozen=True)
class _Page:
    """What one answer lists. size is the n that was asked for; is_guess says that no Link named the following page."""

    url: Url
    size: int | None
    names: list[str]
    following: Url | None
    is_guess: bool

    @property
    def is_everything(self) -> bool:
        """Whether the server knows no n and gives all tags at once, as distribution 2.8 does, in no order."""
        return self.size is not None and len(self.names) > self.size and (self.following is None or self.is_guess)

    @property
    def is_full(self) -> bool:
        """Whether it has as many names as were asked for."""
        return len(self.names) == self.size


class TagLister:
    """Lists the tags of one repository, page by page (distribution-spec, "Listing Tags")."""

    def __init__(self, caller: Caller, operation: Operation, *, repository: str, warn: Callable[[str], None]) -> None:
        self._caller = caller
        self._operation = operation
        self._repository = repository
        self._warn = warn
        self._unusable: set[str] = set()
        self._budget = MAX_BYTES
        self._effort = Effort()
        self._deadline = caller.deadline()

    def read(self, *, n: int | None, last: str | None) -> TagList:
        """The first n tags after last, all of them without n. Raises RegistryError.

        Pages go on by Link, however short they are. Where a server sends none, a page that may have been cut goes on
        after its last name.
        """
        try:
            return self._read(n, last)
        finally:
            self._count_more_unusable()

    def _read(self, n: int | None, last: str | None) -> TagList:
        if last is not None:
            return self._after(last, n)
        if n is None:
            return TagList(tuple(_ordered(self._all())))
        page = self._page(n, None)
        if self._is_whole(page):
            return _cut(sorted(self._usable(page.names)), n)
        found = self._collected(page, n)
        return found if found.last is not None else TagList(tuple(_ordered(list(found.tags))))

    def _is_whole(self, page: _Page) -> bool:
        """Whether the first page is all that there is, from a server that cuts nothing: it is cut here, by name.

        As long as the names are in the order of ASCII, it makes no difference who cuts.
        """
        if page.size is not None and page.size > len(page.names):
            return False
        if page.following is not None and not page.is_guess:
            return False
        if not page.is_everything and (page.names == sorted(page.names) or self._cuts()):
            return False
        return not self._goes_on(page)

    def _goes_on(self, page: _Page) -> bool:
        """Whether the page after this one has other names."""
        if page.following is None:
            return False
        return not set(self._fetched(page.following, page.size).names) <= set(page.names)

    def _after(self, last: str, n: int | None) -> TagList:
        page = self._page(n, last)
        # a server that pays no attention to n may still pay some to last, and then this is not its whole list
        first = page if page.is_everything and last in page.names else self._page(page.size, None)
        if self._is_whole(first):
            return _by_name(self._usable(first.names), last, n)
        if page.names and first.names == page.names:
            return self._after_without_help(page, last, n)
        return self._collected(page, n, without=last)

    def _after_without_help(self, page: _Page, last: str, n: int | None) -> TagList:
        """Skip what comes up to last in a list of all, for a server that pays no attention to last."""
        names = self._all()
        if not self._has_order(page, len(names)):
            return _by_name(names, last, n)
        if last not in names:
            if names != sorted(names):
                self._warn(
                    f"{self._repository} has no tag {quote(last)}; the list continues after that name in alphabetical "
                    "order."
                )
            return _by_name(names, last, n)
        return _cut(names[names.index(last) + 1 :], n)

    def _has_order(self, page: _Page, count: int) -> bool:
        """Whether a server cuts its list at n: then parts of it follow its order, else they are cut here by name."""
        if page.following is not None and not page.is_guess:
            return True
        if page.size is not None and len(page.names) < count:
            return True
        return count > 1 and self._cuts()

    def _cuts(self) -> bool:
        """Whether the server pays attention to n; there is more than one name."""
        return len(self._page(1, None).names) == 1

    def _all(self) -> list[str]:
        """All tags in the order of the server, in pages if they are too long for one answer."""
        try:
            return self._names_from(self._page(None, None), None)[0]
        except TooLong:
            return self._names_from(self._page(PAGE, None), None)[0]

    def _collected(self, page: _Page, n: int | None, *, without: str | None = None) -> TagList:
        names, more = self._names_from(page, n, without=without)
        return _cut(names, n, more=more)

    def _names_from(self, page: _Page, wanted: int | None, *, without: str | None = None) -> tuple[list[str], bool]:
        """The names from a page on, and whether there are more than were wanted."""
        found: dict[str, None] = {}
        seen, idle, linked = {page.url}, 0, False
        while True:
            linked = linked or (page.following is not None and not page.is_guess)
            if linked and page.is_guess:
                page = replace(page, following=None, is_guess=False)
            fresh = [name for name in self._usable(page.names) if name not in found and name != without]
            found.update(dict.fromkeys(fresh))
            idle = 0 if fresh else idle + 1
            if len(found) > MAX_TAGS:
                raise self._broken(f"there are more than {MAX_TAGS} of them")
            if page.following is None or (wanted is not None and len(found) >= wanted):
                return list(found), page.following is not None
            if idle >= MAX_IDLE or page.following in seen or len(seen) >= MAX_PAGES:
                raise self._broken("its pages go on in circles or without end")
            seen.add(page.following)
            before, page = page, self._fetched(page.following, page.size)
            if before.is_guess and set(page.names) <= set(before.names):
                # who gave all that was wanted, names that are no tags included, may have no more, and cut nothing
                if before.is_full and page.names == before.names and (page.size != wanted or self._cuts()):
                    raise self._broken("the same page comes again and again")
                return list(found), False

    def _page(self, size: int | None, last: str | None) -> _Page:
        """The first page; a server that refuses to give so many at once is asked for less."""
        sizes = (size, *(less for less in _LESS if size is not None and (less is None or less < size)))
        refusal: RegistryError | None = None
        for asked in sizes:
            try:
                return self._fetched(self._caller.endpoint.tags(self._repository, n=asked, last=last), asked)
            except RegistryError as exc:
                if exc.fields.get("status") not in _REFUSALS or exc.transient:
                    raise
                refusal = refusal or exc
        raise t.cast("RegistryError", refusal)

    def _fetched(self, url: Url, size: int | None) -> _Page:
        call = Call(self._operation, url, headers={"Accept": "application/json"}, deadline=self._deadline)
        answer, names = self._caller.consume(call, self._names)
        target = self._linked(answer, url)
        if target is not None:
            return _Page(url, size, names, target, is_guess=False)
        # what is not a tag is not sent back: it may be huge, or hold what no URL can
        usable = next(filter(is_tag, reversed(names)), None)
        may_be_cut = usable is not None and (len(names) == size or len(names) % _ROUND == 0)
        following = self._caller.endpoint.tags(self._repository, n=size, last=usable) if may_be_cut else None
        return _Page(url, size, names, following, is_guess=following is not None)

    def _names(self, answer: Answer) -> list[str]:
        names = []
        content = answer.content(MAX_PAGE_BYTES)
        head = next(content, b"")
        if is_markup(head):
            raise answer.page_error()
        try:
            for name in tag_names(self._within_budget(chain((head,), content)), self._effort):
                names.append(name[:_MAX_NAME])
                if len(names) > MAX_TAGS:
                    raise self._broken(f"there are more than {MAX_TAGS} of them")
        except TagListInvalid as exc:
            raise self._broken(str(exc)) from None
        return names

    def _within_budget(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._budget -= len(piece)
            if self._budget < 0:
                raise self._broken(f"its pages have more than {MAX_BYTES} bytes together")
            yield piece

    def _usable(self, names: Iterable[str]) -> list[str]:
        return list(filter(self._is_usable, names))

    def _is_usable(self, name: str) -> bool:
        if is_tag(name):
            return True
        if name in self._unusable or len(self._unusable) == _MAX_UNUSABLE:
            return False
        self._unusable.add(name)
        if len(self._unusable) <= _MAX_WARNINGS:
            self._warn(
                f"The registry lists {quote(name)} in {self._repository}, which is not a valid tag name; it is skipped."
            )
        return False

    def _count_more_unusable(self) -> None:
        """Warn of how many names were skipped without a warning of their own."""
        more = len(self._unusable) - _MAX_WARNINGS
        if more > 0:
            count = f"at least {more}" if len(self._unusable) == _MAX_UNUSABLE else str(more)
            self._warn(
                f"The registry lists {count} more in {self._repository} that are not valid tag names; they are skipped."
            )

    def _linked(self, answer: Answer, url: Url) -> Url | None:
        """The page that a Link names. On another port of the host it is asked of the registry itself.

        A registry behind a proxy may not know the scheme and port that it is reached at. A registry that redirects to
        another one is asked for the following page as it was for this one.
        """
        try:
            link = next_link(answer.header_lines("Link"))
            target = None if link is None else answer.url.join(link)
        except (LinkInvalid, UrlInvalid) as exc:
            raise self._broken(f"the link to the next page cannot be used, {exc}") from None
        if target is None:
            return None
        if target.origin.host not in (answer.url.origin.host, url.origin.host):
            raise self._broken(f"the link to the next page leads to another server, {target.origin}")
        return Url(url.origin, url.path if target.path == answer.url.path else target.path, target.query)

    def _broken(self, why: str) -> ProtocolBroken:
        return self._operation.error(ProtocolBroken, f"what the registry lists cannot be used: {why}", REPORT)


def _by_name(names: list[str], last: str, n: int | None) -> TagList:
    """The n names after last in the order of ASCII."""
    return _cut([name for name in sorted(set(names)) if name > last], n)


def _ordered(names: list[str]) -> list[str]:
    """The names in the server's order if it is one of the two that the specification allows, or else in ASCII's."""
    return names if names == sorted(names, key=str.lower) else sorted(names)


def _cut(names: list[str], wanted: int | None, *, more: bool = False) -> TagList:
    tags = tuple(names if wanted is None else names[:wanted])
    more = more or len(tags) < len(names)
    return TagList(tags, tags[-1] if more and tags else None)


__all__ = ("MAX_BYTES", "MAX_IDLE", "MAX_PAGES", "MAX_PAGE_BYTES", "MAX_TAGS", "PAGE", "TagList", "TagLister")
