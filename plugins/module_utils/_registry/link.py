# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Find the next page in Link headers (RFC 8288), as leniently as other clients read them.

Called by name_list.py and referrers.py.
"""

from __future__ import annotations

import re
import typing as t

from .url import Url, UrlInvalid

if t.TYPE_CHECKING:
    from .transport.answer import Answer

MAX_LENGTH: t.Final = 32 * 1024

_TARGET: t.Final = re.compile(r"[ \t,]*<([^<>]*)>")
_PARAMETER: t.Final = re.compile(
    r"""[ \t]*;[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;,"]+))?)?"""
)
_END: t.Final = re.compile(r"[ \t]*(?:,|$)")
# malformed links that registries send: the target up to the first parameter, with one angle bracket or none
_LOOSE: t.Final = re.compile(r"[ \t,]*<?((?:https?:/)?[/?][^<>\s;]*)>?[ \t]*(.*)", re.DOTALL)
_LOOSE_RELATION: t.Final = re.compile(r"\brel[ \t]*=[ \t]*[\"']?([^\"';,]*)", re.IGNORECASE)


class LinkInvalid(Exception):
    """A Link header has no target, or one that cannot be requested."""


def linked_page(answer: Answer, url: Url) -> Url | None:
    """Return the page that the Link of an answer to a request for url names; None without one. Raises LinkInvalid.

    If it is on another port of the host, the registry itself is asked for it: a registry behind a proxy may not know
    its public scheme and port. A registry that redirects to another one is asked for the next page as for this one.
    """
    link = next_link(answer.header_lines("Link"))
    if link is None:
        return None
    try:
        target = answer.url.join(link)
    except UrlInvalid as exc:
        raise LinkInvalid(str(exc)) from None
    if target.origin.host not in (answer.url.origin.host, url.origin.host):
        raise LinkInvalid(f"it leads to another server, {target.origin}")
    return Url(url.origin, url.path if target.path == answer.url.path else target.path, target.query)


def next_link(headers: t.Iterable[str]) -> str | None:
    """Return the target of the first link with the relation "next" in Link headers (RFC 8288); None without one.

    A link without a relation counts if there is no other. Malformed links are read as other clients read them. The
    target is returned as sent: relative or absolute, and unchecked. Raises LinkInvalid and nothing else.
    """
    bare: str | None = None
    for text in headers:
        if len(text) > MAX_LENGTH:
            raise LinkInvalid(f"it is longer than {MAX_LENGTH} characters")
        for target, relation in _links(text):
            if "next" in relation.lower().split():
                return target
            if not relation and bare is None:
                bare = target
    return bare


def _links(text: str) -> t.Iterator[tuple[str, str]]:
    try:
        found = list(_strict_links(text))
    except LinkInvalid:
        match = _LOOSE.match(text)
        if match is None:
            raise
        relation = _LOOSE_RELATION.search(match.group(2))
        found = [(match.group(1), relation.group(1) if relation else "")]
    yield from found


def _strict_links(text: str) -> t.Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip(" \t,"):
        match = _TARGET.match(text, at)
        if match is None:
            raise LinkInvalid(f"there is no <URL> at character {at}")
        relation, at = _relation(text, match.end())
        yield match.group(1), relation
        end = _END.match(text, at)
        if end is None:
            raise LinkInvalid(f"it cannot be read from character {at} on")
        at = end.end()


def _relation(text: str, at: int) -> tuple[str, int]:
    """Return the first rel parameter of a link (RFC 8288, 3.3: later ones are ignored) and where the parameters end."""
    relation: str | None = None
    match = _PARAMETER.match(text, at)
    while match is not None:
        at = match.end()
        name, value = match.group(1) or "", match.group(2) or ""
        if name.lower() == "rel" and relation is None:
            relation = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        match = _PARAMETER.match(text, at)
    return relation or "", at


__all__ = ("MAX_LENGTH", "LinkInvalid", "linked_page", "next_link")
