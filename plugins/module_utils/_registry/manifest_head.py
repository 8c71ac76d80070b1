# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

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
    """What a registry says about a manifest without sending it; None where it does not say."""

    digest: Digest | None
    media_type: str | None


def head_manifest(
    caller: Caller, operation: Operation, selector: Selector, *, repository: str, warn: Callable[[str], None]
) -> ManifestHead:
    """HEAD a manifest. Where there is a tag and a digest, a digest is returned only if the tag leads to it.

    A server that refuses it, or describes a message instead of the manifest, says nothing: firewalls and registries
    treat HEAD and GET differently, and a GET says why. Raises RegistryError where that would not help, see is_refusal.
    """
    url = caller.endpoint.manifest(repository, manifest_path(selector))
    call = Call(operation, url, "HEAD", headers=ACCEPT_HEADER, deadline=caller.deadline())
    try:
        answer, dummy = caller.document(call, limit=0)
    except RegistryError as exc:
        if is_refusal(exc):
            return ManifestHead(None, None)
        raise
    digest = stated_digest(answer, caller.endpoint, repository, warn)
    if selector.digest is not None and digest != selector.digest:
        digest = None
    media_type = parse_content_type(answer.header("Content-Type"))
    return ManifestHead(digest, media_type if is_manifest(media_type) or is_index(media_type) else None)


def manifest_path(selector: Selector) -> str:
    """What is asked for: the tag even where there is a digest, as what matters then is where the tag leads."""
    return selector.tag or selector.path


def stated_digest(answer: Answer, endpoint: Endpoint, repository: str, warn: Callable[[str], None]) -> Digest | None:
    """The Docker-Content-Digest of an answer; None if there is none, or, with a warning, one that cannot be checked."""
    text = answer.header("Docker-Content-Digest")
    if text is None:
        return None
    try:
        return Digest.parse(text.strip())
    except DigestError:
        warn(
            f"{endpoint.name} states the digest {quote(text)} for a manifest of {repository}, "
            "which is none; it is passed over."
        )
        return None


__all__ = ("ACCEPT_HEADER", "ManifestHead", "head_manifest", "manifest_path", "stated_digest")
