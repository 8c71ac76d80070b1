# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:  # pragma: no cover
    from collections.abc import Mapping

    from .._layout.layout import Identity


@dataclass(frozen=True)
class Content:
    """A verified file that can be served. path is absolute; it comes from the disk, never from a request."""

    digest: str
    path: str
    media_type: str
    identity: Identity

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.identity.size


@dataclass(frozen=True)
class Repository:
    """What is served under one name. manifests and blobs are found by digest; every manifest is among the blobs too.

    tag_names are in the order of their bytes (ASCII).
    """

    name: str
    tags: Mapping[str, Content] = field(hash=False)
    tag_names: tuple[str, ...]
    manifests: Mapping[str, Content] = field(hash=False)
    blobs: Mapping[str, Content] = field(hash=False)


@dataclass(frozen=True)
class LeftOut:
    """Something in the root directory that is not served, and why in one sentence. kind is that of the error."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Snapshot:
    """All that is served at one time. Never changes: a reload makes another one and puts it in this one's place."""

    root: str
    repositories: Mapping[str, Repository] = field(hash=False)
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


__all__ = ("Content", "LeftOut", "Repository", "Snapshot")
