# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The images in a layout or archive by name, and which of them a reference selects.

layouts.py and docker_save.py make the images; _module/registry/layout_source.py selects.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._base.text import quote, visible
from .._layout.tags import is_attached_tag, tag_of
from .._oci.digest import ALGORITHMS, Digest
from .._oci.errors import DigestError, ReferenceInvalid
from .._oci.names import is_tag
from .._oci.reference import Reference, Selector
from .errors import ImageAmbiguous, ImageNotFound

if t.TYPE_CHECKING:
    from .._oci.descriptor import Descriptor

# How many images a message lists.
_SHOWN: t.Final = 20


@dataclass(frozen=True)
class StoredImage:
    """An image or index in a layout or archive: its descriptor and its names, each a tag or a full name with one."""

    descriptor: Descriptor
    names: tuple[str, ...]

    @property
    def tags(self) -> set[str]:
        """The tags in its names."""
        return {tag for tag in map(tag_of, self.names) if tag is not None}

    @property
    def full_names(self) -> set[str]:
        """Its names that have a repository, in their canonical form."""
        return {full for full in map(_full_name, self.names) if full is not None}

    @property
    def is_attached(self) -> bool:
        """Whether it has no name and an artifact type, as a referrer has, or a tag for what is attached."""
        if self.names:
            return bool(self.tags) and all(map(is_attached_tag, self.tags))
        return self.descriptor.artifact_type is not None


@dataclass(frozen=True)
class LayoutReference:
    """The option reference for a layout: a tag, a full name with one, a digest, or one of the first two with a digest.

    full is the canonical form of a full name. All are None if the option is not set, which means the only image.
    """

    tag: str | None = None
    full: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str | None) -> LayoutReference:
        """Read the option. Raises ReferenceInvalid."""
        if text is None:
            return cls()
        name, at, digest_text = text.partition("@")
        if not at and name.partition(":")[0] in ALGORITHMS:
            return cls(digest=_parse_digest(name))
        digest = _parse_digest(digest_text) if at else None
        if is_tag(name):
            return cls(tag=name, digest=digest)
        found = Reference.parse(name)
        return cls(found.tag, str(found), digest)

    def __str__(self) -> str:
        return "@".join(str(part) for part in (self.full or self.tag, self.digest) if part is not None)

    def find(self, images: t.Sequence[StoredImage], *, path: str) -> Selector:
        """Return the selector of the image that this refers to, always with its digest.

        If several entries have the same names, the last one counts, as for readers of layouts. Raises ImageNotFound,
        ImageAmbiguous.
        """
        if self.tag is None and self.digest is not None:
            return Selector(None, self.digest)
        images = images if self.tag is not None else main_images(images)
        fits = [image for image in images if self._is_name_of(image)]
        last = {image.names or (str(image.descriptor.digest),): image for image in fits}
        digests = {image.descriptor.digest for image in last.values()}
        if not fits:
            raise ImageNotFound(
                self._message(images, path, self._missing()), path=visible(path), reference=str(self) or None
            )
        if len(digests) > 1:
            why = f"several images fit the reference {quote(str(self))}" if str(self) else "it has several images"
            raise ImageAmbiguous(self._message(fits, path, why), path=visible(path), reference=str(self) or None)
        tags = {tag for image in last.values() for tag in image.tags}
        tag = self.tag if self.tag is not None else tags.pop() if len(tags) == 1 else None
        return Selector(tag, digests.pop())

    def _is_name_of(self, image: StoredImage) -> bool:
        if self.full is not None:
            return self.full in image.full_names
        return self.tag is None or self.tag in image.tags

    def _missing(self) -> str:
        return f"it has no image {quote(str(self))}" if str(self) else "it has no image"

    def _message(self, images: t.Sequence[StoredImage], path: str, why: str) -> str:
        names = [visible(" = ".join(image.names) or str(image.descriptor.digest)) for image in images]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        listed = ", ".join(names[:_SHOWN]) + more
        advice = f"set reference to one of these: {listed}" if names else "save or copy an image to it"
        return f"Reading {visible(path)} failed: {why}; {advice}."


def main_images(images: t.Sequence[StoredImage]) -> t.Sequence[StoredImage]:
    """Return the images that are not attached to others: those with a name, or else all; if there are none, images.

    What is attached to an image may have no name, and not every tool writes its artifact type to the entry.
    """
    found = [image for image in images if not image.is_attached]
    return [image for image in found if image.names] or found or images


def _full_name(name: str) -> str | None:
    if is_tag(name):
        return None
    try:
        return str(Reference.parse(name))
    except ReferenceInvalid:
        return None


def _parse_digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except DigestError as exc:
        raise ReferenceInvalid(f"The reference is invalid: text after @ must be a digest. {exc.message}") from None


__all__ = ("LayoutReference", "StoredImage", "main_images")
