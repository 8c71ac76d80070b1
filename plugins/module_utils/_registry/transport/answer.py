# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The answer to an HTTP request: status, headers, and the body as a bounded stream (RFC 9110, RFC 9112).

transport.py creates it; callers read the body, which frees the connection at its end.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.text import visible
from ..errors import REPORT, TRY_AGAIN, ConnectionFailed, ProtocolBroken, RegistryError, TooLong
from .coding import CodingInvalid, ContentTooLong, decoded, is_known, parse_codings
from .guard import CHUNK

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ..url import Url
    from .connection import Received
    from .guard import Guard

# bytes that may follow the last chunk of a chunked body
_TRAILER: t.Final = 64 * 1024
# bytes on the wire per byte of a chunked body; a chunk of one byte takes six
_FRAMING: t.Final = 8


class Answer:
    """The answer to one request: its head, and its unread body. A context manager that drops an unread rest."""

    def __init__(
        self, received: Received, guard: Guard, *, url: Url, method: str, peer: str | None, proxy: str | None = None
    ) -> None:
        self._received = received
        self._guard = guard
        self._open = True
        self.operation = guard.operation
        self.url = url
        self.method = method
        self.peer = peer
        self.proxy = proxy
        self.status = received.response.status
        self.headers = received.response.headers
        self.has_body = method != "HEAD" and self.status not in (204, 304)
        self.codings = parse_codings(self.header_lines("Content-Encoding")) if self.has_body else ()
        self.length = self._content_length()
        if self.status < 200:
            self.close()
            raise self._protocol_error("it switches to another protocol without a request to do so")

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def header(self, name: str) -> str | None:
        """Return the value of a header that occurs once; None if it is absent."""
        value: str | None = self.headers.get(name)
        return value

    def header_lines(self, name: str) -> list[str]:
        """Return all values of a header, one per line."""
        return [str(value) for value in self.headers.get_all(name) or ()]

    def chunks(self, limit: int) -> Iterator[bytes]:
        """Yield the body as received, codings included, in pieces of up to 64 KiB. At its end the connection is free.

        Raises ProtocolBroken for a body longer than limit, ConnectionFailed for one that is cut, TimedOut, and
        TlsFailed.
        """
        if self.has_body:
            self._guard.allow(limit if self.length is not None else limit * _FRAMING + _TRAILER)
            yield from self._read(limit)
        self._open = False
        self._received.finish()

    def content(self, limit: int) -> Iterator[bytes]:
        """Yield the body without the codings that a server applied unasked, in pieces.

        limit applies to the body and after each coding. Raises as chunks() does, and ProtocolBroken for codings that
        are unknown or do not fit the body.
        """
        if not is_known(self.codings):
            self.close()
            raise self.coding_error()
        try:
            yield from decoded(self.chunks(limit), self.codings, limit=limit)
        except ContentTooLong:
            raise self._length_error(limit) from None
        except CodingInvalid as exc:
            raise self._protocol_error(str(exc)) from None

    def read(self, limit: int) -> bytes:
        """Return the whole content. Raises as content() does."""
        body = bytearray()  # a list of small pieces could take a hundred times the memory
        for piece in self.content(limit):
            body += piece
        return bytes(body)

    @property
    def is_page(self) -> bool:
        """Whether the Content-Type is that of a web page."""
        kind = (self.header("Content-Type") or "").partition(";")[0].strip().lower()
        return self.has_body and kind in ("text/html", "application/xhtml+xml")

    def page_error(self) -> ProtocolBroken:
        """Return the error for a web page, such as a login page, with a status of success."""
        through = "" if self.proxy is None else f" through the proxy {self.proxy}"
        suspect = "login page" if self.proxy is None else "login page or proxy"
        return self.operation.error(
            ProtocolBroken,
            f"{self.url.origin.authority} answers with a web page{through}",
            f"check that this is the address of a registry, and that no {suspect} answers in its place",
            status=self.status,
            url=self.url.safe,
        )

    def coding_error(self) -> ProtocolBroken:
        """Return the error for a Content-Encoding that cannot be decoded."""
        coding = visible(", ".join(self.codings), limit=40)
        return self.operation.error(
            ProtocolBroken,
            f"{self.url.origin.authority} answers with Content-Encoding {coding}, although the request excludes it",
            "switch off compression in the server or proxy that applies it",
            status=self.status,
            url=self.url.safe,
        )

    def discard(self) -> None:
        """Discard the body: read a short one to keep the connection for the next request, or close the connection."""
        try:
            if self.length is not None and self.length <= CHUNK:
                for dummy in self.chunks(CHUNK):
                    pass
        except RegistryError:
            pass  # the body does not matter, and close() handles the connection
        self.close()

    def close(self) -> None:
        """Close the connection unless the body was read to its end."""
        if self._open:
            self._open = False
            self._received.abandon()

    def _read(self, limit: int) -> Iterator[bytes]:
        if self.length is not None and self.length > limit:
            raise self._length_error(limit)
        from .connection import CONNECTION_ERRORS

        left = self.length
        count = 0
        read = self._received.response.read1
        while left is None or left > 0:
            try:
                data = read(CHUNK)
            except CONNECTION_ERRORS as exc:
                raise self._connection_error(exc) from None
            if not data:
                break
            count += len(data)
            if count > limit:
                raise self._length_error(limit)
            if left is not None:
                left -= len(data)
            yield data
        if left:
            raise self._truncation_error(count)

    def _content_length(self) -> int | None:
        """Return the Content-Length of the body, None without one (RFC 9110, 8.6; RFC 9112, 6.3)."""
        coding = ",".join(self.header_lines("Transfer-Encoding")).lower()
        if coding and coding != "chunked":
            self.close()
            raise self._protocol_error(f"its Transfer-Encoding {visible(coding, limit=40)} is not supported")
        values = {value.strip() for line in self.header_lines("Content-Length") for value in line.split(",")}
        if coding or not values:
            return None
        value = values.pop()
        if values or not re.fullmatch(r"[0-9]{1,19}", value):
            if not self.has_body:
                return None
            self.close()
            raise self._protocol_error("its Content-Length is not one number")
        return int(value)

    def _connection_error(self, exc: Exception) -> Exception:
        from .failures import translate

        return translate(exc, self.operation, self.url.origin)

    def _protocol_error(self, why: str, kind: type[ProtocolBroken] = ProtocolBroken) -> ProtocolBroken:
        return self.operation.error(
            kind,
            f"the answer of {self.url.origin.authority} cannot be used: {why}",
            REPORT,
            status=self.status,
            url=self.url.safe,
        )

    def _length_error(self, limit: int) -> ProtocolBroken:
        return self._protocol_error(f"the body is longer than {limit} bytes", TooLong)

    def _truncation_error(self, count: int) -> ConnectionFailed:
        return self.operation.error(
            ConnectionFailed,
            f"the answer of {self.url.origin.authority} ended after {count} of {self.length} bytes",
            TRY_AGAIN,
            transient=True,
            url=self.url.safe,
        )


def is_markup(body: bytes) -> bool:
    """Tell whether a body begins like a web page and not like a JSON document."""
    return body[:512].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


__all__ = ("Answer", "is_markup")
