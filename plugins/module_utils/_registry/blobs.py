# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Download blobs as verified streams that resume after a lost connection (distribution-spec, "Pulling blobs").

Range requests follow RFC 9110, section 14. client.py creates the streams; head_blob() of client.py asks for sizes.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from .._oci.digest import Digest, Verifier
from .._oci.errors import OciError, SizeMismatch
from .caller import Call
from .errors import REPORT, TRY_AGAIN, ConnectionFailed, NotFound, ProtocolBroken, RegistryError
from .retry import is_refusal
from .transport.coding import CodingInvalid, decoded, is_known, parse_codings, which_has_digest
from .transport.guard import CHUNK

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from hashlib import _Hash

    from .caller import Caller
    from .errors import Operation
    from .foreign import ForeignSource
    from .retry import Attempts
    from .transport.answer import Answer
    from .url import Url

# bytes of a blob of unknown size
MAX_UNKNOWN: t.Final = 1 << 40
# bytes of a decompressed answer for a blob of unknown size
MAX_DECODED: t.Final = 1 << 34
# a strong entity tag (RFC 9110, 8.8.3)
_ETAG: t.Final = re.compile(r'"[!#-~\x80-\xff]{0,1022}"')
# a Content-Range header of bytes (RFC 9110, 14.4)
_RANGE: t.Final = re.compile(r"bytes[ \t]+([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE)


@dataclass(frozen=True)
class ContentRange:
    """The part of a body that an answer 206 holds: first byte, last byte, and the total length if stated."""

    first: int
    last: int
    total: int | None


@dataclass(frozen=True)
class BlobRequest:
    """The blob to download. size is None if unknown; state has hashed the bytes before offset."""

    url: Url
    digest: Digest
    size: int | None
    offset: int = 0
    state: _Hash | None = field(default=None, repr=False)
    foreign: ForeignSource | None = None


class BlobStream:
    """The bytes of a blob from an offset on: an iterator and a context manager, for one thread at a time.

    The content is verified only when the iteration ends: SizeMismatch or DigestMismatch is raised in place of its end.
    The first request is sent for the first piece. After a lost connection the stream resumes with a Range request to
    the registry. size is known after the first piece at the latest; received counts the bytes so far, offset included.
    """

    def __init__(
        self,
        caller: Caller,
        operation: Operation,
        request: BlobRequest,
        *,
        count: Callable[[int], None],
    ) -> None:
        self.operation = operation
        self.size = request.size
        self.resumed_from = request.offset
        self._caller = caller
        self._request = request
        self._count = count
        self._deadline = caller.deadline()
        self._verifier = Verifier(
            request.digest,
            request.size,
            what=_describe_blob(operation, request.digest),
            state=request.state,
            received=request.offset,
        )
        self._etag: str | None = None
        self._ranges = True
        self._decodes: bool | None = None
        self._from_foreign = False
        self._pieces = self._run()

    def __enter__(self) -> BlobStream:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def __next__(self) -> bytes:
        return next(self._pieces)

    @property
    def received(self) -> int:
        """The number of bytes of the blob so far, those before the offset included."""
        return self._verifier.received

    def close(self) -> None:
        """End the download. Closes the connection unless the blob was read to its end."""
        self._pieces.close()

    def _run(self) -> t.Generator[bytes, None, None]:
        attempts = self._caller.attempts(self._deadline)
        while self.size is None or self.received < self.size:
            try:
                if (yield from self._attempt(attempts)):
                    break
            except RegistryError as exc:
                attempts.wait_or_raise(exc)
            except OciError as exc:
                self.operation.annotate(exc)
                raise
        try:
            self._verifier.finish()
        except OciError as exc:
            self.operation.annotate(exc)
            raise

    def _attempt(self, attempts: Attempts) -> t.Generator[bytes, None, bool]:
        """Send one request and yield its content; return False if it was used up to find out how to read the answer."""
        start = self.received
        with self._open() as answer:
            if not self._is_readable(answer):
                self._decodes = self._find_coding(answer)
                return False
            skip = self._skip(answer)
            if skip is None:
                return True
            try:
                yield from self._pieces_of(answer, skip)
            finally:
                if self.received - start >= self._caller.options.retry.progress:
                    attempts.progressed()
        return True

    def _pieces_of(self, answer: Answer, skip: int) -> Iterator[bytes]:
        update = self._verifier.update
        for piece in self._content(answer, self._body_limit(skip)):
            data = piece
            if skip:
                data = piece[skip:]
                skip -= len(piece) - len(data)
            if data:
                update(data)
                yield data
        if self.size is not None and self.received < self.size:
            raise self._truncation_error()
        self.size = self.received

    def _content(self, answer: Answer, limit: int) -> Iterator[bytes]:
        """Yield the bytes of the blob; the codings of the answer may belong to them."""
        if not (answer.codings and self._decodes):
            yield from self._count_chunks(answer, limit)
            return
        try:
            yield from decoded(self._count_chunks(answer, limit), answer.codings, limit=limit)
        except CodingInvalid as exc:
            raise self.operation.error(ProtocolBroken, str(exc), REPORT) from None

    def _count_chunks(self, answer: Answer, limit: int) -> Iterator[bytes]:
        for piece in answer.chunks(limit):
            self._count(len(piece))
            yield piece

    def _is_readable(self, answer: Answer) -> bool:
        """Tell whether it is known if the blob is the body as received or the decoded body.

        Storage names the coding of what it stores; proxies name the coding that they applied themselves. The size tells
        the two apart, and a web page from a blob, if both sides state it. Raises RegistryError.
        """
        if answer.status == 416 or not (answer.codings or answer.is_page):
            return True
        if answer.status == 206:
            part = parse_content_range(answer.header("Content-Range"))
            if self._decodes is False or (part is not None and self.size is not None and part.total == self.size):
                return True
            raise self._unusable_range("the answer has a Content-Encoding")
        if self.size is None or answer.length is None:
            return self._decodes is not None
        if answer.length == self.size:
            self._decodes = False
        elif not answer.codings:
            raise answer.page_error()
        else:
            self._decodes, self._ranges = self._require_known_codings(answer), False
        return True

    def _require_known_codings(self, answer: Answer) -> bool:
        if is_known(answer.codings):
            return True
        raise answer.coding_error()

    def _find_coding(self, answer: Answer) -> bool:
        """Read a whole answer to find out whether its body or its decoded body has the digest. Raises RegistryError."""
        size = self.size
        found = which_has_digest(
            self._count_chunks(answer, MAX_UNKNOWN if size is None else size + CHUNK),
            answer.codings,
            self._request.digest.new_hash,
            limit=MAX_DECODED if size is None else size,
        )
        if self._request.digest.encoded == found.stored:
            return False
        if self._request.digest.encoded == found.content:
            self._ranges = False
            return True
        if answer.is_page:
            raise answer.page_error()
        wanted = self._request.digest
        raise self.operation.wrong_digest(expected=wanted, actual=f"{wanted.algorithm}:{found.stored}")

    def _body_limit(self, skip: int) -> int:
        """Return the limit of the body: one piece more than expected, so that the verifier detects the excess."""
        return (MAX_UNKNOWN if self.size is None else self.size - self.received) + skip + CHUNK

    def _open(self) -> Answer:
        """Open the next answer, from the registry or, if that is allowed, from a foreign URL."""
        headers = {"Accept": "*/*"}
        statuses: tuple[int, ...] = (200,)
        if self.received and self._ranges:
            headers["Range"] = f"bytes={self.received}-"
            if self._etag is not None:
                headers["If-Range"] = self._etag
            statuses = (200, 206, 416)
        call = Call(self.operation, self._request.url, headers=headers, statuses=statuses, deadline=self._deadline)
        foreign = self._request.foreign
        if not self._from_foreign or foreign is None:
            try:
                return self._caller.open(call)
            except NotFound as exc:
                if foreign is None:
                    raise
                missing = exc
            foreign.require_allowed(missing)
            self._from_foreign = True
        return foreign.open(call)

    def _skip(self, answer: Answer) -> int | None:
        """Return how many bytes of the body to skip; None if nothing is left to read."""
        etag = answer.header("ETag")
        if etag is not None and _ETAG.fullmatch(etag):
            self._etag = etag
        if answer.status == 200:
            self._learn_size(None if answer.codings and self._decodes else answer.length)
            return self.received
        stated = answer.header("Content-Range")
        if answer.status == 416:
            if self.size is None and (stated or "").replace(" ", "").lower() == f"bytes*/{self.received}":
                self.size = self.received
                return None
            raise self._unusable_range("it answers 416")
        part = parse_content_range(stated)
        if part is None or part.first != self.received or (part.total or self.size) != (self.size or part.total):
            raise self._unusable_range("its Content-Range is not the requested one")
        if answer.length not in (None, part.last - part.first + 1):
            raise self._unusable_range("its Content-Length does not match its Content-Range")
        self._learn_size(part.total)
        return 0

    def _learn_size(self, stated: int | None) -> None:
        if stated is None:
            return
        if self.size is None:
            self.size = self._verifier.size = stated
        if stated != self.size or stated < self.received:
            message = self.operation.sentence(
                f"the registry announces {stated} bytes, expected {self.size}",
                "the image is broken, or the registry cannot be trusted",
            )
            raise SizeMismatch(message, expected=self.size, actual=stated)

    def _unusable_range(self, why: str) -> RegistryError:
        """Return the error for a failed resumption.

        The next attempt reads the blob from its start and skips the bytes that are known.
        """
        self._ranges = False
        return self.operation.error(
            ProtocolBroken,
            f"the registry does not resume at byte {self.received}: {why}",
            REPORT,
            transient=True,
        )

    def _truncation_error(self) -> RegistryError:
        return self.operation.error(
            ConnectionFailed,
            f"the download ended after {self.received} of {self.size} bytes",
            TRY_AGAIN,
            transient=True,
        )


def parse_content_range(value: str | None) -> ContentRange | None:
    """Read a Content-Range header of bytes (RFC 9110, 14.4); None if it is not valid. Total."""
    match = _RANGE.fullmatch((value or "").strip())
    if match is None:
        return None
    first, last = int(match.group(1)), int(match.group(2))
    total = None if match.group(3) == "*" else int(match.group(3))
    if first > last or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)


def _describe_blob(operation: Operation, digest: Digest) -> str:
    """Return the blob, its repository and its registry as text for messages."""
    doing = operation.doing
    return doing.removeprefix("download ") if doing.startswith("download ") else f"the blob {digest} to {doing}"


def blob_size(caller: Caller, operation: Operation, url: Url, digest: Digest) -> int | None:
    """Return the size of a blob by HEAD, None if it is absent. Raises RegistryError.

    If HEAD is refused, as by storage whose URL is signed for GET, or describes an error message and not the blob, the
    size is taken from the head of a GET answer. Its body is read only if it has a Content-Encoding, because then the
    Content-Length may be that of content which a proxy compressed.
    """
    call = Call(operation, url, "HEAD", deadline=caller.deadline())
    try:
        answer, dummy = caller.document(call, limit=0)
    except RegistryError as exc:
        if not is_refusal(exc):
            raise
    else:
        if answer.length is not None and _describes(answer, digest):
            return answer.length
    call = replace(call, method="GET", statuses=(200, 404))
    answer, size = caller.consume(call, lambda answer: _stated_size(answer, digest))
    if size is None and answer.status != 404:
        raise operation.error(ProtocolBroken, "the registry does not state its size", "download it instead")
    return size


def _stated_size(answer: Answer, digest: Digest) -> int | None:
    """Return the size of a blob from the answer to a GET; None if the blob is absent or its size unknown."""
    if answer.status == 404:
        return None
    if not answer.codings:
        return answer.length
    found = which_has_digest(answer.chunks(MAX_UNKNOWN), answer.codings, digest.new_hash, limit=MAX_DECODED)
    if digest.encoded == found.stored:
        return found.stored_size
    return found.content_size if digest.encoded == found.content else None


def _describes(answer: Answer, digest: Digest) -> bool:
    """Tell whether the length in an answer to HEAD is that of the blob."""
    if parse_codings(answer.header_lines("Content-Encoding")):
        return False
    if answer.header("Docker-Content-Digest") is not None:
        return (answer.header("Docker-Content-Digest") or "").strip() == str(digest)
    return not (answer.header("Content-Type") or "text/").lower().startswith("text/")


__all__ = ("MAX_UNKNOWN", "BlobRequest", "BlobStream", "ContentRange", "blob_size", "parse_content_range")
