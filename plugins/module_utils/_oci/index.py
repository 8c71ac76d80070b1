# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Image indexes and the choice of an entry for a platform (image-spec, image-index.md)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._base.text import visible
from .annotations import parse_annotations
from .descriptor import Descriptor
from .errors import PlatformNotFound
from .media_type import is_image_config, is_index, is_manifest
from .platform import Platform, rank

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .fields import Fields


@dataclass(frozen=True)
class Index:
    """An image index (image-spec, image-index.md) or docker manifest list. raw has the bytes that its digest covers.

    manifests may contain entries of unknown types; they are kept and never chosen.
    """

    raw: bytes = field(repr=False)
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    subject: Descriptor | None = None

    @classmethod
    def from_fields(cls, fields: Fields, *, raw: bytes, media_type: str) -> Index:
        """Read the fields of an index document. Raises DocumentInvalid."""
        subject = fields.object("subject")
        return cls(
            raw=raw,
            media_type=media_type,
            manifests=tuple(Descriptor.from_fields(entry) for entry in fields.objects("manifests")),
            annotations=parse_annotations(fields),
            artifact_type=fields.media_type("artifactType"),
            subject=None if subject is None else Descriptor.from_fields(subject),
        )

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The offered platforms, each once, in the order of the index, without unknown/unknown."""
        return tuple(dict.fromkeys(entry.platform for entry in self._images() if entry.platform is not None))

    def candidates(self, wanted: Platform) -> tuple[Descriptor, ...]:
        """Return the entries that may hold the wanted platform, best first, ties in the order of the index.

        Entries without a platform come last, because only the config they lead to can tell. Empty if none can match.
        """
        fits, open_ends = [], []
        for entry in self._images():
            level = None if entry.platform is None else rank(wanted, entry.platform)
            if level is not None:
                fits.append((level, entry))
            elif entry.platform is None:
                open_ends.append(entry)
        fits.sort(key=lambda fit: fit[0], reverse=True)
        return (*(entry for dummy, entry in fits), *open_ends)

    def _images(self) -> t.Iterator[Descriptor]:
        for entry in self.manifests:
            known = is_manifest(entry.media_type) or is_index(entry.media_type)
            artifact = entry.artifact_type is not None and not is_image_config(entry.artifact_type)
            if known and not (entry.platform.is_unknown() if entry.platform is not None else artifact):
                yield entry


def select(index: Index, wanted: Platform) -> Descriptor:
    """Return the best entry for the wanted platform: the highest variant that it runs, the first among equals.

    Raises PlatformNotFound, which names the offered platforms.
    """
    found = index.candidates(wanted)
    if found:
        return found[0]
    offered = ", ".join(visible(str(platform), limit=60) for platform in index.platforms[:40]) or "nothing"
    raise PlatformNotFound(
        f"Choosing a manifest for the platform {visible(str(wanted))} failed: the index offers {offered}; "
        "set the platform to one of these or pull another image.",
        platform=visible(str(wanted)),
        offered=offered,
    )


__all__ = ("Index", "select")
