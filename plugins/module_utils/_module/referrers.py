# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_referrers: find the manifest, list its referrers and the tags of cosign, return both as one list."""

from __future__ import annotations

import typing as t

from .._oci.platform import Platform
from .._registry.cosign_tags import list_cosign_tags
from .._registry.referrers import list_referrers
from .registry.attestation import attestation_results
from .registry.image_source import opened_image

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .._base.strict_json import Json
    from .._oci.descriptor import Descriptor
    from .._oci.digest import Digest
    from .._oci.reference import Selector
    from .._registry.cosign_tags import CosignTag
    from .registry.layout_source import LayoutSource
    from .registry.sources import ImageSource, RegistrySource

Found = tuple["tuple[Descriptor, ...]", "tuple[CosignTag, ...]", str]


def read_referrers(module: AnsibleModule) -> Json:
    """Return the results of the module. Raises what the source, list_referrers() and list_cosign_tags() raise."""
    repository, artifact_type = module.params["repository"] or "", module.params["artifact_type"]
    with opened_image(module) as (source, selector):
        subject = _find_subject(module, source, selector)
        if module.params["layout"] is None:
            found = _ask_registry(t.cast("RegistrySource", source), repository, subject, artifact_type)
        else:
            found = _read_layout(module, t.cast("LayoutSource", source), subject, artifact_type)
        referrers = _as_results(*found)
        if not referrers and selector.tag is None and module.params["platform"] is None:
            source.look_up(repository, selector)  # a wrong digest or repository is an error, and not an empty list
        return {
            "digest": str(subject),
            "referrers": referrers,
            "count": len(referrers),
            **attestation_results(source),
        }


def _find_subject(module: AnsibleModule, source: ImageSource, selector: Selector) -> Digest:
    """Return the digest of the manifest whose referrers are wanted. A digest without a platform takes no request."""
    repository, platform = module.params["repository"] or "", module.params["platform"]
    if platform is not None:
        return source.resolve(repository, selector, platform=Platform.parse(platform)).digest
    if selector.tag is None and selector.digest is not None:
        return selector.digest
    return source.head_manifest(repository, selector).digest or source.manifest(repository, selector).digest


def _ask_registry(source: RegistrySource, repository: str, subject: Digest, artifact_type: str | None) -> Found:
    listed = list_referrers(source, repository, subject, artifact_type=artifact_type)
    cosign = list_cosign_tags(source, repository, subject, artifact_type=artifact_type)
    return listed.descriptors, cosign, listed.source


def _read_layout(module: AnsibleModule, source: LayoutSource, subject: Digest, artifact_type: str | None) -> Found:
    from .registry.layout_referrers import LayoutReferrers

    layout = LayoutReferrers(source, warn=module.warn)
    listed = layout.list(subject, artifact_type=artifact_type)
    return listed, layout.list_cosign(subject, artifact_type=artifact_type), "layout"


def _as_results(listed: t.Sequence[Descriptor], cosign: t.Sequence[CosignTag], list_source: str) -> list[Json]:
    """Return the referrers, then what only a tag of cosign leads to."""
    results = {item.digest: _as_result(item, list_source, None) for item in listed}
    for found in cosign:
        known = results.setdefault(found.descriptor.digest, _as_result(found.descriptor, "cosign", found.tag))
        known["tag"] = found.tag
    return list(results.values())


def _as_result(descriptor: Descriptor, list_source: str, tag: str | None) -> Json:
    return {
        "digest": str(descriptor.digest),
        "media_type": descriptor.media_type,
        "artifact_type": descriptor.artifact_type,
        "size": descriptor.size,
        "annotations": dict(descriptor.annotations),
        "source": list_source,
        "tag": tag,
    }


__all__ = ("read_referrers",)
