# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Parser of request targets: endpoints of the distribution API and their query parameters. Called by app.py."""

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
    """An endpoint of the distribution API with its parameters, as the client sent them."""

    kind: Kind
    name: str = ""
    reference: str = ""
    query: str = ""


class Page(t.NamedTuple):
    """The requested part of a list: at most n entries (None: all) after last."""

    n: int | None
    last: str | None


class OutsideApi(Refusal):
    """The path of a request is not below /v2."""


def parse_target(raw: str) -> Target:
    """Parse the target of a request line (distribution-spec, "Endpoints"). Raises only Refusal, such as OutsideApi.

    Percent escapes are decoded once; escaped separators are refused. Name and reference are not validated: they are
    only used as keys of the snapshot.
    """
    return _parse_cached(raw) if len(raw) <= _SHORT else _parse(raw)


def _parse(raw: str) -> Target:
    path, query = _split_target(raw)
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
    refusal = Refusal if path.startswith(API + "/") else OutsideApi
    raise refusal(404, "UNSUPPORTED", f"This registry has no endpoint {quote(path)}.")


# cached, because clients request the same targets again
_parse_cached: t.Final = functools.lru_cache(maxsize=512)(_parse)


def parse_page(query: str) -> Page:
    """Parse the parameters n, at most 1000, and last (distribution-spec, "Listing Tags"). Raises Refusal."""
    numbers, lasts = _query_values(query, "n"), _query_values(query, "last")
    if len(numbers) > 1 or (numbers and not _DIGITS.fullmatch(numbers[0])):
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", "The parameter n must occur once and be a non-negative number.")
    if len(lasts) > 1:
        raise Refusal(400, "UNSUPPORTED", "The parameter last must occur once.")
    return Page(_parse_limit(numbers[0]) if numbers else None, lasts[0] if lasts else None)


def parse_artifact_types(query: str) -> frozenset[str]:
    """Parse the filter for referrers; empty: no filter (distribution-spec, "Listing Referrers"). Raises Refusal."""
    return frozenset(filter(None, _query_values(query, "artifactType")))


def _query_values(query: str, name: str) -> list[str]:
    try:
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise Refusal(400, "UNSUPPORTED", "The query has too many parameters.") from None
    return [value for key, value in pairs if key == name]


def _parse_limit(digits: str) -> int:
    # long numbers are not converted: int() takes quadratic time, or raises an error
    digits = digits.lstrip("0") or "0"
    return min(int(digits), MAX_ENTRIES) if len(digits) < 10 else MAX_ENTRIES


def _split_target(raw: str) -> tuple[str, str]:
    path, dummy, query = _origin_form(raw).partition("?")
    return _decode_path(path) if "%" in path else path, query


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
    """Refuse a malformed host or port (RFC 9110, 4.2), which a proxy might interpret in another way."""
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


def _decode_path(path: str) -> str:
    if not _REFUSED_ESCAPE.search(path):
        decoded = urllib.parse.unquote(path)
        if decoded.isascii() and decoded.isprintable():
            return decoded
    raise Refusal(400, "NAME_INVALID", f"The path {quote(path)} has escapes that are not allowed in names.")


__all__ = (
    "API",
    "MAX_ENTRIES",
    "OutsideApi",
    "Page",
    "Target",
    "parse_artifact_types",
    "parse_page",
    "parse_target",
)
