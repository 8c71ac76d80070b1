# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Access log, as text on standard error or JSON on standard output, and set-up of logging.

Called by protocol.py and main.py.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import sys
import typing as t

from ..._base.text import visible
from ..api.sending import FileResponse
from ..api.target import parse_target
from ..errors import Refusal
from ..journal import JournalFormatter, is_journal

if t.TYPE_CHECKING:
    from ..access.attested_client import AttestedClient
    from ..identity import Peer
    from ..libraries import web

_ACCESS: t.Final = logging.getLogger("attested.registry.access")
Form = t.Literal["text", "json", "none"]
_LIMIT: t.Final = 500


def set_up_logging(level: str, form: Form) -> None:
    """Configure logging: messages and a text access log go to standard error, a JSON access log to standard output."""
    lines = logging.StreamHandler(sys.stderr)
    if is_journal(2, os.environ):
        lines.setFormatter(JournalFormatter("%(message)s"))
    else:
        lines.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[lines])
    logging.getLogger("attested.registry").setLevel(level.upper())
    _ACCESS.setLevel(logging.CRITICAL if form == "none" else logging.INFO)
    if form == "json" and not _ACCESS.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        _ACCESS.addHandler(handler)
        _ACCESS.propagate = False


def log_request(
    request: web.BaseRequest,
    response: web.StreamResponse,
    seconds: float,
    *,
    form: Form,
    peer: Peer,
    user: str | None,
    size: int,
) -> None:
    """Log a request. Text from the client is escaped, so that it can neither end the line nor forge a field."""
    if form == "json":
        _ACCESS.info("%s", _json_line(request, response, seconds, peer=peer, user=user, size=size))
    elif form == "text":
        _ACCESS.info(
            '%s %s %s %s %d %d %.3f "%s"%s',
            peer.address or "-",
            _field(user or "-"),
            _field(request.method),
            _field(request.raw_path),
            response.status,
            size,
            seconds,
            visible(_agent(request).replace("\\", "\\\\").replace('"', '\\"')),
            "" if peer.realm is None else _format_attestation(peer.realm),
        )


def _format_attestation(realm: AttestedClient) -> str:
    return f" token={realm.label}" + (f" warning={','.join(realm.warnings)}" if realm.warnings else "")


def body_bytes(request: web.BaseRequest, response: web.StreamResponse) -> int:
    """Return the number of bytes of the body that were sent."""
    # isinstance takes 0.3 us with the abstract base classes of aiohttp; nothing is derived from FileResponse
    if response.__class__ is FileResponse:
        return response.sent
    return 0 if request.method == "HEAD" or response.status == 304 else response.content_length or 0


def _agent(request: web.BaseRequest) -> str:
    return request.headers.get("User-Agent", "-")


def _field(text: str) -> str:
    return visible(text.replace("\\", "\\\\"), limit=_LIMIT).replace(" ", "\\x20")


def _json_line(
    request: web.BaseRequest,
    response: web.StreamResponse,
    seconds: float,
    *,
    peer: Peer,
    user: str | None,
    size: int,
) -> str:
    repository, reference = _parse_names(request)
    fields: dict[str, object] = {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
        "peer": peer.address,
        "user": user,
        "method": request.method,
        "target": request.raw_path,
        "repository": repository,
        "reference": reference,
        "digest": response.headers.get("Docker-Content-Digest"),
        "status": response.status,
        "bytes": size,
        "seconds": round(seconds, 6),
        "agent": request.headers.get("User-Agent"),
    }
    if peer.realm is not None:
        fields["attestation"] = {**peer.realm.facts, "warnings": peer.realm.warnings}
    return json.dumps({name: _replace_surrogates(value) for name, value in fields.items()})


def _replace_surrogates(value: object) -> object:
    # a lone surrogate represents a byte that is not UTF-8; strict JSON parsers refuse it
    return value[:_LIMIT].encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _parse_names(request: web.BaseRequest) -> tuple[str | None, str | None]:
    try:
        target = parse_target(request.raw_path)
    except Refusal:
        return None, None
    return target.name or None, target.reference or None


__all__ = ("Form", "body_bytes", "log_request", "set_up_logging")
