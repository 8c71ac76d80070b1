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
from .content_file import ContentFile, IdentityCheck
from .lists import catalog_answer, referrers_answer, tags_answer
from .lookup import find_content, find_repository, unknown
from .memory import Memory
from .ranges import parse_range
from .request_head import MAX_RANGE, check_head, ends_connection, is_plain_get, read_target
from .sending import SMALL, send
from .target import parse_artifact_types, parse_page

if t.TYPE_CHECKING:
    from ..access.access import Access
    from ..content.snapshot import ServedFile, Snapshot
    from ..identity import Identity
    from .answers import Headers
    from .ranges import Span
    from .request_head import FieldNames
    from .target import Target


# requests for other targets are answered as well, only slower
_MAX_KNOWN: t.Final = 512
_MAX_KNOWN_TARGET: t.Final = 256


class _Known(t.NamedTuple):
    """Short content that a target was found to name."""

    target: Target
    content: ServedFile
    headers: Headers


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
        self._files = IdentityCheck()
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
        # by the target as the client sent it, for _answer_known
        self._known: dict[str, _Known] = {}

    async def handle(
        self, request: web.BaseRequest, *, zero_copy: bool, peer: Peer | None = None
    ) -> web.StreamResponse:
        """Answer a request; a Refusal becomes a response with an error document.

        zero_copy tells whether the connection supports sendfile; encrypted connections do not.
        """
        try:
            fields = check_head(request)
        except Refusal as refusal:
            answer: web.StreamResponse = error_answer(refusal)
            # the client may frame the bytes after such a head in another way
            answer.force_close()
            return answer
        try:
            # authentication comes before any lookup, so that no answer reveals what exists
            peer = peer or Peer(request.remote or None)
            authorization = request.headers.get("Authorization") if b"authorization" in fields else None
            identity = self._access.authenticate(authorization, peer)
            if is_plain_get(request, fields):
                known = self._known.get(request.raw_path)
                if known is not None and self._access.may_see(identity, known.target.name):
                    return self._answer_known(known)
            target = read_target(request, fields)
            answer = await self._answer(request, fields, target, identity, zero_copy=zero_copy)
        except Refusal as refusal:
            answer = error_answer(refusal)
        if ends_connection(request, fields):
            answer.force_close()
        return answer

    def _answer_known(self, known: _Known) -> web.Response:
        """Answer a plain GET for short content that an earlier one has found in the same snapshot.

        The answer is the one that _answer gives, in half the time: what it looks up and what no field of the request
        asks for are left out. Access and the file are checked for each request.
        """
        if not self._files.is_unchanged(known.content):
            raise unknown(known.target)
        data = self._memory.read(known.content)
        if data is None:
            raise unknown(known.target)
        return web.Response(headers=known.headers, body=data)

    async def _answer(
        self, request: web.BaseRequest, fields: FieldNames, target: Target, identity: Identity, *, zero_copy: bool
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
        if is_not_modified(request, fields, content.digest):
            return web.Response(status=304, headers=headers)
        answer = await self._send(request, fields, target, content, headers, zero_copy=zero_copy)
        if answer is None:
            raise unknown(target)
        return answer

    async def _send(
        self,
        request: web.BaseRequest,
        fields: FieldNames,
        target: Target,
        content: ServedFile,
        headers: Headers,
        *,
        zero_copy: bool,
    ) -> web.StreamResponse | None:
        if not self._files.is_unchanged(content):
            return None
        spans = _requested_spans(request, content) if b"range" in fields else None
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(content.size)})
        if self._accel is not None and target.kind == "blob":
            accel = self._accel.header(content)
            if accel:
                return web.Response(headers={**headers, **accel})
        if content.size <= SMALL:
            if target.kind == "manifest" or self._accel is None:
                self._remember(request.raw_path, _Known(target, content, headers))
            return self._send_short(content, headers, spans)
        file = ContentFile.open(content)
        if file is None:
            return None
        with file:
            closes = ends_connection(request, fields)
            return await send(request, file, plan(content, headers, spans), zero_copy=zero_copy, closes=closes)

    def _remember(self, raw: str, known: _Known) -> None:
        if len(raw) <= _MAX_KNOWN_TARGET:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[raw] = known

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
