# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import http
import json
import typing as t

from ..libraries import web
from .conditions import entity_tag

if t.TYPE_CHECKING:
    from ..content.snapshot import Content
    from ..errors import Refusal
    from .target import Target

Headers = dict[str, str]


class Caching(t.NamedTuple):
    """What Cache-Control says (RFC 9111, 5.2.2) of what never changes, and of what has to be asked for again."""

    immutable: str
    checked: str


PUBLIC: t.Final = Caching("public, max-age=31536000, immutable", "no-cache")
# what one may see another may not: a cache that several share must not keep it, be it ever so immutable
PRIVATE: t.Final = Caching("private, max-age=31536000, immutable", "private, no-cache")

_COMMON: t.Final = {
    "Server": "attested.registry",
    "Docker-Distribution-API-Version": "registry/2.0",
    "X-Content-Type-Options": "nosniff",
}
_BLOB_TYPE: t.Final = "application/octet-stream"


def json_answer(
    value: t.Any, *, cache: str, status: int = 200, headers: t.Mapping[str, str] | None = None
) -> web.Response:
    """An answer whose body is this JSON value; headers may replace the media type application/json."""
    return web.Response(
        body=json.dumps(value).encode(),
        status=status,
        headers={**_COMMON, "Content-Type": "application/json", "Cache-Control": cache, **(headers or {})},
    )


def error_answer(refusal: Refusal) -> web.Response:
    """The error document of the distribution-spec ("Error Codes")."""
    return json_answer(_document(refusal), status=refusal.status, cache="no-store", headers=refusal.headers)


def written(refusal: Refusal) -> bytes:
    """Write the same as the last answer of a connection, for where there is no request that aiohttp could answer."""
    body = json.dumps(_document(refusal)).encode()
    fields = {**_COMMON, "Content-Type": "application/json", "Cache-Control": "no-store", **refusal.headers}
    fields.update({"Content-Length": str(len(body)), "Connection": "close"})
    lines = (f"HTTP/1.1 {refusal.status} {http.HTTPStatus(refusal.status).phrase}", *map(": ".join, fields.items()))
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def _document(refusal: Refusal) -> t.Any:
    return {"errors": [{"code": refusal.code, "message": refusal.message}]}


def content_headers(content: Content, target: Target, caching: Caching) -> Headers:
    """The headers that go with a manifest or a blob, whatever the method and the status."""
    by_digest = target.reference == content.digest
    return {
        **_COMMON,
        "Content-Type": content.media_type if target.kind == "manifest" else _BLOB_TYPE,
        "Docker-Content-Digest": content.digest,
        "ETag": entity_tag(content.digest),
        "Cache-Control": caching.immutable if by_digest else caching.checked,
        "Accept-Ranges": "bytes",
    }


__all__ = ("PRIVATE", "PUBLIC", "Caching", "Headers", "content_headers", "error_answer", "json_answer", "written")
