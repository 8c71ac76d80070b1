# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The image of oci_archive: what the options ask for, its names in the archive, and whether docker can load it.

Called by run.py.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._archive.image_files import docker_listing, index_of, named_entry
from ..._base.errors import CollectionError
from ..._oci.document import parse_document
from ..._oci.errors import ReferenceInvalid, Unsupported
from ..._oci.image import parse_config
from ..._oci.index import Index
from ..._oci.names import is_tag
from ..._oci.reference import Reference
from ..layout.plan import LayoutRequest
from ..options.image_options import host_platform, platform_or_all

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._layout.index_file import IndexFile
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..._oci.manifest import Manifest
    from ..._oci.reference import Selector
    from ..layout.plan import LayoutPlan
    from ..registry.layout_source import LayoutSource
    from ..registry.sources import ImageSource


class FormatInvalid(CollectionError):
    """The option format contradicts another one."""

    kind = "configuration"


@dataclass(frozen=True)
class ArchiveImage:
    """An image as it is to be in the archive: index.json, and the bytes of manifest.json for docker.

    layers has the layers with their diff_ids, for docker only.
    """

    index: IndexFile
    listing: bytes | None = None
    layers: tuple[tuple[Descriptor, Digest], ...] = ()


@dataclass(frozen=True)
class ImageNames:
    """The names of the image in the archive: its tag, and its full name with the tag; both may be None."""

    tag: str | None
    full: str | None


def make_request(module: AnsibleModule, selector: Selector, names: ImageNames) -> LayoutRequest:
    """Return the request of the task. Raises FormatInvalid, ReferenceInvalid."""
    params = module.params
    host = host_platform()
    default = "host" if params["format"] == "docker" else "all"
    platform = platform_or_all(default if params["platform"] is None else params["platform"], host)
    if platform is None and params["format"] == "docker":
        raise FormatInvalid(
            "The options format: docker and platform: all contradict each other: an archive for docker has one image; "
            "set platform to one platform or to host, or format to oci."
        )
    for option in ("referrers", "cosign_tags"):
        if params[option] and params["format"] == "docker":
            raise FormatInvalid(
                f"The options format: docker and {option}: true contradict each other: an archive for docker has one "
                f"image and nothing else; set format to oci, or {option} to false."
            )
    return LayoutRequest(
        repository=params["repository"] or "",
        selector=selector,
        platform=platform,
        tag=names.tag,
        host=host,
        foreign=params["foreign_layers"],
        rehash=params["validate"],
        missing_only=params["pull"] == "missing",
        referrers=params["referrers"],
        cosign_tags=params["cosign_tags"],
    )


def find_names(module: AnsibleModule, source: ImageSource, selector: Selector) -> ImageNames:
    """Return the names in the archive, by the option dest_name or those of the source. Raises ReferenceInvalid."""
    given = module.params["dest_name"]
    if given is not None and not is_tag(given):
        named = Reference.parse(given)
        if named.digest is not None:
            raise ReferenceInvalid("The option dest_name must be a tag or a full name with a tag, without a digest.")
        return ImageNames(named.tag, str(named))
    tag = selector.tag if given is None else given
    if tag is None:
        return ImageNames(None, None)
    repository = _repository_name(module, source, selector)
    return ImageNames(tag, None if repository is None else f"{repository}:{tag}")


def _repository_name(module: AnsibleModule, source: ImageSource, selector: Selector) -> str | None:
    """Return registry and repository of the image, None if docker would not read them as such."""
    if module.params["layout"] is not None:
        full = t.cast("LayoutSource", source).full_name(selector)
        if full is None:
            return None
        found = Reference.parse(full)
        return f"{found.registry}/{found.repository}"
    name = f"{source.name}/{source.repository(module.params['repository'])}"
    try:
        return name if str(Reference.parse(name, default_tag=None)) == name else None
    except ReferenceInvalid:
        return None


def make_image(plan: LayoutPlan, names: ImageNames, *, docker: bool) -> ArchiveImage:
    """Return the image as it is to be in the archive. Raises Unsupported if docker cannot load it."""
    index = index_of(named_entry(plan.entry, tag=names.tag, full_name=names.full), plan.attached)
    if not docker:
        return ArchiveImage(index)
    data = plan.documents[plan.entry.digest]
    document = parse_document(data, media_type=plan.entry.media_type, what=f"the manifest {plan.entry.digest}")
    if isinstance(document, Index) or not document.is_image:
        raise _cannot_load(plan.entry.digest, "it is not an image")
    config = parse_config(document, plan.documents[document.config.digest])
    diff_ids = () if config is None else config.diff_ids
    _check_loadable(plan, document, len(diff_ids))
    layers = tuple(zip(document.layers, diff_ids))
    return ArchiveImage(index, docker_listing(document, full_name=names.full), layers)


def _check_loadable(plan: LayoutPlan, manifest: Manifest, diff_ids: int) -> None:
    if plan.left_out:
        raise _cannot_load(
            plan.entry.digest, f"its layer {plan.left_out[0].digest} is outside of the registry (see foreign_layers)"
        )
    if diff_ids != len(manifest.layers):
        raise _cannot_load(plan.entry.digest, f"it has {len(manifest.layers)} layers and {diff_ids} diff_ids")


def _cannot_load(digest: Digest, why: str) -> Unsupported:
    return Unsupported(
        f"Writing {digest} to an archive for docker failed: docker cannot load it, because {why}; set format to oci, "
        "or choose another image."
    )


__all__ = ("ArchiveImage", "ImageNames", "find_names", "make_image", "make_request")
