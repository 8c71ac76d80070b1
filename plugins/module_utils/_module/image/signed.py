# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The signatures of the image of oci_image_unpack: verified before a layer is read, or known from the stamp.

The stamp keeps which keys had signed which digest. A signature does not become invalid, and only the owner of the tree
can write to the state directory, so an unchanged run with the same keys looks for no signatures. With other keys, or
another demand, it looks again, and notes the outcome. Called by present.py and quick_check.py.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace

from .lookup import describe_resolved, resolve_again

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json, JsonObject
    from ..._destination.inspection import View
    from ..._destination.stamp import Stamp
    from ..._oci.image import Image
    from ..registry.sources import ImageSource
    from .lookup import FoundImage, ImageRequest


def ensure_signed(
    source: ImageSource, request: ImageRequest, found: FoundImage, known: Stamp | None
) -> tuple[FoundImage, Json | None]:
    """Return the image with the return value signature, None if no signature is demanded.

    An image that is known only from the stamp, whose signatures do not satisfy the demand, is resolved again. Raises
    SignatureInvalid, and what the source raises.
    """
    if request.signature is None:
        return found, None
    if found.image is None and known is not None:
        recorded = recorded_signature(source, request, known.signature, digests=_texts(known))
        if recorded is not None:
            return found, recorded
    image = found.image or resolve_again(source, request, found)
    return describe_resolved(image), verify_image(source, request, image)


def verify_image(source: ImageSource, request: ImageRequest, image: Image) -> Json | None:
    """Return the return value signature of a resolved image, None if none is demanded. Raises SignatureInvalid."""
    if request.signature is None:
        return None
    return request.signature.verify_image(source, request.repository, image).as_dict()


def recorded_signature(
    source: ImageSource, request: ImageRequest, record: JsonObject | None, *, digests: t.Collection[str]
) -> Json | None:
    """Return the return value signature from a stamp with these digests, None if it does not satisfy the demand."""
    if request.signature is None:
        return None
    found = request.signature.recorded(record, source, request.repository, request.selector, digests=digests)
    return None if found is None else found.as_dict()


def record_signature(view: View, signature: Json | None) -> None:
    """Note in the stamp of an unchanged tree what was verified, so that the next run need not look for it.

    The stamp of a tree with the same files may be that of another manifest, of which nothing was verified.
    """
    # imported late, because the quick check needs neither
    from ..._destination.destination import Destination
    from ..._unpack.errors import FilesystemError, NoSpace

    stamp = None if signature is None else view.current
    if stamp is None or stamp.signature == signature or not isinstance(view, Destination):
        return
    if t.cast("Json", signature)["digest"] not in _texts(stamp):
        return
    with contextlib.suppress(FilesystemError, NoSpace):  # then the next run looks again
        view.update_stamp(replace(stamp, signature=signature))


def _texts(stamp: Stamp) -> tuple[str, ...]:
    return tuple(map(str, stamp.digests))


__all__ = ("ensure_signed", "record_signature", "recorded_signature", "verify_image")
