# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import bisect
import json
import typing as t
import urllib.parse

from .._oci.digest import Digest
from .._oci.errors import DigestError, ReferenceInvalid
from .._oci.names import check_repository
from .._oci.text import quote
from .aio import web
from .conditions import entity_tag
from .errors import Refusal

if t.TYPE_CHECKING:  # pragma: no cover
    from .snapshot import Content, Repository, Snapshot
    from .target import Page, Target

Headers = dict[str, str]

_COMMON: t.Final = {
    "Server": "attested.registry",
    "Docker-Distribution-API-Version": "registry/2.0",
    "X-Content-Type-Options": "nosniff",
}
_IMMUTABLE: t.Final = "public, max-age=31536000, immutable"
_BLOB_TYPE: t.Final = "application/octet-stream"


def json_answer(
    value: t.Any, *, status: int = 200, cache: str = "no-cache", headers: t.Mapping[str, str] | None = None
) -> web.Response:
    """An answer whose body is this JSON value."""
    return web.Response(
        body=json.dumps(value).encode(),
        status=status,
        headers={**_COMMON, "Content-Type": "application/json", "Cache-Control": cache, **(headers or {})},
    )


def error_answer(refusal: Refusal) -> web.Response:
    """The error document of the distribution-spec ("Error Codes")."""
    errors = {"errors": [{"code": refusal.code, "message": refusal.message}]}
    return json_answer(errors, status=refusal.status, cache="no-store", headers=refusal.headers)


def tags_answer(repository: Repository, page: Page) -> web.Response:
    """One page of the tags (distribution-spec, "Listing Tags"), with a Link to the next one if there is one."""
    names = repository.tag_names
    start = 0 if page.last is None else bisect.bisect_right(names, page.last)
    end = len(names) if page.n is None else start + page.n
    shown, headers = names[start:end], {}
    if shown and end < len(names):
        query = urllib.parse.urlencode({"n": page.n, "last": shown[-1]})
        headers["Link"] = f'</v2/{repository.name}/tags/list?{query}>; rel="next"'
    return json_answer({"name": repository.name, "tags": shown}, headers=headers)


def content_headers(content: Content, target: Target) -> Headers:
    """The headers that go with a manifest or a blob, whatever the method and the status."""
    by_digest = target.reference == content.digest
    return {
        **_COMMON,
        "Content-Type": content.media_type if target.kind == "manifest" else _BLOB_TYPE,
        "Docker-Content-Digest": content.digest,
        "ETag": entity_tag(content.digest),
        "Cache-Control": _IMMUTABLE if by_digest else "no-cache",
        "Accept-Ranges": "bytes",
    }


def find_repository(snapshot: Snapshot, name: str) -> Repository:
    """Raises Refusal: 404 for an unknown name, 400 for one that no repository can have."""
    repository = snapshot.repositories.get(name)
    if repository is not None:
        return repository
    try:
        check_repository(name)
    except ReferenceInvalid as exc:
        raise Refusal(400, "NAME_INVALID", exc.message) from None
    raise Refusal(404, "NAME_UNKNOWN", f"There is no repository {quote(name)} here.")


def find_content(repository: Repository, target: Target) -> Content:
    """Raises Refusal: 404 for content that is not there, 400 for what is no digest where one is needed."""
    wanted = target.reference
    if target.kind == "blob":
        content = repository.blobs.get(wanted)
    else:
        content = repository.tags.get(wanted) or repository.manifests.get(wanted)
    return content if content is not None else _missing(target)


def _missing(target: Target) -> t.NoReturn:
    if target.kind == "blob" or ":" in target.reference:
        try:
            Digest.parse(target.reference)
        except DigestError as exc:
            raise Refusal(400, "DIGEST_INVALID", exc.message) from None
    raise unknown(target)


def unknown(target: Target) -> Refusal:
    """The refusal for content that is not there."""
    code = "BLOB_UNKNOWN" if target.kind == "blob" else "MANIFEST_UNKNOWN"
    return Refusal(404, code, f"The repository {quote(target.name)} has no {target.kind} {quote(target.reference)}.")


__all__ = (
    "content_headers",
    "error_answer",
    "find_content",
    "find_repository",
    "json_answer",
    "tags_answer",
    "unknown",
)
