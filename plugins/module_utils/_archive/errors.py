# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of reading images from files and writing them, beside those of _layout."""

from __future__ import annotations

from .._layout.errors import LayoutError


class ArchiveInvalid(LayoutError):
    """The file is not an archive of images, or is damaged. Fields: path."""

    kind = "archive_invalid"


class ImageNotFound(LayoutError):
    """The layout or archive has no such image. Fields: path, reference."""

    kind = "not_found"


class ImageAmbiguous(LayoutError):
    """The reference, or the lack of one, fits several images. Fields: path, reference."""

    kind = "ambiguous"


class ArchiveTooLarge(LayoutError):
    """A compressed archive exceeds a limit, or its content does not fit on the disk. Fields: path."""

    kind = "limit_exceeded"


class ArchiveRefused(LayoutError):
    """The destination of an archive cannot be used, or has something else than an archive of images. Fields: path."""

    kind = "destination"


__all__ = ("ArchiveInvalid", "ArchiveRefused", "ArchiveTooLarge", "ImageAmbiguous", "ImageNotFound")
