# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Ask for the digest of a manifest by HEAD (distribution-spec, "Checking if content exists in the registry").

Called by Registry.head_manifest(); manifests.py uses the same headers and checks.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._base.text import quote
from .._oci.digest import Digest
from .._oci.errors import DigestError
from .._oci.media_type import ACCEPT, is_index, is_manifest, parse_content_type
from .caller import Call
from .errors import RegistryError
from .retry import is_refusal

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .._oci.reference import Selector
    from .caller import Caller
    from .endpoint import Endpoint
    from .errors import Operation
    from .transport.answer import Answer

ACCEPT_HEADER: t.Final = {"Accept": ", ".join(ACCEPT)}


@dataclass(frozen=True)
class ManifestHead:
    """What a registry states about a manifest in answer to HEAD; None where it states nothing."""

    digest: Digest | None
    media_type: str | None


def head_manifest(caller: Caller, operation: Operation, selector: Selector, *, repository: str) -> ManifestHead:
    """HEAD a manifest. For a tag with a digest, a digest is returned only if the tag leads to it.

    An answer that refuses HEAD, or describes an error message instead of the manifest, gives no result: firewalls and
    registries treat HEAD and GET differently, and the following GET reports the reason. Raises RegistryError for other
    failures, see is_refusal().
    """
    url = caller.endpoint.manifest(repository, manifest_path(selector))
    call = Call(operation, url, "HEAD", headers=ACCEPT_HEADER, deadline=caller.deadline())
    try:
        answer, dummy = caller.document(call, limit=0)
    except RegistryError as exc:
        if is_refusal(exc):
            return ManifestHead(None, None)
        raise
    digest = stated_digest(answer, caller.endpoint, repository, caller.options.warn)
    if selector.digest is not None and digest != selector.digest:
        digest = None
    media_type = parse_content_type(answer.header("Content-Type"))
    return ManifestHead(digest, media_type if is_manifest(media_type) or is_index(media_type) else None)


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


__all__ = ("ACCEPT_HEADER", "ManifestHead", "head_manifest", "manifest_path", "stated_digest")
