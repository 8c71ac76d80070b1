# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .aio import web
from .answers import content_headers, error_answer, find_content, find_repository, json_answer, tags_answer, unknown
from .body import plan
from .conditions import if_range, none_match
from .content_file import ContentFile
from .errors import Refusal
from .ranges import parse_range
from .sending import send
from .target import is_api, parse_page, parse_target

if t.TYPE_CHECKING:  # pragma: no cover
    from .ranges import Span
    from .snapshot import Content, Snapshot
    from .target import Target

MAX_HEAD: t.Final = 16 * 1024


class Application:
    """The registry: answers the requests for one snapshot (distribution-spec, categories pull and tag listing).

    snapshot may be replaced at any time; requests under way keep the one they began with. zero_copy says whether files
    can go out by sendfile, which encrypted connections cannot do.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    async def handle(self, request: web.BaseRequest, *, zero_copy: bool) -> web.StreamResponse:
        """Answer a request; every refusal is an error document."""
        try:
            _check_head(request)
            target = parse_target(request.raw_path)
            if target.kind == "base":
                return json_answer({})
            repository = find_repository(self.snapshot, target.name)
            if target.kind == "tags":
                return tags_answer(repository, parse_page(target.query))
            return await _answer_content(request, target, find_content(repository, target), zero_copy=zero_copy)
        except Refusal as refusal:
            answer = error_answer(refusal)
            if request.body_exists:
                answer.force_close()
            return answer


def _check_head(request: web.BaseRequest) -> None:
    """Refuse what no request to a read-only registry has, before anything is looked up."""
    raw = request.raw_path
    if request.version not in ((1, 0), (1, 1)):
        raise Refusal(505, "UNSUPPORTED", "This server speaks HTTP/1.1 and HTTP/1.0 only.")
    if request.method not in ("GET", "HEAD") and is_api(raw):
        message = f"This registry is read-only: the method {request.method[:20]} is not supported."
        raise Refusal(405, "UNSUPPORTED", message, headers={"Allow": "GET, HEAD"})
    if request.body_exists:
        raise Refusal(400, "UNSUPPORTED", "The request has a body, which no request to this registry may have.")
    if len(raw) + sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > MAX_HEAD:
        raise Refusal(431, "UNSUPPORTED", f"The head of the request is longer than {MAX_HEAD} bytes.")


async def _answer_content(
    request: web.BaseRequest, target: Target, content: Content, *, zero_copy: bool
) -> web.StreamResponse:
    headers = content_headers(content, target)
    if none_match(",".join(request.headers.getall("If-None-Match", ())), content.digest):
        return web.Response(status=304, headers=headers)
    file = ContentFile.open(content)
    if file is None:
        raise unknown(target)
    with file:
        body = plan(content, headers, _spans(request, content))
        if request.method == "HEAD":
            return web.Response(headers=body.headers)
        answer = await send(request, file, body, zero_copy=zero_copy)
    if answer is None:
        raise unknown(target)
    return answer


def _spans(request: web.BaseRequest, content: Content) -> tuple[Span, ...] | None:
    """The ranges to send; None for the whole. Ranges are defined for GET alone (RFC 9110, 14.2). Raises Refusal."""
    ranges = request.headers.getall("Range", ())
    if request.method != "GET" or len(ranges) != 1 or not if_range(request.headers.get("If-Range"), content.digest):
        return None
    spans = parse_range(ranges[0], content.size)
    if spans == ():
        raise Refusal(
            416,
            "SIZE_INVALID",
            f"The content has {content.size} bytes, and nothing of it is in the range that was asked for.",
            headers={"Content-Range": f"bytes */{content.size}"},
        )
    return spans


__all__ = ("MAX_HEAD", "Application")
