# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Snapshot: all repositories, tags and files served at a time, immutable. Made by loading.py, served by app.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ..._layout.stored import FileIdentity


# a tuple takes a third of the memory of an object with a dictionary, and there are many
class ServedFile(t.NamedTuple):
    """A verified file that can be served; layout is the absolute path of its OCI layout."""

    digest: str
    layout: str
    media_type: str
    identity: FileIdentity

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.identity.size

    @property
    def path(self) -> str:
        """The absolute path of the file. Its digest was found on disk and never comes from a request."""
        return f"{self.layout}/blobs/{self.digest.replace(':', '/', 1)}"


@dataclass(frozen=True)
class Referrer:
    """A manifest or index with a subject, as the list of referrers of the subject contains it.

    artifact_type is the artifactType of the document, or else the media type of its config; an index may have none
    (distribution-spec, "Listing Referrers").
    """

    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    annotations: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Repository:
    """A repository. The keys of manifests and blobs are digests; blobs contain all manifests too.

    tag_names are sorted by bytes (ASCII). The keys of referrers are digests of subjects, which may be absent.
    """

    name: str
    tags: Mapping[str, ServedFile] = field(hash=False)
    tag_names: tuple[str, ...]
    manifests: Mapping[str, ServedFile] = field(hash=False)
    blobs: Mapping[str, ServedFile] = field(hash=False)
    referrers: Mapping[str, tuple[Referrer, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class LeftOut:
    """An entry of the root directory that is not served, with the kind of the error and the reason in a sentence."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """All content that is served at a time. Immutable: a reload replaces it with another snapshot.

    began_ns is the time at which its loading began, in nanoseconds since 1970. stale lists repositories that are served
    in their previous state, with the reason why their current layouts are invalid.
    """

    root: str
    repositories: Mapping[str, Repository] = field(hash=False)
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    began_ns: int = 0
    stale: tuple[LeftOut, ...] = ()


__all__ = ("LeftOut", "Referrer", "Repository", "ServedFile", "Snapshot")
