# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The option tags_from of oci_image_copy and oci_layout: many tags of a repository in place of one image."""

from __future__ import annotations

import typing as t

from ..._base.errors import CollectionError
from ..._base.text import ignore, quote
from ..._layout.tags import is_attached_tag
from ..._oci.version import is_version, newest
from .pattern import NamePattern
from .ranges import check_minimum

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class TooManyTags(CollectionError):
    """More tags match than tags_from.limit permits; field option."""

    kind = "configuration"


class NothingSelected(CollectionError):
    """No tag of the source matches, and all matching ones at the destination would be removed; field option."""

    kind = "configuration"


class TagSelection:
    """Which tags of a repository to copy, and which of the tags at their destination to remove.

    With the option signature, tags by which something is attached to an image, such as sha256-HEX.sig, are never
    meant: they lead to signatures, not to images that are signed. Raises OptionInvalid, PatternInvalid.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self._options: dict[str, t.Any] = module.params["tags_from"]
        self._only_images = module.params["signature"] is not None
        self._warn = module.warn
        check_minimum(self._options, 1, "newest", "limit")
        self._pattern = NamePattern(self._options["pattern"], kind=self._options["pattern_type"])

    @property
    def prunes(self) -> bool:
        """Whether other tags at the destination are removed."""
        return bool(self._options["prune"])

    def select(self, present: t.Collection[str], repository: str) -> list[str]:
        """Return which of the tags that a repository has to copy. Raises TooManyTags."""
        hints: list[str] = []
        tags = self._matching(present, hints.append)
        if self._options["newest"] is not None:
            has_pattern = self._options["pattern"] is not None
            tags = newest(tags if has_pattern else filter(is_version, tags), self._options["newest"])
        limit = self._options["limit"]
        if limit is not None and len(tags) > limit:
            raise TooManyTags(
                f"The option tags_from.limit is {limit}, and {len(tags)} tags of {quote(repository)} match; raise it, "
                "or narrow the pattern.",
                option="tags_from.limit",
            )
        if not tags:
            self._warn(hints[0] if hints else f"The option tags_from selects no tag of {quote(repository)}.")
        return tags

    def surplus(self, present: t.Collection[str], copied: t.Collection[str]) -> list[str]:
        """Return the tags at the destination that match the pattern and are not among those that are copied.

        Raises NothingSelected if nothing is copied: the source may have been emptied, or be the wrong one.
        """
        kept = set(copied)
        found = [tag for tag in self._matching(present, ignore) if tag not in kept]
        if found and not kept:
            raise NothingSelected(
                f"The option tags_from selects no tag of the source, and with prune all {len(found)} matching tags at "
                "the destination would be removed; check the source and the pattern, or set prune to false and remove "
                "them with oci_tag or, in a layout, with state=absent.",
                option="tags_from.prune",
            )
        return found

    def _matching(self, tags: t.Collection[str], warn: t.Callable[[str], None]) -> list[str]:
        found = self._pattern.select(tags, what="tags", warn=warn)
        return [tag for tag in found if not (self._only_images and is_attached_tag(tag))]


__all__ = ("NothingSelected", "TagSelection", "TooManyTags")
