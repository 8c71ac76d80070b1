# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Errors about content that breaks the OCI specifications."""

from __future__ import annotations

from .._base.errors import CollectionError


class OciError(CollectionError):
    """Content or a name violates the OCI specifications."""

    kind = "oci"


class DigestError(OciError):
    """A digest is malformed, or uses an algorithm that cannot be verified."""

    kind = "digest_invalid"


class DigestMismatch(OciError):
    """Content has another digest than the expected one. Fields: expected, actual."""

    kind = "digest_mismatch"


class SizeMismatch(OciError):
    """Content has another size than the announced one. Fields: expected, actual."""

    kind = "size_mismatch"


class ReferenceInvalid(OciError):
    """A reference, repository name, tag or selector violates the grammar."""

    kind = "reference_invalid"


class DocumentInvalid(OciError):
    """A manifest, index, descriptor or image config violates its specification."""

    kind = "manifest_invalid"


class Unsupported(OciError):
    """Well-formed content of a type that this collection does not support."""

    kind = "unsupported"


class PlatformNotFound(OciError):
    """An index offers no image for the wanted platform. Fields: platform, offered."""

    kind = "platform_not_found"


__all__ = (
    "DigestError",
    "DigestMismatch",
    "DocumentInvalid",
    "OciError",
    "PlatformNotFound",
    "ReferenceInvalid",
    "SizeMismatch",
    "Unsupported",
)
