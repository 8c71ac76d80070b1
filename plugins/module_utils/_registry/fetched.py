# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What a registry, or another source of images, returns for a manifest: the document, or only its digest."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .._oci.digest import Digest
    from .._oci.index import Index
    from .._oci.manifest import Manifest


@dataclass(frozen=True)
class Fetched:
    """A manifest or index, and the digest computed from its bytes."""

    digest: Digest
    document: Manifest | Index


@dataclass(frozen=True)
class ManifestHead:
    """What a registry states about a manifest in answer to HEAD; None where it states nothing."""

    digest: Digest | None
    media_type: str | None
    size: int | None = None


__all__ = ("Fetched", "ManifestHead")
