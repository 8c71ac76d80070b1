# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import functools
import ipaddress
import re
import typing as t
import urllib.parse

from ..._base.text import quote
from ..config.addresses import MAX_PORT
from ..errors import Refusal

API: t.Final = "/v2"
MAX_ENTRIES: t.Final = 1000

_DIGITS: t.Final = re.compile(r"[0-9]+")
_REFUSED_ESCAPE: t.Final = re.compile(r"%(?:00|25|2[fF]|5[cC])")
_AUTHORITY: t.Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::(?P<port>[0-9]{0,5}))?"
)
_MAX_PARAMETERS: t.Final = 32
_SHORT: t.Final = 256

Kind = t.Literal["base", "catalog", "tags", "manifest", "blob", "referrers"]

_KINDS: t.Final[dict[str, Kind]] = {"manifests": "manifest", "blobs": "blob", "referrers": "referrers"}


class Target(t.NamedTuple):
    """What a request is about: an end point of the distribution API, and the texts that fill it in, as they came."""

    kind: Kind
    name: str = ""
    reference: str = ""
    query: str = ""


class Page(t.NamedTuple):
    """Which part of a list is asked for: at most n entries (None: all), those after last."""

    n: int | None
    last: str | None


def is_api(raw: str) -> bool:
    """Whether a request target is below the distribution API, known end point or not; so is what cannot be decoded."""
    try:
        path, dummy = _split(raw)
    except Refusal:
        return True
    return path == API or path.startswith(API + "/")


def parse_target(raw: str) -> Target:
    """Read the target of a request line (distribution-spec, "Endpoints"). Never raises anything but Refusal.

    Percent escapes are decoded once; what could smuggle a separator through is refused. Name and reference are not
    checked: they are looked up in the snapshot, and nothing else is ever done with them.
    """
    return _parse_again(raw) if len(raw) <= _SHORT else _parse(raw)


def _parse(raw: str) -> Target:
    path, query = _split(raw)
    if path in (API, API + "/"):
        return Target("base", query=query)
    if path.startswith(API + "/"):
        rest = path[len(API) + 1 :]
        if rest == "_catalog":
            return Target("catalog", query=query)
        if rest.endswith("/tags/list"):
            return Target("tags", rest[: -len("/tags/list")], query=query)
        head, dummy, reference = rest.rpartition("/")
        name, dummy, kind = head.rpartition("/")
        if kind in _KINDS:
            return Target(_KINDS[kind], name, reference, query)
    raise Refusal(404, "UNSUPPORTED", f"This registry has no end point {quote(path)}.")


# clients ask for the same tags again and again
_parse_again: t.Final = functools.lru_cache(maxsize=512)(_parse)


def parse_page(query: str) -> Page:
    """The parameters n and last of a list (distribution-spec, "Listing Tags"); n is cut to 1000. Raises Refusal."""
    numbers, lasts = _parameters(query, "n"), _parameters(query, "last")
    if len(numbers) > 1 or (numbers and not _DIGITS.fullmatch(numbers[0])):
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", "The parameter n must be given once and be a number from 0 on.")
    if len(lasts) > 1:
        raise Refusal(400, "UNSUPPORTED", "The parameter last must be given once.")
    return Page(_count(numbers[0]) if numbers else None, lasts[0] if lasts else None)


def parse_artifact_types(query: str) -> frozenset[str]:
    """The artifact types that referrers are wanted of (distribution-spec, "Listing Referrers"); empty: of all.

    Raises Refusal.
    """
    return frozenset(filter(None, _parameters(query, "artifactType")))


def _parameters(query: str, name: str) -> list[str]:
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise Refusal(400, "UNSUPPORTED", "The query has too many parameters.") from None
    return [value for key, value in pairs if key == name]


def _count(digits: str) -> int:
    # long numbers are not converted: that takes quadratic time, or is refused
    digits = digits.lstrip("0") or "0"
    return min(int(digits), MAX_ENTRIES) if len(digits) < 10 else MAX_ENTRIES


def _split(raw: str) -> tuple[str, str]:
    path, dummy, query = _origin_form(raw).partition("?")
    return _decode(path) if "%" in path else path, query


def _origin_form(raw: str) -> str:
    # a server has to accept the absolute form, which clients send to proxies (RFC 9112, 3.2.2)
    if raw.startswith("/"):
        return raw
    scheme, separator, rest = raw.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        authority, dummy, path = rest.partition("/")
        authority, query, dummy = authority.partition("?")
        _check_authority(authority)
        return "/" if query else "/" + path
    return raw


def _check_authority(authority: str) -> None:
    """Refuse what is no host with or without a port (RFC 9110, 4.2); others might take it for another one."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None or int(match["port"] or 0) > MAX_PORT or not _is_address(match["v6"]):
        raise Refusal(
            400,
            "UNSUPPORTED",
            f"The authority of the request target is malformed: {quote(authority)}; send HOST or HOST:PORT.",
        )


def _is_address(text: str | None) -> bool:
    try:
        return text is None or bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def _decode(path: str) -> str:
    if not _REFUSED_ESCAPE.search(path):
        decoded = urllib.parse.unquote(path)
        if decoded.isascii() and decoded.isprintable():
            return decoded
    raise Refusal(400, "NAME_INVALID", f"The path {quote(path)} holds escapes that no name has.")


__all__ = ("API", "MAX_ENTRIES", "Page", "Target", "is_api", "parse_artifact_types", "parse_page", "parse_target")
