# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Responses of the distribution API: JSON documents, error documents and the headers of content.

Called by app.py, lists.py, plain_http.py and protocol.py.
"""

from __future__ import annotations

import functools
import http
import json
import typing as t

from ..libraries import CIMultiDict, CIMultiDictProxy, web
from .conditions import entity_tag

if t.TYPE_CHECKING:
    from ..content.snapshot import ServedFile
    from ..errors import Refusal
    from .target import Target

Headers = t.Mapping[str, str]


class Caching(t.NamedTuple):
    """Values of Cache-Control (RFC 9111, 5.2.2) for immutable content, and for content that caches must revalidate."""

    immutable: str
    checked: str


PUBLIC: t.Final = Caching("public, max-age=31536000, immutable", "no-cache")
# access differs per client, so shared caches must not store even immutable content
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
    """Make a response with a JSON body; headers can replace the media type application/json."""
    return web.Response(
        body=json.dumps(value).encode(),
        status=status,
        headers={**_COMMON, "Content-Type": "application/json", "Cache-Control": cache, **(headers or {})},
    )


def error_answer(refusal: Refusal) -> web.Response:
    """Make a response with the error document of the distribution-spec ("Error Codes")."""
    return json_answer(_document(refusal), status=refusal.status, cache="no-store", headers=refusal.headers)


def written(refusal: Refusal) -> bytes:
    """Serialize the error response that closes a connection, for errors without a request that aiohttp could answer."""
    body = json.dumps(_document(refusal)).encode()
    fields = {**_COMMON, "Content-Type": "application/json", "Cache-Control": "no-store", **refusal.headers}
    fields.update({"Content-Length": str(len(body)), "Connection": "close"})
    lines = (f"HTTP/1.1 {refusal.status} {http.HTTPStatus(refusal.status).phrase}", *map(": ".join, fields.items()))
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def _document(refusal: Refusal) -> t.Any:
    return {"errors": [{"code": refusal.code, "message": refusal.message}]}


def content_headers(content: ServedFile, target: Target, caching: Caching) -> Headers:
    """Return the headers that responses for a manifest or a blob have, with any method and status."""
    media_type = content.media_type if target.kind == "manifest" else _BLOB_TYPE
    by_digest = target.reference == content.digest
    return _content_headers(content.digest, media_type, caching.immutable if by_digest else caching.checked)


# cached, because clients request the same content again
@functools.lru_cache(maxsize=512)
def _content_headers(digest: str, media_type: str, cache: str) -> Headers:
    headers = {
        **_COMMON,
        "Content-Type": media_type,
        "Docker-Content-Digest": digest,
        "ETag": entity_tag(digest),
        "Cache-Control": cache,
        "Accept-Ranges": "bytes",
    }
    # Each response copies them, which takes a quarter of the time if they are of the type of aiohttp. The proxy is
    # read-only, and keeps older versions of aiohttp from using the headers without a copy.
    return CIMultiDictProxy(CIMultiDict(headers))


__all__ = ("PRIVATE", "PUBLIC", "Caching", "Headers", "content_headers", "error_answer", "json_answer", "written")
