# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What the registry says about an upload: where its session is, and how much of the blob it has.

Implements the headers Location, Range and OCI-Chunk-Min-Length of distribution-spec, "Pushing a blob in chunks". Called
by upload.py.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace
from urllib.parse import quote as percent_encode

from ..._base.text import visible
from ..errors import REPORT, ProtocolBroken, RedirectRefused
from ..url import Url, UrlInvalid

if t.TYPE_CHECKING:
    from ..._oci.digest import Digest
    from ..caller import Caller
    from ..errors import Operation
    from ..transport.answer import Answer
    from ..transport.transport import Hops

# "0-1023"; some registries write the unit before it
_RANGE: t.Final = re.compile(r"(?:bytes[= ])?0-([0-9]{1,19})")
_SIZE: t.Final = re.compile(r"[0-9]{1,19}")
# the last segment of an upload's URL: no dot segment, and no percent-encoding of one
_SESSION: t.Final = re.compile(r"[A-Za-z0-9_~=-][A-Za-z0-9._~=-]*")


@dataclass(frozen=True)
class Session:
    """An upload that the registry has begun.

    url is where it goes on; hops checks it if it is on another server. minimum is the least size of a chunk.
    """

    url: Url
    hops: Hops | None = field(default=None, repr=False)
    minimum: int = 1

    def closing_url(self, digest: Digest) -> Url:
        """Return the URL of the closing PUT: that of the session, with the digest added to its query."""
        parameter = f"digest={percent_encode(str(digest), safe='')}"
        return replace(self.url, query="&".join(part for part in (self.url.query, parameter) if part))


def begun_session(answer: Answer, operation: Operation, caller: Caller) -> Session:
    """Read the answer that begins a session. Raises ProtocolBroken without a usable Location, RedirectRefused."""
    if answer.header("Location") is None:
        raise operation.error(
            ProtocolBroken,
            f"{answer.url.origin.authority} begins an upload without a Location header",
            REPORT,
            status=answer.status,
            url=answer.url.safe,
        )
    url, hops = _follow(answer, operation, caller)
    return Session(url, hops, parse_minimum(answer.header("OCI-Chunk-Min-Length")))


def continued_session(session: Session, answer: Answer, operation: Operation, caller: Caller) -> Session:
    """Read where a session goes on; without a Location it stays where it is. Raises as begun_session()."""
    if answer.header("Location") is None:
        return session
    url, hops = _follow(answer, operation, caller)
    # the address of the registry is known from the first answer; this one may be of another server
    return replace(session, url=url, hops=None if hops is None else session.hops or hops)


def check_digest(answer: Answer, operation: Operation, wanted: Digest) -> None:
    """Compare the digest that an answer states, if it is one of the same algorithm. Raises DigestMismatch."""
    stated = (answer.header("Docker-Content-Digest") or "").strip()
    if stated.startswith(f"{wanted.algorithm}:") and stated != str(wanted):
        raise operation.wrong_digest(expected=wanted, actual=visible(stated, limit=150))


def parse_end(value: str | None) -> int | None:
    """Return the position of the last byte in a Range header of an upload; None if it cannot be read. Total."""
    match = _RANGE.fullmatch((value or "").strip())
    return None if match is None else int(match.group(1))


def parse_minimum(value: str | None) -> int:
    """Return the least size of a chunk, 1 if the header is absent or cannot be read. Total."""
    text = (value or "").strip()
    return max(1, int(text)) if _SIZE.fullmatch(text) else 1


def _follow(answer: Answer, operation: Operation, caller: Caller) -> tuple[Url, Hops | None]:
    """Return the URL of a Location, and its checks if it is on another server."""
    server = answer.url.origin.authority
    try:
        url = answer.url.join(answer.header("Location") or "")
    except UrlInvalid as exc:
        raise operation.error(
            ProtocolBroken,
            f"the Location of the upload at {server} cannot be used: {exc}",
            REPORT,
            url=answer.url.safe,
        ) from None
    if url.origin == caller.endpoint.origin:
        if answer.url.origin != url.origin and not _is_upload(url, operation, caller):
            raise operation.error(
                RedirectRefused, f"{server} continues the upload at the registry, but not as an upload", REPORT
            )
        return url, None
    if answer.url.origin.scheme == "https" and url.origin.scheme != "https":
        raise operation.error(
            RedirectRefused,
            f"{server} continues an https upload over http, at {visible(str(url.origin))}",
            "have the proxy before the registry send X-Forwarded-Proto, or configure the registry for relative URLs",
            url=answer.url.safe,
        )
    # of a third server, the name of the registry tells how internal it may be, and not the address of the second one
    is_known = answer.url.origin in (caller.endpoint.origin, url.origin)
    return url, caller.hops(operation, answer.peer if is_known else None)


def _is_upload(url: Url, operation: Operation, caller: Caller) -> bool:
    """Tell whether a URL of the registry is that of an upload to the repository.

    Another server must not choose what else the client, with its credentials, writes to the registry.
    """
    start = f"{caller.endpoint.prefix}/v2/{operation.repository}/blobs/uploads/"
    return url.path.startswith(start) and _SESSION.fullmatch(url.path[len(start) :]) is not None


__all__ = ("Session", "begun_session", "check_digest", "continued_session", "parse_end", "parse_minimum")
