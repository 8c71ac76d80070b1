# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Lookup of repositories and content in a snapshot, with the refusals of the distribution-spec. Called by app.py."""

from __future__ import annotations

import typing as t

from ..._base.text import quote
from ..._oci.digest import Digest
from ..._oci.errors import DigestError, ReferenceInvalid
from ..._oci.names import check_repository
from ..errors import Refusal

if t.TYPE_CHECKING:
    from ..content.snapshot import Repository, ServedFile, Snapshot
    from .target import Target

# tells whether the client may know that a repository exists
MaySee = t.Callable[[str], bool]

_UNKNOWN: t.Final = {"manifest": "MANIFEST_UNKNOWN", "blob": "BLOB_UNKNOWN"}


def find_repository(snapshot: Snapshot, name: str, may_see: MaySee) -> Repository:
    """Return the repository with this name.

    Raises Refusal: 404 if it does not exist or the client may not see it, 400 if the name is malformed.
    """
    repository = snapshot.repositories.get(name)
    if repository is not None and may_see(name):
        return repository
    try:
        check_repository(name)
    except ReferenceInvalid as exc:
        raise Refusal(400, "NAME_INVALID", exc.message) from None
    raise Refusal(404, "NAME_UNKNOWN", f"There is no repository {quote(name)} here.")


def find_content(repository: Repository, target: Target) -> ServedFile:
    """Return the content that target names. Raises Refusal: 404 if it does not exist, 400 for a malformed digest."""
    wanted = target.reference
    if target.kind == "blob":
        content = repository.blobs.get(wanted)
    else:
        content = repository.tags.get(wanted) or repository.manifests.get(wanted)
    if content is None:
        if target.kind == "blob" or ":" in wanted:
            check_digest(wanted)
        raise unknown(target)
    return content


def check_digest(text: str) -> None:
    """Raise Refusal 400 unless the text is a digest."""
    try:
        Digest.parse(text)
    except DigestError as exc:
        raise Refusal(400, "DIGEST_INVALID", exc.message) from None


def unknown(target: Target) -> Refusal:
    """Return the refusal 404 for content that does not exist."""
    code = _UNKNOWN[target.kind]
    return Refusal(404, code, f"The repository {quote(target.name)} has no {target.kind} {quote(target.reference)}.")


__all__ = ("MaySee", "check_digest", "find_content", "find_repository", "unknown")
