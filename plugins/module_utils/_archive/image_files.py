# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The files of an archive of one image: those of a layout (image-spec, image-layout.md), and manifest.json for docker.

An archive for docker is what docker save writes from version 25 on: the archive of a layout, with manifest.json beside
index.json (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format"). Older versions of docker
read manifest.json alone, and find the config and the layers among the blobs. _module/archive/run.py calls this.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

from .._layout.index_file import IndexFile
from .._layout.version import LAYOUT_VERSION
from .._oci.annotations import REF_NAME
from .layouts import IMAGE_NAME, blob_path
from .tar_writer import TarMember

if t.TYPE_CHECKING:
    from .._oci.descriptor import Descriptor
    from .._oci.manifest import Manifest

_VERSION: t.Final = json.dumps({"imageLayoutVersion": LAYOUT_VERSION}, separators=(",", ":")).encode("ascii")


def named_entry(entry: Descriptor, *, tag: str | None, full_name: str | None) -> Descriptor:
    """Return the entry of index.json with its tag and its full name, either of which may be None."""
    names = {IMAGE_NAME: full_name, REF_NAME: tag}
    given = {key: name for key, name in names.items() if name is not None}
    return replace(entry, annotations={**entry.annotations, **given})


def docker_listing(manifest: Manifest, *, full_name: str | None) -> bytes:
    """Return the bytes of manifest.json for an image."""
    image = {
        "Config": blob_path(manifest.config.digest),
        "RepoTags": None if full_name is None else [full_name],
        "Layers": [blob_path(layer.digest) for layer in manifest.layers],
    }
    return json.dumps([image], separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def index_of(entry: Descriptor, attached: t.Sequence[Descriptor]) -> IndexFile:
    """Return the index.json of an archive with an image and what is attached to it."""
    index = IndexFile.empty()
    for descriptor in (entry, *attached):
        index = index.with_untagged(descriptor)
    return index


def top_files(index: IndexFile, listing: bytes | None) -> list[TarMember]:
    """Return the files at the top of an archive; listing is manifest.json, None without one."""
    files = {"index.json": index.to_bytes(), "oci-layout": _VERSION}
    if listing is not None:
        files["manifest.json"] = listing
    return [TarMember.of(name, data) for name, data in files.items()]


__all__ = ("docker_listing", "index_of", "named_entry", "top_files")
