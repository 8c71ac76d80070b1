# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Conditional requests (RFC 9110, 13): If-Match, If-None-Match and If-Range on digests. Called by app.py."""

from __future__ import annotations

import typing as t

from ..errors import Refusal

if t.TYPE_CHECKING:
    from ..libraries import web
    from .request_head import FieldNames


def is_not_modified(request: web.BaseRequest, fields: FieldNames, digest: str) -> bool:
    """Tell whether to answer 304 for the content with this digest (RFC 9110, 13.2.2).

    Raises Refusal 412 when If-Match names other content. Dates are ignored, because the server never sends
    Last-Modified.
    """
    headers = request.headers
    if b"if-match" in fields and not match(",".join(headers.getall("If-Match")), digest):
        raise Refusal(412, "UNSUPPORTED", "The content does not match If-Match.")
    return b"if-none-match" in fields and none_match(",".join(headers.getall("If-None-Match")), digest)


def match(header: str, digest: str) -> bool:
    """Tell whether If-Match has the entity tag of this digest; the comparison is strong (RFC 9110, 13.1.1)."""
    return any(part.strip(" \t") in ("*", entity_tag(digest)) for part in header.split(","))


def none_match(header: str, digest: str) -> bool:
    """Tell whether If-None-Match has the entity tag of this digest, so that the answer is 304 (RFC 9110, 13.1.2).

    The comparison is weak. Entity tags without quotes are accepted too, because some clients leave them out.
    """
    for part in header.split(","):
        tag = part.strip(" \t")
        if tag == "*" or tag[2 if tag.startswith("W/") else 0 :].strip('"') == digest:
            return True
    return False


def if_range(header: str | None, digest: str) -> bool:
    """Tell whether to honour Range: If-Range is absent, or has the strong entity tag of this digest (RFC 9110, 13.1.5).

    A date never matches, because the server never sends Last-Modified.
    """
    return header is None or header.strip(" \t") == entity_tag(digest)


def entity_tag(digest: str) -> str:
    """Return the ETag of the content with this digest."""
    return f'"{digest}"'


__all__ = ("entity_tag", "if_range", "is_not_modified", "match", "none_match")
