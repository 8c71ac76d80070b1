# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from ..errors import Refusal

if t.TYPE_CHECKING:
    from ..libraries import web


def is_not_modified(request: web.BaseRequest, digest: str) -> bool:
    """Whether 304 is the answer for the content with this digest (RFC 9110, 13.2.2).

    Raises Refusal, 412, when the client wants other content than this. Dates are ignored, because no Last-Modified is
    ever sent.
    """
    headers = request.headers
    if "If-Match" in headers and not match(",".join(headers.getall("If-Match")), digest):
        raise Refusal(412, "UNSUPPORTED", "The content is not what If-Match names.")
    return "If-None-Match" in headers and none_match(",".join(headers.getall("If-None-Match")), digest)


def match(header: str, digest: str) -> bool:
    """Whether If-Match names the entity tag of this digest; the comparison is strong (RFC 9110, 13.1.1)."""
    return any(part.strip(" \t") in ("*", entity_tag(digest)) for part in header.split(","))


def none_match(header: str, digest: str) -> bool:
    """Whether If-None-Match names the entity tag of this digest, so that 304 is the answer (RFC 9110, 13.1.2).

    The comparison is weak. Clients that leave out the quotes are understood too.
    """
    for part in header.split(","):
        tag = part.strip(" \t")
        if tag == "*" or tag[2 if tag.startswith("W/") else 0 :].strip('"') == digest:
            return True
    return False


def if_range(header: str | None, digest: str) -> bool:
    """Whether a Range counts: there is no If-Range, or it is the strong entity tag of this digest (RFC 9110, 13.1.5).

    A date never matches, because no Last-Modified is ever sent.
    """
    return header is None or header.strip(" \t") == entity_tag(digest)


def entity_tag(digest: str) -> str:
    """The ETag of the content with this digest."""
    return f'"{digest}"'


__all__ = ("entity_tag", "if_range", "is_not_modified", "match", "none_match")
