# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Find the digest that a reference leads to. Called by modules that write to a registry, to find out what is there."""

from __future__ import annotations

import typing as t

from ..._registry.errors import NotFound

if t.TYPE_CHECKING:
    from ..._oci.digest import Digest
    from ..._oci.reference import Selector
    from ..._registry.client import Registry


def find_digest(registry: Registry, repository: str, selector: Selector) -> Digest | None:
    """Return the digest, by HEAD if the registry answers that; None if it does not have the reference.

    Raises CollectionError, also for a tag with a digest that leads to another one.
    """
    head = registry.head_manifest(repository, selector)
    if head.digest is not None:
        return head.digest
    try:
        return registry.manifest(repository, selector).digest
    except NotFound:
        return None


__all__ = ("find_digest",)
