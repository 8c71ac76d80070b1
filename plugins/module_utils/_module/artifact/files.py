# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Which files an artifact has: layers that have a file name as title, as ORAS writes them.

The names are the annotation org.opencontainers.image.title (image-spec, annotations.md). Called by artifact/run.py.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.errors import CollectionError
from ..._base.patterns import matches_any
from ..._base.text import quote, visible
from ..._oci.annotations import TITLE
from ..._oci.descriptor import Descriptor
from ..._oci.digest import Digest
from ..._oci.manifest import Manifest

if t.TYPE_CHECKING:
    from ..._base.text import Warn

# oras-go, content/file: a layer with this annotation is the archive of a directory, which the title names
_UNPACK: t.Final = "io.deis.oras.content.unpack"
_NAME_MAX: t.Final = 255


class ArtifactInvalid(CollectionError):
    """The artifact has no files, or files that cannot be written to one directory. Fields: title, digest."""

    kind = "artifact_invalid"


@dataclass(frozen=True)
class ArtifactFile:
    """A file of an artifact: its name, and the media type, digest and size of its content."""

    name: str
    content: Descriptor


@dataclass(frozen=True)
class Artifact:
    """The wanted files of an artifact.

    digest is that of its manifest, requested that of what the reference leads to, which may be an index.
    """

    digest: Digest
    requested: Digest
    artifact_type: str | None
    files: tuple[ArtifactFile, ...]


def find_files(manifest: Manifest, *, media_types: t.Sequence[str] | None, warn: Warn) -> tuple[ArtifactFile, ...]:
    """Return the files whose media type matches one of the shell patterns, all without patterns.

    Warns of layers without a title. Raises ArtifactInvalid for a title that is not a plain name, two files of one name,
    an archive of a directory, and if no file is left.
    """
    layers = [one for one in manifest.layers if media_types is None or matches_any(media_types, one.media_type)]
    titled = [layer for layer in layers if TITLE in layer.annotations]
    if not titled:
        raise ArtifactInvalid(_describe_nothing(manifest, layers))
    if len(titled) < len(layers):
        warn(
            f"{len(layers) - len(titled)} of {len(layers)} layers of the artifact were left out, because they have no "
            f"file name (annotation {TITLE})."
        )
    files: dict[str, ArtifactFile] = {}
    for layer in titled:
        name = _file_name(layer)
        if name in files:
            raise ArtifactInvalid(
                f"Two files of the artifact have the name {quote(name)}; select one of them with media_types, or have "
                "the artifact pushed again.",
                title=name,
                digest=str(layer.digest),
            )
        files[name] = ArtifactFile(name, layer)
    return tuple(files.values())


def _file_name(layer: Descriptor) -> str:
    title = layer.annotations[TITLE]
    if layer.annotations.get(_UNPACK) == "true":
        raise ArtifactInvalid(
            f"The layer {quote(title)} of the artifact is the archive of a directory, and this module writes only "
            "files; leave it out with media_types, or download it with oci_blob and apply it with oci_layer_unpack.",
            title=visible(title),
            digest=str(layer.digest),
        )
    why = name_problem(title)
    if why is not None:
        raise ArtifactInvalid(
            f"The title {quote(title)} of a layer cannot be the name of a file: {why}; leave the layer out with "
            "media_types, or download it with oci_blob.",
            title=visible(title),
            digest=str(layer.digest),
        )
    return title


def name_problem(name: str) -> str | None:
    """Return why a title cannot be the name of a file in the directory, None if it can."""
    if not name or "/" in name:
        return "it must be one name, without a slash"
    if name.startswith("."):
        return "it would be a hidden file, which begins with a dot"
    if not name.isprintable():
        return "it has characters that are not printable"
    if len(name.encode("utf-8")) > _NAME_MAX:
        return f"it has more than {_NAME_MAX} bytes"
    return None


def _describe_nothing(manifest: Manifest, selected: t.Sequence[Descriptor]) -> str:
    if manifest.layers and not selected:
        types = ", ".join(sorted({quote(layer.media_type) for layer in manifest.layers})[:10])
        return f"None of the layers has a media type that media_types names; the layers have {types}."
    advice = "to unpack an image, use oci_image_unpack" if manifest.is_image else "use oci_blob for single layers"
    return f"The artifact has no layer with a file name (annotation {TITLE}); {advice}."


__all__ = ("Artifact", "ArtifactFile", "ArtifactInvalid", "find_files", "name_problem")
