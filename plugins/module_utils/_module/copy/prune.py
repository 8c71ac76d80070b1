# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Remove tags at the target that the source does not have (option tags_from.prune). Called by run.py."""

from __future__ import annotations

import typing as t

from ..._registry.errors import NotOffered

if t.TYPE_CHECKING:
    from ..._oci.digest import Digest
    from .target import Target


def remove_tags(target: Target, tags: t.Mapping[str, Digest | None]) -> None:
    """Remove tags, which lead to these digests.

    A registry that deletes by digest alone is asked to delete the manifests, unless another tag leads to one of them.
    Raises RegistryError; NotOffered if the registry does not permit it, or for such a tag.
    """
    waiting = list(tags)
    while waiting:
        try:
            target.pusher.delete_manifest(waiting[0])
        except NotOffered as exc:
            _delete_by_digest(target, {tag: tags[tag] for tag in waiting}, exc)
            return
        waiting.pop(0)


def _delete_by_digest(target: Target, tags: t.Mapping[str, Digest | None], refusal: NotOffered) -> None:
    gone = {digest: tag for tag, digest in tags.items() if digest is not None}
    for name in target.registry.tags(target.repository).names:
        digest = None if name in tags else target.digest_of(name)
        if digest in gone:
            error = NotOffered(
                f"Cannot remove the tag {gone[digest]} of {target.repository} from {target.registry.name}: "
                f"{refusal.why}, and the tag {name} leads to the same image {digest}, so it cannot be deleted by its "
                "digest; remove that tag as well, or set prune to false."
            )
            raise error.add_context(**refusal.fields)
    for digest in gone:
        target.pusher.delete_manifest(digest)


__all__ = ("remove_tags",)
