# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:  # pragma: no cover
    _E = t.TypeVar("_E", bound="CollectionError")


class CollectionError(Exception):
    """Root of every error of the collection.

    The message is one sentence for people, the fields are facts for playbooks. Neither ever holds a secret.
    Fields whose value is None are left out.
    """

    kind: t.ClassVar[str] = "error"

    def __init__(self, message: str, **fields: str | int | None) -> None:
        super().__init__(message)
        self.message = message
        self.fields: dict[str, str | int] = {name: value for name, value in fields.items() if value is not None}

    def as_result(self) -> dict[str, str | int]:
        """The value of the `error` key of a failed task: the kind and every field."""
        return {**self.fields, "kind": self.kind}

    def add_context(self: _E, **fields: str | int | None) -> _E:
        """Fill in fields that whoever raised the error could not know; what is set already stays."""
        for name, value in fields.items():
            if value is not None:
                self.fields.setdefault(name, value)
        return self


class OciError(CollectionError):
    """Something that should follow the OCI specifications does not."""

    kind = "oci"


class DigestError(OciError):
    """A digest is malformed, or uses an algorithm that cannot be verified."""

    kind = "digest_invalid"


class DigestMismatch(OciError):
    """Content does not have the digest it was asked for. Fields: expected, actual."""

    kind = "digest_mismatch"


class SizeMismatch(OciError):
    """Content does not have the size it was announced with. Fields: expected, actual."""

    kind = "size_mismatch"


class ReferenceInvalid(OciError):
    """A reference, repository name, tag or selector breaks the grammar."""

    kind = "reference_invalid"


class JsonInvalid(OciError):
    """Bytes are not the strict JSON that the specifications require."""

    kind = "json_invalid"


class DocumentInvalid(OciError):
    """A manifest, index, descriptor or image config breaks its specification."""

    kind = "manifest_invalid"


class Unsupported(OciError):
    """Well-formed content of a sort that this collection does not handle."""

    kind = "unsupported"


class PlatformNotFound(OciError):
    """An index offers nothing for the platform asked for. Fields: platform, offered."""

    kind = "platform_not_found"


__all__ = (
    "CollectionError",
    "DigestError",
    "DigestMismatch",
    "DocumentInvalid",
    "JsonInvalid",
    "OciError",
    "PlatformNotFound",
    "ReferenceInvalid",
    "SizeMismatch",
    "Unsupported",
)
