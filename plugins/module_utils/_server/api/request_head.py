# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Checks of the head of a request that do not depend on the content. Called by app.py and sending.py;
protocol.py takes its limits.
"""

from __future__ import annotations

import itertools
import typing as t

from ..errors import Refusal
from .target import OutsideApi, parse_target

if t.TYPE_CHECKING:
    from ..libraries import web
    from .target import Target

# bytes of a head without its Range header
MAX_HEAD: t.Final = 16 * 1024
# containers/storage requests up to 1,024 ranges at once; a longer header is ignored
MAX_RANGE: t.Final = 64 * 1024
# the limit of newer versions of aiohttp
_MAX_FIELDS: t.Final = 128

_METHODS: t.Final = ("GET", "HEAD")
# of two such headers, a proxy in front of the server may have used the other one
_SINGLE: t.Final = {b"authorization": "Authorization", b"content-length": "Content-Length", b"if-range": "If-Range"}

# the fields that this server looks at, without Authorization, which is checked before
_DECIDING: t.Final = frozenset(
    (b"if-match", b"if-none-match", b"if-range", b"range", b"content-length", b"transfer-encoding", b"upgrade")
)

# the names of the header fields of a request, in lower case
FieldNames = frozenset[bytes]


def check_head(request: web.BaseRequest) -> FieldNames:
    """Refuse heads that no request to a registry has. Raises Refusal.

    Return the names of the fields. Most requests have three or four fields and none of the dozen that matter here: to
    look for each of the dozen among these names takes a third of the time that asking request.headers takes.
    """
    version, fields = request.version, request.raw_headers
    if version not in ((1, 1), (1, 0)):
        raise Refusal(505, "UNSUPPORTED", "This server supports HTTP/1.1 and HTTP/1.0 only.")
    names = [name.lower() for name, dummy in fields]
    # RFC 9112, 3.2
    hosts = names.count(b"host")
    if hosts > 1 or (hosts == 0 and version == (1, 1)):
        raise Refusal(400, "UNSUPPORTED", "The request must have exactly one Host header.")
    present = frozenset(names)
    if len(present) != len(names):
        _check_single(names)
    if len(fields) > _MAX_FIELDS:
        raise Refusal(400, "UNSUPPORTED", f"The request has more than {_MAX_FIELDS} header fields.")
    # 4 for each field: ": " and the end of the line
    size = len(request.raw_path) + sum(map(len, itertools.chain.from_iterable(fields))) + 4 * len(fields)
    if size > MAX_HEAD and size - len(request.headers.get("Range", "")) > MAX_HEAD:
        raise Refusal(431, "UNSUPPORTED", f"The head of the request is longer than {MAX_HEAD} bytes.")
    return present


def _check_single(names: t.Sequence[bytes]) -> None:
    for name, shown in _SINGLE.items():
        if names.count(name) > 1:
            raise Refusal(400, "UNSUPPORTED", f"The request has more than one {shown} header.")


def read_target(request: web.BaseRequest, fields: FieldNames) -> Target:
    """Return the target; refuse methods other than GET and HEAD below /v2, and every body. Raises Refusal."""
    try:
        target = parse_target(request.raw_path)
    except Refusal as exc:
        _check_method(request, fields, is_api=not isinstance(exc, OutsideApi))
        raise
    _check_method(request, fields, is_api=True)
    return target


def _check_method(request: web.BaseRequest, fields: FieldNames, *, is_api: bool) -> None:
    if is_api and request.method not in _METHODS:
        message = f"This registry is read-only: the method {request.method[:20]} is not supported."
        raise Refusal(405, "UNSUPPORTED", message, headers={"Allow": ", ".join(_METHODS)})
    if _has_body(request, fields):
        raise Refusal(400, "UNSUPPORTED", "The request has a body; requests to this registry must not have one.")


def _has_body(request: web.BaseRequest, fields: FieldNames) -> bool:
    # any Transfer-Encoding, because a proxy may interpret an unusual one in another way than aiohttp
    return request.body_exists or b"transfer-encoding" in fields


def is_plain_get(request: web.BaseRequest, fields: FieldNames) -> bool:
    """Tell whether this is a GET without a body, and without fields that change the answer or end the connection."""
    return request.method == "GET" and fields.isdisjoint(_DECIDING) and not request.body_exists


def ends_connection(request: web.BaseRequest, fields: FieldNames) -> bool:
    """Tell whether the connection must close after this request: a body or another protocol may follow the head.

    An upgrade to h2c does not count: a client that offers it continues with HTTP/1.1.
    """
    if _has_body(request, fields) or request.method == "CONNECT":
        return True
    return b"upgrade" in fields and request.headers["Upgrade"].lower() != "h2c"


__all__ = ("MAX_HEAD", "MAX_RANGE", "FieldNames", "check_head", "ends_connection", "is_plain_get", "read_target")
