# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The annotations of descriptors, manifests and indexes (image-spec, annotations.md), and the predefined keys."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .fields import Fields

# image-spec, annotations.md, "Pre-Defined Annotation Keys"
_PREFIX: t.Final = "org.opencontainers.image."
CREATED: t.Final = _PREFIX + "created"
AUTHORS: t.Final = _PREFIX + "authors"
URL: t.Final = _PREFIX + "url"
DOCUMENTATION: t.Final = _PREFIX + "documentation"
SOURCE: t.Final = _PREFIX + "source"
VERSION: t.Final = _PREFIX + "version"
REVISION: t.Final = _PREFIX + "revision"
VENDOR: t.Final = _PREFIX + "vendor"
LICENSES: t.Final = _PREFIX + "licenses"
REF_NAME: t.Final = _PREFIX + "ref.name"
TITLE: t.Final = _PREFIX + "title"
DESCRIPTION: t.Final = _PREFIX + "description"
BASE_DIGEST: t.Final = _PREFIX + "base.digest"
BASE_NAME: t.Final = _PREFIX + "base.name"


def parse_annotations(fields: Fields) -> dict[str, str]:
    """Return the annotations of a descriptor, manifest or index; empty if absent or null.

    Raises DocumentInvalid.
    """
    return fields.text_map("annotations") or {}


__all__ = (
    "AUTHORS",
    "BASE_DIGEST",
    "BASE_NAME",
    "CREATED",
    "DESCRIPTION",
    "DOCUMENTATION",
    "LICENSES",
    "REF_NAME",
    "REVISION",
    "SOURCE",
    "TITLE",
    "URL",
    "VENDOR",
    "VERSION",
    "parse_annotations",
)
