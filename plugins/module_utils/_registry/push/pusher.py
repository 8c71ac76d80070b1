# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Write to a repository of a registry: blobs, manifests, tags (distribution-spec, "Push" and "Content Management").

The door to this room, which _module uses. client.py does not import it, so that modules that only read do not carry it.
"""

from __future__ import annotations

import threading
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote as percent_encode

from ..._oci.digest import Digest
from ..._oci.errors import DigestError
from ..caller import Call
from ..errors import Denied, Operation, RegistryError, Unauthorized
from ..manifest_head import stated_digest
from ..retry import is_refusal
from ..transport.transport import Body
from ..url import Url
from .deletion import delete_blob, delete_manifest
from .refusals import explain_refusal
from .session import begun_session, check_digest
from .source import BlobSource
from .upload import Upload, UploadRequest, cancel

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._oci.descriptor import Descriptor
    from ..client import Registry
    from ..transport.answer import Answer
    from ..transport.transport import Method
    from .session import Session
    from .source import OpenSource

# of an answer to a manifest whose blobs another client pushes at this moment, and the seconds before the next attempts
_RACE_CODES: t.Final = ("BLOB_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN")
_RACE_PAUSES: t.Final = (0.05, 0.5)
_CREATED: t.Final = (HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)


@dataclass(frozen=True)
class PushedManifest:
    """A manifest that was pushed: its digest, and the subject if the registry lists the manifest as its referrer."""

    digest: Digest
    subject: Digest | None


class Pusher:
    """Writes to one repository of a registry; a context manager that cancels the uploads it has not used.

    Threads may share it. Every operation raises RegistryError: NotOffered if the registry is read-only, Rejected if it
    does not accept the content. Nothing is written that was not asked for: what is there already is the caller's to
    find out, by has_blob() and Registry.head_manifest().
    """

    def __init__(self, registry: Registry, repository: str) -> None:
        self.repository = registry.repository(repository)
        self._caller = registry.caller
        self._name = registry.name
        self._push = frozenset([f"repository:{self.repository}:pull,push"])
        self._lock = threading.Lock()
        self._sessions: dict[Digest, Session] = {}
        self._uploaded = 0

    def __enter__(self) -> Pusher:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the uploads that mount() has begun and push_blob() has not used."""
        with self._lock:
            sessions, self._sessions = self._sessions, {}
        for digest, session in sessions.items():
            self._cancel(digest, session)

    @property
    def uploaded(self) -> int:
        """The number of bytes of blobs sent so far; bytes that were sent twice count twice."""
        return self._uploaded

    def has_blob(self, digest: Digest) -> int | None:
        """Return the size of a blob; None if the repository does not have it, or its registry does not say so."""
        operation = self._operation(f"look up the blob {digest} of", digest)
        url = self._caller.endpoint.blob(self.repository, str(digest))
        call = self._call(operation, "HEAD", url, statuses=(HTTPStatus.OK, HTTPStatus.NOT_FOUND))
        try:
            answer, dummy = self._caller.document(call, limit=0)
        except RegistryError as exc:
            if isinstance(exc, (Denied, Unauthorized)) or not is_refusal(exc):
                raise
            return None
        return None if answer.status == HTTPStatus.NOT_FOUND else answer.length

    def mount(self, digest: Digest, *, source_repository: str) -> bool:
        """Make a blob of another repository of this registry one of this repository; return whether that was done.

        If not, push_blob() uses the upload that the registry has begun instead. A refusal is not an error: the registry
        need not support mounting, and these credentials need not permit reading the other repository.
        """
        source = self._caller.endpoint.repository(source_repository)
        operation = self._operation(f"mount the blob {digest} of {source} in", digest)
        url = self._uploads(f"mount={_encode(digest)}&from={percent_encode(source, safe='')}")
        scopes = self._push | {f"repository:{source}:pull"}
        statuses = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
        call = self._call(operation, "POST", url, statuses=statuses, scopes=scopes)
        try:
            dummy, session = self._caller.consume(call, lambda answer: self._read_mount(operation, answer, digest))
        except RegistryError as exc:
            if exc.transient or not is_refusal(exc):
                raise
            return False
        with self._lock:
            earlier = self._sessions.pop(digest, None)
            if session is not None:
                self._sessions[digest] = session
        if earlier is not None:  # another repository did not have it either
            self._cancel(digest, earlier)
        return session is None

    def push_blob(self, descriptor: Descriptor, open_source: OpenSource, *, chunk_size: int | None = None) -> None:
        """Upload a blob, in one request or in chunks of chunk_size bytes.

        open_source opens the content from an offset on; it is called again after a lost connection. The pieces should
        end with an error if they are not the blob; then nothing of it remains in the registry. Raises that error, and
        SizeMismatch for a source of another size.
        """
        digest = descriptor.digest
        operation = self._operation(f"push the blob {digest} to", digest)
        with self._lock:
            session = self._sessions.pop(digest, None)
        # distribution-spec, "Pushing a blob in chunks": sha256 goes without saying
        query = None if digest.algorithm == "sha256" else f"digest-algorithm={digest.algorithm}"
        request = UploadRequest(self._uploads(query), digest, self._push, chunk_size)
        with BlobSource(operation, descriptor, open_source, count=self._count) as source:
            Upload(
                self._caller,
                operation,
                request,
                source=source,
                session=session,
                is_there=lambda: self.has_blob(digest) == descriptor.size,
            ).run()

    def push_manifest(self, content: bytes, media_type: str, reference: str | Digest) -> PushedManifest:
        """Store a manifest under a tag or its digest, byte for byte.

        Raises DigestMismatch if the registry states another digest, or the content does not have the one to push by.
        """
        expected = reference if isinstance(reference, Digest) else Digest.of(content)
        operation = self._operation(f"push the manifest {reference} to", reference)
        if Digest.of(content, expected.algorithm) != expected:
            actual = str(Digest.of(content, expected.algorithm))
            raise operation.wrong_digest(expected=expected, actual=actual)
        url = self._caller.endpoint.manifest(self.repository, str(reference))
        headers = {"Content-Type": media_type}
        call = self._call(operation, "PUT", url, statuses=_CREATED, headers=headers, body=_make_body(content))
        answer = self._write(call, size=len(content))
        if answer.is_page:
            raise answer.page_error()
        stated = stated_digest(answer, self._caller.endpoint, self.repository, self._caller.options.warn)
        if stated is not None and Digest.of(content, stated.algorithm) != stated:
            raise operation.wrong_digest(expected=Digest.of(content, stated.algorithm), actual=str(stated))
        return PushedManifest(expected, _subject(answer))

    def delete_manifest(self, reference: str | Digest) -> bool:
        """Delete a manifest by its digest, or a tag; return False if the repository does not have it.

        Raises NotOffered if the registry permits no deletion, or none of a tag alone.
        """
        return delete_manifest(self._caller, repository=self.repository, reference=reference)

    def delete_blob(self, digest: Digest) -> bool:
        """Delete a blob; return False if the repository does not have it. Raises NotOffered."""
        return delete_blob(self._caller, repository=self.repository, digest=digest)

    def _write(self, call: Call, *, size: int) -> Answer:
        """Make a call with retries and discard the body of its answer. Raises RegistryError.

        While another client pushes a blob, docker-registry rewrites the file that says that a repository has it, and
        refuses a manifest that refers to the blob, so that is tried again.
        """
        pauses = list(_RACE_PAUSES)
        while True:
            try:
                return self._caller.consume(call, _discard)[0]
            except RegistryError as exc:
                if not pauses or exc.fields.get("code") not in _RACE_CODES:
                    raise explain_refusal(exc, call.operation, method=call.method, size=size) from None
            self._caller.options.effects.sleep(pauses.pop(0))

    def _read_mount(self, operation: Operation, answer: Answer, digest: Digest) -> Session | None:
        session = None
        if answer.status == HTTPStatus.ACCEPTED:
            session = begun_session(answer, operation, self._caller)
        else:
            check_digest(answer, operation, digest)
        answer.discard()
        return session

    def _call(
        self,
        operation: Operation,
        method: Method,
        url: Url,
        *,
        statuses: tuple[int, ...],
        headers: t.Mapping[str, str] | None = None,
        body: Body | None = None,
        scopes: frozenset[str] | None = None,
    ) -> Call:
        empty = {"Content-Length": "0"} if body is None and method != "HEAD" else {}
        return Call(
            operation,
            url,
            method,
            headers={**empty, **(headers or {})},
            statuses=statuses,
            deadline=self._caller.deadline(),
            body=body,
            scopes=self._push if scopes is None else scopes,
        )

    def _uploads(self, query: str | None) -> Url:
        """Return the URL that begins an upload (end-4, end-11)."""
        endpoint = self._caller.endpoint
        return Url(endpoint.origin, f"{endpoint.prefix}/v2/{self.repository}/blobs/uploads/", query)

    def _operation(self, doing: str, reference: object) -> Operation:
        return Operation(f"{doing} {self.repository} at {self._name}", self._name, self.repository, str(reference))

    def _cancel(self, digest: Digest, session: Session) -> None:
        operation = self._operation(f"cancel the upload of the blob {digest} to", digest)
        cancel(self._caller, operation, session, scopes=self._push, deadline=self._caller.deadline())

    def _count(self, size: int) -> None:
        with self._lock:
            self._uploaded += size
        self._caller.options.sent(size)


def _discard(answer: Answer) -> None:
    answer.discard()


def _encode(digest: Digest) -> str:
    return percent_encode(str(digest), safe="")


def _make_body(content: bytes) -> Body:
    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield iter((content,) if content else ())

    return Body(len(content), opened)


def _subject(answer: Answer) -> Digest | None:
    """Return the subject that the registry has processed; None without a header, or if it is malformed."""
    try:
        return Digest.parse((answer.header("OCI-Subject") or "").strip())
    except DigestError:
        return None


__all__ = ("PushedManifest", "Pusher")
