# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read a manifest or an index and decide which of the two it is (image-spec, "Media Type Conflicts").

Called by _registry/manifests.py, _layout and _module/layout_*.py, after the digest has been verified; index.json has
none.
"""

from __future__ import annotations

import typing as t

from .._base.strict_json import load
from .._base.text import quote, visible
from .errors import DocumentInvalid, Unsupported
from .fields import Fields
from .index import Index
from .manifest import Manifest
from .media_type import (
    OCI_ARTIFACT_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    is_index,
    is_manifest,
    is_schema1,
    parse_content_type,
)

if t.TYPE_CHECKING:
    from .._base.strict_json import JsonValue

# types that servers without knowledge of OCI give to every file; they are treated as no type
_GENERIC: t.Final = ("", "application/json", "application/octet-stream", "binary/octet-stream", "text/plain")

# the fields that determine the format of a document
_STRUCTURE: t.Final = ("config", "fsLayers", "history", "layers", "manifests")


def parse_document(
    raw: bytes, *, media_type: str | None, strict: bool = True, what: str = "the manifest"
) -> Manifest | Index:
    """Read a manifest or an index; what names it in messages.

    media_type is the type stated outside of the document: by the descriptor that refers to it, or by the Content-Type
    of the answer (parameters are dropped). None and types such as application/json state nothing. The stated type and
    the document's own must be equal (distribution-spec, "Pulling manifests"). With strict=False the document's own type
    wins, which is right if the bytes were verified against a digest and media_type is only a Content-Type (image-spec,
    "Media Type Conflicts").

    Raises JsonInvalid, DocumentInvalid (also for a document that reads as two formats, CVE-2021-41190) and Unsupported
    (docker schema 1, OCI's artifact manifest, other types, more than 512 layers).
    """
    stated = parse_content_type(media_type)
    _refuse_withdrawn(stated, what)
    fields = Fields.of(load(raw, what=what), what)
    _check_version(fields)
    resolved = _resolve_type(stated, fields.media_type("mediaType"), fields, strict=strict)
    if is_manifest(resolved):
        _check_structure(fields, resolved, "config", "layers")
        return Manifest.from_fields(fields, raw=raw, media_type=resolved)
    if is_index(resolved):
        _check_structure(fields, resolved, "manifests")
        return Index.from_fields(fields, raw=raw, media_type=resolved)
    raise Unsupported(
        f"Reading {what} failed: its media type {quote(resolved)} is neither an image manifest nor an image index; "
        "check that the reference names a container image.",
        media_type=visible(resolved),
    )


def _check_version(fields: Fields) -> None:
    fields.refuse_lookalikes("schemaVersion", "mediaType", *_STRUCTURE)
    version = fields.integer("schemaVersion")
    _refuse_withdrawn(fields.value.get("mediaType"), fields.what)
    if version == 1:
        raise _schema1_error(fields.what)
    if version != 2:
        raise fields.fault("its schemaVersion must be 2")


def _refuse_withdrawn(media_type: JsonValue, what: str) -> None:
    if isinstance(media_type, str) and is_schema1(media_type):
        raise _schema1_error(what)
    if media_type == OCI_ARTIFACT_MANIFEST:
        raise Unsupported(
            f"Reading {what} failed: it is an artifact manifest ({OCI_ARTIFACT_MANIFEST}), which OCI's image-spec has "
            "withdrawn; push the artifact again with a current tool, which writes an image manifest.",
            media_type=OCI_ARTIFACT_MANIFEST,
        )


def _schema1_error(what: str) -> Unsupported:
    return Unsupported(
        f"Reading {what} failed: it is a docker manifest of schema 1, which is withdrawn and not supported; "
        "push the image again with a current tool.",
    )


def _resolve_type(stated: str, own: str | None, fields: Fields, *, strict: bool) -> str:
    silent = stated in _GENERIC
    if own is None:
        if silent or not (strict or is_manifest(stated) or is_index(stated)):
            return OCI_INDEX if "manifests" in fields.value else OCI_MANIFEST
        return stated
    if silent or own == stated or not strict:
        return own
    raise DocumentInvalid(
        f"Reading {fields.what} failed: it was announced as {quote(stated)}, but its own mediaType is {quote(own)}. "
        "Do not use this content, and report it to the registry's operator."
    )


def _check_structure(fields: Fields, media_type: str, *required: str) -> None:
    for name in _STRUCTURE:
        if name in fields.value and name not in required:
            raise fields.fault(f"it is ambiguous, of type {media_type} but with the field {name}")
    for name in required:
        if name not in fields.value:
            raise fields.fault(f"it is of type {media_type} but lacks the field {name}")


__all__ = ("parse_document",)
