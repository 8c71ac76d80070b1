# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Upload one blob: in one request, or in chunks, resumed after a lost connection (distribution-spec, "Pushing blobs").

Called by pusher.py. An upload is a session of the registry: POST begins it, PATCH adds a chunk, PUT adds the rest and
closes it, GET asks how much has arrived, DELETE cancels it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from http import HTTPStatus

from ..caller import Call
from ..errors import REPORT, ProtocolBroken, RegistryError
from .refusals import explain_refusal
from .session import begun_session, check_digest, continued_session, parse_end
from .source import SourceFailed

if t.TYPE_CHECKING:
    from ..._oci.digest import Digest
    from ..caller import Caller
    from ..errors import Operation
    from ..transport.answer import Answer
    from ..transport.transport import Body, Method
    from ..url import Url
    from .session import Session
    from .source import BlobSource

_OCTETS: t.Final = {"Content-Type": "application/octet-stream"}
# of answers that end a session: it is unknown, or does not go on at this byte
_LOST: t.Final = (HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
_LOST_CODES: t.Final = ("BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "RANGE_INVALID")


@dataclass(frozen=True)
class UploadRequest:
    """The blob to upload: url begins a session, scopes are what its requests need.

    chunk_size limits the body of a request; None sends the blob in one request.
    """

    url: Url
    digest: Digest
    scopes: frozenset[str]
    chunk_size: int | None = None


class Upload:
    """The upload of one blob; for one thread, and one run.

    session is one that the registry began before. is_there asks whether the registry has the blob, which an upload may
    have completed although its last answer was lost.
    """

    def __init__(
        self,
        caller: Caller,
        operation: Operation,
        request: UploadRequest,
        *,
        source: BlobSource,
        session: Session | None,
        is_there: t.Callable[[], bool],
    ) -> None:
        self._caller = caller
        self._operation = operation
        self._request = request
        self._source = source
        self._session = session
        self._is_there = is_there
        self._deadline = caller.deadline()
        self._attempts = caller.attempts(self._deadline)
        self._offset = 0
        self._furthest = 0
        self._reported = 0
        self._closing = False

    def run(self) -> None:
        """Upload the blob. Cancels the session if it fails. Raises RegistryError and the errors of the source."""
        try:
            self._run()
        except SourceFailed as exc:
            self._cancel()
            raise exc.reason from None
        except BaseException:
            self._cancel()
            raise

    def _run(self) -> None:
        has_failed = False
        while True:
            try:
                if has_failed and self._is_complete():
                    return
                if self._session is None:
                    self._begin()
                self._send()
                return
            except RegistryError as exc:
                self._attempts.wait_or_raise(exc)
                has_failed = True

    # --- the requests ---

    def _begin(self) -> None:
        url = self._request.url
        with self._open("POST", url, statuses=(HTTPStatus.ACCEPTED,)) as answer:
            self._session, self._offset = begun_session(answer, self._operation, self._caller), 0
            answer.discard()

    def _send(self) -> None:
        """Send what the registry does not have, and close the session."""
        size, limit = self._source.size, self._chunk_limit()
        if self._offset or size > limit:
            while self._offset < size:
                self._send_chunk(min(limit, size - self._offset))
        self._close(self._offset)

    def _chunk_limit(self) -> int:
        chosen = self._request.chunk_size or self._source.size
        minimum = 1 if self._session is None else self._session.minimum
        return max(chosen, minimum)

    def _send_chunk(self, length: int) -> None:
        session, start = t.cast("Session", self._session), self._offset
        headers = {**_OCTETS, "Content-Range": f"{start}-{start + length - 1}"}
        body = self._source.body(start, length)
        statuses = (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT, HTTPStatus.CREATED)
        with self._continue("PATCH", session.url, statuses=statuses, headers=headers, body=body) as answer:
            end = parse_end(answer.header("Range"))
            self._session = continued_session(session, answer, self._operation, self._caller)
            answer.discard()
        self._advance(end, start=start, length=length)

    def _advance(self, end: int | None, *, start: int, length: int) -> None:
        """Go on after the byte that the registry names as the last one it has.

        Other clients ignore what it says, so without a readable answer the whole chunk counts as kept. The digest of
        the closing request shows whether it was.
        """
        if end is None:
            end = start + length - 1
        if end >= start + length:
            raise self._range_error("the registry claims to have more bytes than were sent")
        if end < start or (end == 0 and length > 1):
            # 0-0 is what some registries say of an upload without any bytes
            raise self._range_error(f"the registry kept nothing of the bytes from {start} on", transient=True)
        self._offset = end + 1
        self._progress()
        if self._offset < start + length:
            # counts as a failure: a registry that keeps a byte of each chunk would go on for ever
            raise self._range_error(f"the registry kept {self._offset - start} of {length} bytes", transient=True)

    def _close(self, start: int) -> None:
        session, rest = t.cast("Session", self._session), self._source.size - start
        statuses = (HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
        body = self._source.body(start, rest) if rest else None
        url = session.closing_url(self._request.digest)
        self._closing = True
        with self._continue("PUT", url, statuses=statuses, headers=_OCTETS, body=body) as answer:
            if answer.is_page:
                raise answer.page_error()
            check_digest(answer, self._operation, self._request.digest)
            self._session = None
            answer.discard()

    def _open(
        self,
        method: Method,
        url: Url,
        *,
        statuses: tuple[int, ...],
        headers: t.Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> Answer:
        call = Call(
            self._operation,
            url,
            method,
            headers={**({} if body or method == "GET" else {"Content-Length": "0"}), **(headers or {})},
            statuses=statuses,
            deadline=self._deadline,
            body=body,
            scopes=self._request.scopes,
            hops=None if self._session is None else self._session.hops,
        )
        try:
            return self._caller.open(call)
        except RegistryError as exc:
            size = None if body is None else body.length
            raise explain_refusal(exc, self._operation, method=method, size=size) from None

    def _continue(self, method: Method, url: Url, **options: t.Any) -> Answer:
        """Make a request of the session; an answer that the session is lost is transient."""
        try:
            return self._open(method, url, **options)
        except RegistryError as exc:
            if exc.fields.get("status") in _LOST or exc.fields.get("code") in _LOST_CODES:
                exc.transient = True
            raise

    # --- after a failure ---

    def _is_complete(self) -> bool:
        """Find out where the upload goes on after a failure; return whether the registry has the blob already."""
        if self._session is not None:
            end = self._ask_for_end(self._session)
            # 0-0 is what some registries say of an upload without any bytes
            if end and end < self._source.size:
                self._offset = end + 1
                return False
            self._cancel()
        return self._closing and self._is_there()

    def _ask_for_end(self, session: Session) -> int | None:
        """Return the last byte that the session has; None if it is lost or does not say so."""
        try:
            with self._open("GET", session.url, statuses=(HTTPStatus.NO_CONTENT, HTTPStatus.ACCEPTED)) as answer:
                end = parse_end(answer.header("Range"))
                self._session = continued_session(session, answer, self._operation, self._caller)
                answer.discard()
                return end
        except RegistryError as exc:
            if exc.transient:
                raise
            self._session = None
            return None

    def _progress(self) -> None:
        """Let the attempts count anew after progress past all earlier attempts."""
        self._furthest = max(self._furthest, self._offset)
        if self._furthest - self._reported >= self._caller.options.retry.progress:
            self._reported = self._furthest
            self._attempts.progressed()

    def _cancel(self) -> None:
        """End the session, once; the registry removes it by itself if this fails."""
        if self._session is None:
            return
        session, self._session = self._session, None
        cancel(self._caller, self._operation, session, scopes=self._request.scopes, deadline=self._deadline)

    def _range_error(self, why: str, *, transient: bool = False) -> ProtocolBroken:
        return self._operation.error(ProtocolBroken, why, REPORT, transient=transient)


def cancel(
    caller: Caller, operation: Operation, session: Session, *, scopes: frozenset[str], deadline: float | None
) -> None:
    """Cancel a session; its failures do not matter (distribution-spec, "Cancel a blob upload").

    A session on another server ends by itself: the registry must not choose where else the client deletes something.
    """
    if session.hops is not None:
        return
    call = Call(
        operation,
        session.url,
        "DELETE",
        headers={"Content-Length": "0"},
        statuses=(HTTPStatus.NO_CONTENT, HTTPStatus.OK, HTTPStatus.ACCEPTED),
        deadline=deadline,
        scopes=scopes,
        hops=session.hops,
    )
    try:
        caller.open(call).discard()
    except RegistryError:
        return


__all__ = ("Upload", "UploadRequest", "cancel")
