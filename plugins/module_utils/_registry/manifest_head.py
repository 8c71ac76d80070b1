# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Ask for the digest of a manifest by HEAD (distribution-spec, "Checking if content exists in the registry").

Called by Registry.head_manifest() and Registry.look_up(); manifests.py uses the same headers and checks.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._base.text import quote
from .._oci.digest import Digest
from .._oci.errors import DigestError, DigestMismatch
from .._oci.media_type import ACCEPT, is_index, is_manifest, parse_content_type
from .caller import Call
from .errors import ProtocolBroken, RegistryError
from .fetched import ManifestHead
from .retry import is_refusal

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .._oci.reference import Selector
    from .caller import Caller
    from .endpoint import Endpoint
    from .errors import Operation
    from .transport.answer import Answer

ACCEPT_HEADER: t.Final = {"Accept": ", ".join(ACCEPT)}


def head_manifest(caller: Caller, operation: Operation, selector: Selector, *, repository: str) -> ManifestHead:
    """HEAD a manifest. For a tag with a digest, a digest is returned only if the tag leads to it.

    An answer that refuses HEAD, or describes an error message instead of the manifest, gives no result: firewalls and
    registries treat HEAD and GET differently, and the following GET reports the reason. Raises RegistryError for other
    failures, see is_refusal().
    """
    try:
        head = _ask(caller, operation, selector, repository=repository)
    except RegistryError as exc:
        if is_refusal(exc):
            return ManifestHead(None, None)
        raise
    return head if selector.digest in (None, head.digest) else replace(head, digest=None)


def require_head(caller: Caller, operation: Operation, selector: Selector, *, repository: str) -> ManifestHead:
    """HEAD a manifest and return its digest at least. A tag with a digest must lead to that digest.

    Raises RegistryError, also if the answer states no digest, and DigestMismatch.
    """
    head = _ask(caller, operation, selector, repository=repository)
    if head.digest is None:
        raise operation.error(
            ProtocolBroken,
            f"{caller.endpoint.name} does not state its digest in answer to HEAD",
            "read the manifest itself",
        )
    if selector.digest not in (None, head.digest):
        raise mismatch_error(operation, selector, expected=selector.digest, actual=head.digest)
    return head


def _ask(caller: Caller, operation: Operation, selector: Selector, *, repository: str) -> ManifestHead:
    url = caller.endpoint.manifest(repository, manifest_path(selector))
    call = Call(operation, url, "HEAD", headers=ACCEPT_HEADER, deadline=caller.deadline())
    answer, dummy = caller.document(call, limit=0)
    media_type = parse_content_type(answer.header("Content-Type"))
    digest = stated_digest(answer, caller.endpoint, repository, caller.options.warn)
    if not (is_manifest(media_type) or is_index(media_type)):
        return ManifestHead(digest, None)
    # a Content-Encoding is that of a proxy, and the length is that of what it compressed
    return ManifestHead(digest, media_type, None if answer.header_lines("Content-Encoding") else answer.length)


def mismatch_error(operation: Operation, selector: Selector, *, expected: Digest, actual: Digest) -> DigestMismatch:
    """Return the error for a manifest with another digest than that of the selector."""
    if selector.tag is None:
        return operation.wrong_digest(expected=expected, actual=str(actual))
    message = operation.sentence(
        f"the tag {selector.tag} now leads to {actual}, not to {expected}",
        "give the tag alone, the digest alone, or the new digest of the tag",
    )
    error = DigestMismatch(message, expected=str(expected), actual=str(actual))
    operation.annotate(error)
    return error


def manifest_path(selector: Selector) -> str:
    """Return the tag to request, even if there is a digest, because the tag must lead to it; else the digest."""
    return selector.tag or selector.path


def stated_digest(answer: Answer, endpoint: Endpoint, repository: str, warn: Callable[[str], None]) -> Digest | None:
    """Return the Docker-Content-Digest of an answer; None without one, or, with a warning, if it is malformed."""
    text = answer.header("Docker-Content-Digest")
    if text is None:
        return None
    try:
        return Digest.parse(text.strip())
    except DigestError:
        warn(
            f"{endpoint.name} states the digest {quote(text)} for a manifest of {repository}, "
            "which cannot be verified; it is ignored."
        )
        return None


__all__ = (
    "ACCEPT_HEADER",
    "head_manifest",
    "manifest_path",
    "mismatch_error",
    "require_head",
    "stated_digest",
)
