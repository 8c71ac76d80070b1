# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""List tags (distribution-spec, "Listing Tags") or repositories (_catalog) of registries that differ in behaviour.

They differ in order (lexical or by push), in pages (by n and last, by a token of their own, or none), in sending Link,
and in limits, which refuse a large n or silently shorten the page. A list is reported as complete only if the registry
has shown that it is. Called by client.py.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from itertools import chain, islice

from .._base.text import quote
from .caller import Call
from .errors import REPORT, ProtocolBroken, RegistryError, TooLong
from .link import LinkInvalid, linked_page
from .name_scanner import Effort, NameListInvalid, scan_names
from .transport.answer import is_markup

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .caller import Caller
    from .errors import Operation
    from .transport.answer import Answer
    from .url import Url

# read as a stream; gcr.io describes each manifest in the list
MAX_PAGE_BYTES: t.Final = 128 * 1024 * 1024
# of all pages
MAX_BYTES: t.Final = 512 * 1024 * 1024
MAX_PAGES: t.Final = 10_000
# consecutive pages without a new name
MAX_IDLE: t.Final = 5
MAX_NAMES: t.Final = 1_000_000
# the maximum of common registries
PAGE: t.Final = 1000

# page sizes to request if a larger one is refused: ECR permits 1000, quay.io 100
_LESS: t.Final = (1000, 100, None)
_REFUSALS: t.Final = (400, 413, 414, 422)
# registries that shorten pages and send no Link have limits such as 50, 100, 1000
_ROUND: t.Final = 50
_MAX_WARNINGS: t.Final = 20
# invalid names that are kept to count them
_MAX_UNUSABLE: t.Final = 1000
# characters that are kept of a name; a repository has at most 255
_MAX_NAME: t.Final = 256


@dataclass(frozen=True)
class NameList:
    """Names, and the name to continue after: the last one in the registry's order, None if there are no more.

    A complete list, without n and last, is sorted if the registry has no order; otherwise names are in the registry's
    order. Servers that never send a Link do not tell whether a full page is the last one; last is set for it.
    """

    names: tuple[str, ...]
    last: str | None = None


@dataclass(frozen=True)
class ListKind:
    """What is listed: key is the member of the documents that has the names, url the address of a page by n and last.

    title and noun name the list and one of its names in messages; place and lacks say where names are and that one is
    not there. page is the number of names to request at a time if all are wanted; None leaves it to the registry.
    """

    key: str
    title: str
    noun: str
    plural: str
    place: str
    lacks: str
    is_valid: Callable[[str], bool]
    url: Callable[[int | None, str | None], Url]
    page: int | None = None


@dataclass(frozen=True)
class _Page:
    """The names of one answer, each once as a key of names, and their number with repetitions.

    size is the requested n; is_guess says that no Link named the following page.
    """

    url: Url
    size: int | None
    names: dict[str, None]
    count: int
    following: Url | None
    is_guess: bool

    @property
    def is_everything(self) -> bool:
        """Whether the server ignores n and lists all names at once, as distribution 2.8 does, in no order."""
        return self.size is not None and self.count > self.size and (self.following is None or self.is_guess)

    @property
    def is_full(self) -> bool:
        """Whether the page has as many names as requested."""
        return self.count == self.size


class NameLister:
    """Lists the names of one kind, page by page."""

    def __init__(self, caller: Caller, operation: Operation, kind: ListKind) -> None:
        self._caller = caller
        self._operation = operation
        self._kind = kind
        self._warn = caller.options.warn
        self._unusable: set[str] = set()
        self._budget = MAX_BYTES
        self._effort = Effort()
        self._deadline = caller.deadline()

    def read(self, *, n: int | None, last: str | None) -> NameList:
        """Return the first n names after last, or all of them if n is None. Raises RegistryError.

        Pages continue by Link, however short they are. If a server sends no Link, a page that may have been cut
        continues after its last name.
        """
        try:
            return self._read(n, last)
        finally:
            self._count_more_unusable()

    def _read(self, n: int | None, last: str | None) -> NameList:
        if last is not None:
            return self._read_after(last, n)
        if n is None:
            return NameList(tuple(_in_valid_order(self._read_all())))
        page = self._first_page(n, None)
        if self._is_whole(page):
            return _make_list(sorted(self._usable_names(page)), n)
        found = self._collect(page, n)
        return found if found.last is not None else NameList(tuple(_in_valid_order(list(found.names))))

    def _is_whole(self, page: _Page) -> bool:
        """Tell whether the first page is the whole list of a server that ignores n; the list is then cut here, by name.

        If the names are in ASCII order, it does not matter which side cuts.
        """
        if page.size is not None and page.size > page.count:
            return False
        if page.following is not None and not page.is_guess:
            return False
        if not page.is_everything and (list(page.names) == sorted(page.names) or self._applies_n()):
            return False
        return not self._has_more(page)

    def _has_more(self, page: _Page) -> bool:
        """Tell whether the page after this one has other names."""
        if page.following is None:
            return False
        return not self._fetch_page(page.following, page.size).names.keys() <= page.names.keys()

    def _read_after(self, last: str, n: int | None) -> NameList:
        page = self._first_page(n, last)
        # a server that ignores n may still apply last, and then this is not its whole list
        first = page if page.is_everything and last in page.names else self._first_page(page.size, None)
        if self._is_whole(first):
            return _by_name(self._usable_names(first), last, n)
        if page.names and first.names == page.names:
            return self._skip_to(page, last, n)
        return self._collect(page, n, without=last)

    def _skip_to(self, page: _Page, last: str, n: int | None) -> NameList:
        """Skip the names up to last in the full list of a server that ignores last."""
        names = self._read_all()
        if not self._has_order(page, len(names)):
            return _by_name(names, last, n)
        if last not in names:
            if names != sorted(names):
                self._warn(
                    f"{self._kind.lacks} {quote(last)}; the list continues after that name in alphabetical order."
                )
            return _by_name(names, last, n)
        return _make_list(names[names.index(last) + 1 :], n)

    def _has_order(self, page: _Page, count: int) -> bool:
        """Tell whether a server cuts its list at n, so that parts follow its order; else they are cut here by name."""
        if page.following is not None and not page.is_guess:
            return True
        if page.size is not None and page.count < count:
            return True
        return count > 1 and self._applies_n()

    def _applies_n(self) -> bool:
        """Tell whether the server applies n; there is more than one name."""
        return self._first_page(1, None).count == 1

    def _read_all(self) -> list[str]:
        """Return all names in the order of the server, in pages if one answer would be too long."""
        try:
            return self._read_names_from(self._first_page(self._kind.page, None), None)[0]
        except TooLong:
            return self._read_names_from(self._first_page(PAGE, None), None)[0]

    def _collect(self, page: _Page, n: int | None, *, without: str | None = None) -> NameList:
        names, more = self._read_names_from(page, n, without=without)
        return _make_list(names, n, more=more)

    def _read_names_from(
        self, page: _Page, wanted: int | None, *, without: str | None = None
    ) -> tuple[list[str], bool]:
        """Return the names from a page on, and whether there are more than wanted."""
        found: dict[str, None] = {}
        seen, idle, linked = {page.url}, 0, False
        while True:
            linked = linked or (page.following is not None and not page.is_guess)
            if linked and page.is_guess:
                page = replace(page, following=None, is_guess=False)
            known, names = len(found), self._usable_names(page, without)
            if found:
                found.update(names)
            else:
                found = names
            idle = 0 if len(found) > known else idle + 1
            if len(found) > MAX_NAMES:
                raise self._list_error(f"it has more than {MAX_NAMES} {self._kind.plural}")
            if page.following is None or (wanted is not None and len(found) >= wanted):
                return list(found), page.following is not None
            if idle >= MAX_IDLE or page.following in seen or len(seen) >= MAX_PAGES:
                raise self._list_error("its pages form a loop or have no end")
            seen.add(page.following)
            before, page = page, self._fetch_page(page.following, page.size)
            if before.is_guess and page.names.keys() <= before.names.keys():
                # a server that gave all wanted names, invalid ones included, may have no more and have cut nothing
                if (
                    before.is_full
                    and page.names == before.names
                    and (page.size not in (wanted, self._kind.page) or self._applies_n())
                ):
                    raise self._list_error("the registry sends the same page again")
                return list(found), False

    def _first_page(self, size: int | None, last: str | None) -> _Page:
        """Get the first page; ask for fewer names if the server refuses that many."""
        sizes = (size, *(less for less in _LESS if size is not None and (less is None or less < size)))
        refusal: RegistryError | None = None
        for asked in sizes:
            try:
                return self._fetch_page(self._kind.url(asked, last), asked)
            except RegistryError as exc:
                if exc.fields.get("status") not in _REFUSALS or exc.transient:
                    raise
                refusal = refusal or exc
        raise t.cast("RegistryError", refusal)

    def _fetch_page(self, url: Url, size: int | None) -> _Page:
        call = Call(self._operation, url, headers={"Accept": "application/json"}, deadline=self._deadline)
        answer, (names, count) = self._caller.consume(call, self._read_names)
        target = self._linked_page(answer, url)
        if target is not None:
            return _Page(url, size, names, count, target, is_guess=False)
        # an invalid name is not sent back: it may be huge, or contain characters that a URL cannot
        usable = next(filter(self._kind.is_valid, reversed(names)), None)
        may_be_cut = usable is not None and (count == size or count % _ROUND == 0)
        following = self._kind.url(size, usable) if may_be_cut else None
        return _Page(url, size, names, count, following, is_guess=following is not None)

    def _read_names(self, answer: Answer) -> tuple[dict[str, None], int]:
        names: dict[str, None] = {}
        count = 0
        content = answer.content(MAX_PAGE_BYTES)
        head = next(content, b"")
        if is_markup(head):
            raise answer.page_error()
        try:
            for name in scan_names(self._kind.key, self._within_budget(chain((head,), content)), self._effort):
                names[name[:_MAX_NAME]] = None
                count += 1
                if count > MAX_NAMES:
                    raise self._list_error(f"it has more than {MAX_NAMES} {self._kind.plural}")
        except NameListInvalid as exc:
            raise self._list_error(str(exc)) from None
        return names, count

    def _within_budget(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._budget -= len(piece)
            if self._budget < 0:
                raise self._list_error(f"its pages have more than {MAX_BYTES} bytes in total")
            yield piece

    def _usable_names(self, page: _Page, without: str | None = None) -> dict[str, None]:
        """Return the valid names of a page. If all are, they are not copied: a dict of a million takes 30 MB."""
        others = {name for name in page.names if name == without or not self._is_usable(name)}
        return {name: None for name in page.names if name not in others} if others else page.names

    def _is_usable(self, name: str) -> bool:
        if self._kind.is_valid(name):
            return True
        if name in self._unusable or len(self._unusable) == _MAX_UNUSABLE:
            return False
        self._unusable.add(name)
        if len(self._unusable) <= _MAX_WARNINGS:
            self._warn(
                f"The registry lists {quote(name)} in {self._kind.place}, which is not a valid {self._kind.noun} name; "
                "it is skipped."
            )
        return False

    def _count_more_unusable(self) -> None:
        """Warn how many names were skipped without a warning of their own."""
        more = len(self._unusable) - _MAX_WARNINGS
        if more > 0:
            count = f"at least {more}" if len(self._unusable) == _MAX_UNUSABLE else str(more)
            self._warn(
                f"The registry lists {count} more in {self._kind.place} that are not valid {self._kind.noun} names; "
                "they are skipped."
            )

    def _linked_page(self, answer: Answer, url: Url) -> Url | None:
        try:
            return linked_page(answer, url)
        except LinkInvalid as exc:
            raise self._list_error(f"the link to the next page cannot be used: {exc}") from None

    def _list_error(self, why: str) -> ProtocolBroken:
        return self._operation.error(
            ProtocolBroken, f"the {self._kind.title} of the registry cannot be used: {why}", REPORT
        )


def _by_name(names: Iterable[str], last: str, n: int | None) -> NameList:
    """Return the n names after last in ASCII order."""
    return _make_list([name for name in sorted(set(names)) if name > last], n)


def _in_valid_order(names: list[str]) -> list[str]:
    """Return the names in the server's order if the specification allows that order, else in ASCII order."""
    # not by sorted(): a million names in lower case would take as much memory as the names
    in_order = all(one.lower() <= other.lower() for one, other in zip(names, islice(names, 1, None)))
    return names if in_order else sorted(names)


def _make_list(names: list[str], wanted: int | None, *, more: bool = False) -> NameList:
    listed = tuple(names if wanted is None else names[:wanted])
    more = more or len(listed) < len(names)
    return NameList(listed, listed[-1] if more and listed else None)


__all__ = (
    "MAX_BYTES",
    "MAX_IDLE",
    "MAX_NAMES",
    "MAX_PAGES",
    "MAX_PAGE_BYTES",
    "PAGE",
    "ListKind",
    "NameList",
    "NameLister",
)
