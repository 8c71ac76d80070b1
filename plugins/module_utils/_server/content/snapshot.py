# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ..._layout.stored import FileIdentity


# a tuple, because there are many of them in memory: a third of the size of an object with a dictionary
class ServedFile(t.NamedTuple):
    """A verified file that can be served; layout is the absolute path of the OCI layout that it is in."""

    digest: str
    layout: str
    media_type: str
    identity: FileIdentity

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.identity.size

    @property
    def path(self) -> str:
        """The absolute path of the file; the digest is one that was found on the disk, never that of a request."""
        return f"{self.layout}/blobs/{self.digest.replace(':', '/', 1)}"


@dataclass(frozen=True)
class Referrer:
    """A manifest or index with a subject, as the list of that subject's referrers shows it.

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
    """What is served under one name. manifests and blobs are found by digest; every manifest is among the blobs too.

    tag_names are in the order of their bytes (ASCII). referrers are found by the digest of their subject, which need
    not be there itself.
    """

    name: str
    tags: Mapping[str, ServedFile] = field(hash=False)
    tag_names: tuple[str, ...]
    manifests: Mapping[str, ServedFile] = field(hash=False)
    blobs: Mapping[str, ServedFile] = field(hash=False)
    referrers: Mapping[str, tuple[Referrer, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class LeftOut:
    """Something in the root directory that is not served, and why in one sentence. kind is that of the error."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """All that is served at one time. Never changes: a reload makes another one and puts it in this one's place.

    began_ns is when its loading began, in nanoseconds since 1970. stale are the repositories that are served as they
    were before, with what is wrong with their layouts now.
    """

    root: str
    repositories: Mapping[str, Repository] = field(hash=False)
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    began_ns: int = 0
    stale: tuple[LeftOut, ...] = ()


__all__ = ("LeftOut", "Referrer", "Repository", "ServedFile", "Snapshot")
