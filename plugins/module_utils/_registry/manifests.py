# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Get manifests and indexes and verify them (distribution-spec, "Pulling manifests").

Called by Registry.manifest() and by resolver.py.
"""

from __future__ import annotations

import typing as t

from .._base.errors import CollectionError, JsonInvalid
from .._oci.digest import Digest
from .._oci.document import parse_document
from .._oci.errors import OciError, SizeMismatch
from .caller import Call
from .fetched import Fetched
from .manifest_head import ACCEPT_HEADER, manifest_path, mismatch_error, stated_digest

if t.TYPE_CHECKING:
    from .._oci.descriptor import Descriptor
    from .._oci.reference import Selector
    from .caller import Caller
    from .errors import Operation
    from .transport.answer import Answer

MAX_BYTES: t.Final = 4 * 1024 * 1024


class ManifestReader:
    """Gets and verifies the manifests of one repository."""

    def __init__(self, caller: Caller, *, repository: str) -> None:
        self._caller = caller
        self._repository = repository
        self._warn = caller.options.warn
        self._deadline = caller.deadline()

    def get(self, operation: Operation, selector: Selector) -> Fetched:
        """GET a manifest; a tag with a digest must lead to that digest.

        The digest is computed from the bytes and must equal the requested one and the one that the answer states.
        Raises RegistryError, DigestMismatch, and what parse_document() raises.
        """
        call = Call(
            operation,
            self._caller.endpoint.manifest(self._repository, manifest_path(selector)),
            headers=ACCEPT_HEADER,
            deadline=self._deadline,
        )
        answer, body = self._caller.document(call, limit=MAX_BYTES)
        digest = Digest.of(body) if selector.digest is None else Digest.of(body, selector.digest.algorithm)
        if selector.digest is not None and digest != selector.digest:
            raise mismatch_error(operation, selector, expected=selector.digest, actual=digest)
        self._check_header(answer, body, operation)
        return self._parse(operation, body, digest, answer.header("Content-Type"), strict=selector.digest is None)

    def get_child(self, operation: Operation, descriptor: Descriptor) -> Fetched:
        """GET the target of an index entry; digest, size and type must match the descriptor. Raises as get() does."""
        if descriptor.data is not None:
            body = descriptor.data
        else:
            url = self._caller.endpoint.manifest(self._repository, str(descriptor.digest))
            call = Call(operation, url, headers=ACCEPT_HEADER, deadline=self._deadline)
            dummy, body = self._caller.document(call, limit=MAX_BYTES)
        digest = Digest.of(body, descriptor.digest.algorithm)
        if digest != descriptor.digest:
            raise operation.wrong_digest(expected=descriptor.digest, actual=str(digest))
        if len(body) != descriptor.size:
            raise _annotate(
                operation,
                SizeMismatch(
                    operation.sentence(
                        f"the manifest has {len(body)} bytes, but the index announces {descriptor.size}",
                        "the index is broken; push the image again",
                    ),
                    expected=descriptor.size,
                    actual=len(body),
                ),
            )
        return self._parse(operation, body, digest, descriptor.media_type, strict=True)

    def _parse(
        self, operation: Operation, body: bytes, digest: Digest, media_type: str | None, *, strict: bool
    ) -> Fetched:
        try:
            document = parse_document(body, media_type=media_type, strict=strict, what=f"the manifest {digest}")
        except (OciError, JsonInvalid) as exc:
            raise _annotate(operation, exc) from None
        return Fetched(digest, document)

    def _check_header(self, answer: Answer, body: bytes, operation: Operation) -> None:
        stated = stated_digest(answer, self._caller.endpoint, self._repository, self._warn)
        actual = None if stated is None else Digest.of(body, stated.algorithm)
        if stated is not None and actual != stated:
            raise operation.wrong_digest(expected=stated, actual=str(actual))


E = t.TypeVar("E", bound=CollectionError)


def _annotate(operation: Operation, error: E) -> E:
    operation.annotate(error)
    return error


__all__ = ("MAX_BYTES", "ManifestReader")
