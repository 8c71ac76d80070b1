# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Content descriptors (image-spec, descriptor.md): media type, digest and size of a blob or document."""

from __future__ import annotations

import binascii
import typing as t
from dataclasses import dataclass, field

from .annotations import parse_annotations
from .digest import Digest, verify
from .errors import DigestMismatch, SizeMismatch
from .fields import Fields
from .platform import Platform

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._base.strict_json import JsonObject, JsonValue


@dataclass(frozen=True)
class Descriptor:
    """The media type, digest and size of a piece of content (image-spec, descriptor.md).

    data is the embedded content, verified against size and digest; None if the descriptor embeds none.
    """

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    data: bytes | None = field(default=None, repr=False)
    platform: Platform | None = None
    artifact_type: str | None = None

    @classmethod
    def from_json(cls, value: JsonValue, *, where: str) -> Descriptor:
        """Read a descriptor; where names it in messages, such as "layers[2]". Raises DocumentInvalid."""
        return cls.from_fields(Fields.of(value, where))

    @classmethod
    def from_fields(cls, fields: Fields, *, typed: bool = True) -> Descriptor:
        """Read a descriptor from a wrapped object. If typed is False, a missing mediaType becomes "".

        Raises DocumentInvalid.
        """
        fields.refuse_lookalikes("mediaType", "digest", "size", "data", "platform", "urls")
        digest, size = fields.digest("digest"), fields.size("size")
        platform = fields.object("platform")
        return cls(
            media_type=fields.required_media_type("mediaType") if typed else fields.media_type("mediaType") or "",
            digest=digest,
            size=size,
            urls=fields.texts("urls") or (),
            annotations=parse_annotations(fields),
            data=_data(fields, digest, size),
            platform=None if platform is None else Platform.from_json(platform),
            artifact_type=fields.media_type("artifactType"),
        )

    def as_dict(self) -> JsonObject:
        """Return the descriptor as image-spec writes it, without unset fields."""
        result: JsonObject = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            result["urls"] = list(self.urls)
        if self.annotations:
            result["annotations"] = dict(self.annotations)
        if self.data is not None:
            result["data"] = binascii.b2a_base64(self.data, newline=False).decode("ascii")
        if self.platform is not None:
            result["platform"] = dict(self.platform.as_dict())  # type: ignore[arg-type]
        if self.artifact_type is not None:
            result["artifactType"] = self.artifact_type
        return result


def _data(fields: Fields, digest: Digest, size: int) -> bytes | None:
    text = fields.text("data")
    if text is None:
        return None
    try:
        data = binascii.a2b_base64(text)
        # a2b_base64 skips characters outside of base64, so only its canonical form is accepted
        if binascii.b2a_base64(data, newline=False) != text.encode("utf-8"):
            raise ValueError
        verify(data, digest, size, what=fields.name("data"))
    except ValueError:
        raise fields.fault(f"{fields.name('data')} is not base64 as RFC 4648 section 4 writes it") from None
    except (DigestMismatch, SizeMismatch):
        raise fields.fault(f"{fields.name('data')} is not the content that digest and size announce") from None
    return data


__all__ = ("Descriptor",)
