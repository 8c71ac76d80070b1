# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests as a FaultyRegistry records them, and its replies; see faulty_registry.py."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

if t.TYPE_CHECKING:
    import threading
    from collections.abc import Mapping


@dataclass(frozen=True)
class Request:
    """A received request. ``target`` is the path with its query.

    ``complete``: whether all of the body was read; if not, the connection ends without an answer.
    """

    method: str
    target: str
    headers: t.Any
    body: bytes = b""
    complete: bool = True

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters of the query."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """Return the value of a header, None if it is absent."""
        value: str | None = self.headers.get(name)
        return value

    @property
    def form(self) -> dict[str, list[str]]:
        """The parameters of a POSTed form."""
        return parse_qs(self.body.decode("ascii", "replace"), keep_blank_values=True)


Headers = t.Union["Mapping[str, str]", "tuple[tuple[str, str], ...]"]


@dataclass(frozen=True)
class Reply:
    """An answer, and its faults.

    ``status``, ``body``: None means that of the registry. ``headers`` are set, or added if they are pairs; ``drop``
    removes headers. ``length``: a Content-Length other than the body's. ``chunked``: send the body in chunks of this
    size. ``cut``: stop after this number of bytes of the body and close the connection, with a reset if ``reset``, or
    keep it open in silence if ``stall``. ``endless``: repeat the body forever. ``drip``: send byte by byte, with
    pauses. ``close``: do not keep the connection. ``hold``: wait for the event (or the end of the server) before
    answering. ``raw``: send only these bytes.
    """

    status: int | None = None
    body: bytes | None = None
    headers: Headers = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    length: int | None = None
    chunked: int | None = None
    cut: int | None = None
    reset: bool = False
    endless: bool = False
    drip: bool = False
    close: bool = False
    hold: threading.Event | None = None
    stall: bool = False
    raw: bytes | None = None


@dataclass(frozen=True)
class BodyFault:
    """What a registry does with the body of a request: it reads only count bytes.

    Then it closes the connection, after an answer if ``is_answered``, or keeps it open in silence if ``stall``.
    """

    count: int = 0
    is_answered: bool = False
    stall: bool = False


def redirect(location: str, status: int = 307) -> Reply:
    """Return a redirect to a location."""
    return Reply(status=status, body=b"", headers={"Location": location})


def error(status: int, code: str = "UNKNOWN", message: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error as distribution-spec defines it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/json", **(headers or {})})


def merge(correct: Reply, change: Reply) -> Reply:
    """Return the correct reply with the changes of another one."""
    headers = dict(correct.headers)
    added: tuple[tuple[str, str], ...] = ()
    if isinstance(change.headers, tuple):
        added = change.headers
    else:
        headers.update(change.headers)
    return replace(
        change,
        status=change.status if change.status is not None else correct.status,
        body=change.body if change.body is not None else correct.body,
        headers=tuple(headers.items()) + added,
    )


__all__ = ("BodyFault", "Reply", "Request", "error", "merge", "redirect")
