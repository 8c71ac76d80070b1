# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The registry application: answers requests to the distribution API from a snapshot. Called by protocol.py."""

from __future__ import annotations

import typing as t

from ..access.access import OpenAccess
from ..errors import Refusal
from ..identity import Peer
from ..libraries import web
from .accel import Accel
from .answers import PRIVATE, PUBLIC, content_headers, error_answer, json_answer
from .body import plan
from .conditions import if_range, is_not_modified
from .content_file import ContentFile, is_unchanged
from .lists import catalog_answer, referrers_answer, tags_answer
from .lookup import find_content, find_repository, unknown
from .memory import Memory
from .ranges import parse_range
from .request_head import MAX_RANGE, check_head, ends_connection, read_target
from .sending import SMALL, send
from .target import parse_artifact_types, parse_page

if t.TYPE_CHECKING:
    from ..access.access import Access
    from ..content.snapshot import ServedFile, Snapshot
    from ..identity import Identity
    from .answers import Headers
    from .ranges import Span
    from .target import Target


class Application:
    """The registry application for one snapshot (distribution-spec, categories pull and content discovery).

    snapshot can be replaced at any time; requests in progress keep the snapshot that they began with. Without access,
    every client sees all repositories. accel is the prefix of X-Accel-Redirect, for blobs that nginx sends; raises
    UsageError when it is malformed.
    """

    def __init__(self, snapshot: Snapshot, *, access: Access | None = None, accel: str | None = None) -> None:
        self._access: Access = OpenAccess() if access is None else access
        self._caching = PUBLIC if isinstance(self._access, OpenAccess) else PRIVATE
        self._accel = None if accel is None else Accel(accel, root=snapshot.root)
        self._memory = Memory()
        self.snapshot = snapshot

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is served."""
        return self._snapshot

    @snapshot.setter
    def snapshot(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        # sorted once, not for every request
        self._names = sorted(snapshot.repositories)

    async def handle(
        self, request: web.BaseRequest, *, zero_copy: bool, peer: Peer | None = None
    ) -> web.StreamResponse:
        """Answer a request; a Refusal becomes a response with an error document.

        zero_copy tells whether the connection supports sendfile; encrypted connections do not.
        """
        try:
            check_head(request)
        except Refusal as refusal:
            answer: web.StreamResponse = error_answer(refusal)
            # the client may frame the bytes after such a head in another way
            answer.force_close()
            return answer
        try:
            # authentication comes before any lookup, so that no answer reveals what exists
            peer = peer or Peer(request.remote or None)
            identity = self._access.authenticate(request.headers.get("Authorization"), peer)
            answer = await self._answer(request, read_target(request), identity, zero_copy=zero_copy)
        except Refusal as refusal:
            answer = error_answer(refusal)
        if ends_connection(request):
            answer.force_close()
        return answer

    async def _answer(
        self, request: web.BaseRequest, target: Target, identity: Identity, *, zero_copy: bool
    ) -> web.StreamResponse:
        cache = self._caching.checked

        def may_see(name: str) -> bool:
            return self._access.may_see(identity, name)

        if target.kind == "base":
            return json_answer({}, cache=cache)
        if target.kind == "catalog":
            return catalog_answer(self._names, may_see, parse_page(target.query), cache=cache)
        repository = find_repository(self._snapshot, target.name, may_see)
        if target.kind == "tags":
            return tags_answer(repository, parse_page(target.query), cache=cache)
        if target.kind == "referrers":
            types = parse_artifact_types(target.query)
            return referrers_answer(repository, target.reference, types, cache=cache)
        content = find_content(repository, target)
        headers = content_headers(content, target, self._caching)
        if is_not_modified(request, content.digest):
            return web.Response(status=304, headers=headers)
        answer = await self._send(request, target, content, headers, zero_copy=zero_copy)
        if answer is None:
            raise unknown(target)
        return answer

    async def _send(
        self, request: web.BaseRequest, target: Target, content: ServedFile, headers: Headers, *, zero_copy: bool
    ) -> web.StreamResponse | None:
        if not is_unchanged(content):
            return None
        spans = _requested_spans(request, content)
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(content.size)})
        if self._accel is not None and target.kind == "blob":
            accel = self._accel.header(content)
            if accel:
                return web.Response(headers={**headers, **accel})
        if content.size <= SMALL:
            return self._send_short(content, headers, spans)
        file = ContentFile.open(content)
        if file is None:
            return None
        with file:
            return await send(request, file, plan(content, headers, spans), zero_copy=zero_copy)

    def _send_short(
        self, content: ServedFile, headers: Headers, spans: tuple[Span, ...] | None
    ) -> web.StreamResponse | None:
        data = self._memory.read(content)
        if data is None:
            return None
        if spans is None:
            return web.Response(headers=headers, body=data)
        body = plan(content, headers, spans)
        return web.Response(status=body.status, headers=body.headers, body=body.cut_from(data))


def _requested_spans(request: web.BaseRequest, content: ServedFile) -> tuple[Span, ...] | None:
    """Return the ranges to send, None for the whole file. Only GET has ranges (RFC 9110, 14.2). Raises Refusal."""
    ranges = request.headers.getall("Range", ())
    if (
        request.method != "GET"
        or len(ranges) != 1
        or len(ranges[0]) > MAX_RANGE
        or not if_range(request.headers.get("If-Range"), content.digest)
    ):
        return None
    spans = parse_range(ranges[0], content.size)
    if spans == ():
        raise Refusal(
            416,
            "SIZE_INVALID",
            f"The requested range is malformed or outside the content, which has {content.size} bytes.",
            headers={"Content-Range": f"bytes */{content.size}"},
        )
    return spans


__all__ = ("Application",)
