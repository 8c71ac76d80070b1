# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The version of a layout, in its file oci-layout: image-spec, image-layout.md, "oci-layout file"."""

from __future__ import annotations

import typing as t

from .._base.errors import CollectionError
from .._base.strict_json import load_object
from .._base.text import quote, visible
from .errors import LayoutInvalid

LAYOUT_VERSION: t.Final = "1.0.0"


def check_version(data: bytes, *, use: t.Literal["read", "written to"], path: str | None = None) -> None:
    """Check the bytes of the file oci-layout; use is what the caller does with the layout. Raises LayoutInvalid."""
    shown = None if path is None else visible(path)
    try:
        version = load_object(data, what="oci-layout").get("imageLayoutVersion")
    except CollectionError as exc:
        raise LayoutInvalid(exc.message, path=shown) from None
    if version != LAYOUT_VERSION:
        raise LayoutInvalid(
            f"The layout has the version {quote(version)} in oci-layout, and only {LAYOUT_VERSION} can be {use}.",
            path=shown,
        )


__all__ = ("LAYOUT_VERSION", "check_version")
