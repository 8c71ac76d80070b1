# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What an exported archive says about itself: the documents of its image, and the options it was exported with.

It depends on these alone, so that the same image is the same file wherever it came from. Whoever can write to the
archive can change it, so manifest and config are there with all their bytes, and are compared with their digests: what
a task returns about an image without asking for it is true of the digest that it returns. Called by run.py.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict

from ..._archive.mark import MAX_TEXT
from ..._base.errors import CollectionError
from ..._base.strict_json import load
from ..._destination.stamp import Stamp
from ..._oci.digest import Digest
from ..._oci.document import parse_document
from ..._oci.fields import Fields
from ..._oci.image import Image, parse_config
from ..._oci.manifest import Manifest
from ..._oci.reference import Selector
from ..._unpack.tree.selection import Selection

if t.TYPE_CHECKING:
    from ..._archive.exported import ExportedArchive
    from ..._unpack.layers import Unpacked
    from ..image.lookup import ImageRequest
    from ..image.tree import DesiredTree

_FORMAT: t.Final = 1
_WHAT: t.Final = "the comment of the archive"


def make_text(image: Image, request: ImageRequest, desired: DesiredTree, unpacked: Unpacked) -> bytes | None:
    """Return the text about an image that is exported, None if it is too long for an archive."""
    options, shown = desired.options, image.as_dict()
    fields = {
        "format": _FORMAT,
        "requested_platform": str(request.platform),
        "digest": str(image.digest),
        "media_type": image.manifest.media_type,
        "manifest": image.manifest.raw.decode("utf-8"),
        "config": image.require_config().raw.decode("utf-8"),
        "diff_ids": [str(diff_id) for diff_id in image.require_config().diff_ids],
        "ownership": options.ownership,
        "xattrs": options.xattrs,
        "devices": options.devices,
        "selection": asdict(desired.selection),
        "entries": unpacked.entries,
        "bytes": unpacked.size,
        **{name: shown[name] for name in ("index_digest", "platform", "platforms")},
    }
    text = json.dumps(fields, sort_keys=True).encode("ascii")
    return text if len(text) <= MAX_TEXT else None


def stamp_of(archive: ExportedArchive | None) -> Stamp | None:
    """Return what the archive at the destination was exported from, None if that is not known."""
    if archive is None:
        return None
    try:
        return _parse(Fields.of(load(archive.mark.text, what=_WHAT, max_bytes=MAX_TEXT), _WHAT))
    except CollectionError:  # of a newer version, or changed
        return None


def _parse(fields: Fields) -> Stamp | None:
    """Return the stamp in a text, None for another format. Raises CollectionError."""
    if fields.integer("format") != _FORMAT:
        return None
    image = _parse_image(fields)
    selection = fields.required_object("selection")
    return Stamp(
        registry="",
        repository="",
        reference=str(image.digest),
        digest=image.digest,
        index_digest=image.index_digest,
        platform=fields.required_text("requested_platform"),
        config_digest=image.manifest.config.digest,
        diff_ids=image.require_config().diff_ids,
        annotations=image.manifest.annotations,
        image={
            **image.as_dict(),
            "platform": fields.required_text("platform"),
            "platforms": list(fields.texts("platforms") or ()),
        },
        ownership=fields.flag("ownership"),
        xattrs=fields.required_text("xattrs"),
        devices=fields.required_text("devices"),
        selection=Selection(
            selection.texts("include") or (), selection.texts("exclude") or (), selection.text("strip") or ""
        ),
        created="",
        entries=fields.integer("entries") or 0,
        bytes=fields.integer("bytes") or 0,
    )


def _parse_image(fields: Fields) -> Image:
    """Return the image of the documents in a text. Raises CollectionError if they do not have their digests."""
    data, digest = fields.required_text("manifest").encode("utf-8"), fields.digest("digest")
    manifest = parse_document(data, media_type=fields.required_text("media_type"), what=_WHAT)
    config_data = fields.required_text("config").encode("utf-8")
    if Digest.of(data, digest.algorithm) != digest or not isinstance(manifest, Manifest):
        raise fields.fault("its manifest does not have its digest")
    if Digest.of(config_data, manifest.config.digest.algorithm) != manifest.config.digest:
        raise fields.fault("its config does not have its digest")
    index_digest = None if fields.text("index_digest") is None else fields.digest("index_digest")
    config = parse_config(manifest, config_data)
    return Image("", "", Selector(None, digest), digest, manifest, config, None, index_digest)


__all__ = ("make_text", "stamp_of")
