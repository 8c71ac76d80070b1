# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_index: read the index of a tag, change its entries, and push it if anything has changed."""

from __future__ import annotations

import typing as t

from ..._oci.digest import Digest
from ..._oci.errors import ReferenceInvalid, Unsupported
from ..._oci.index import Index
from ..._oci.reference import Selector
from ..._registry.errors import NotFound
from ..._registry.push.pusher import Pusher
from ..registry.attestation import attestation_results
from ..registry.connection import opened_source
from .document import IndexDocument
from .members import MemberResolver, parse_members

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._registry.client import Registry
    from ..registry.sources import ImageSource
    from .document import Entry
    from .members import Member

# In a diff, the place of entries without a platform.
_NO_PLATFORM: t.Final = "unspecified"


def run_index(module: AnsibleModule) -> Json:
    """Bring the index to the requested state and return the results of oci_index."""
    params = module.params
    tag = _parse_tag(params)
    members = parse_members(params["manifests"], removing=params["state"] == "absent")
    # a mirror takes no writes, and what it has may be older
    params["mirrors"] = []
    with opened_source(module) as source:
        registry, repository = t.cast("Registry", source), params["repository"]
        before, digest_before = _read_index(registry, repository, tag)
        after = _change(registry, repository, tag, before, members, params)
        digest = digest_before
        if after is not before:
            content = t.cast(IndexDocument, after).to_bytes()
            digest = Digest.of(content)
            if not module.check_mode:
                with Pusher(registry, repository) as pusher:
                    pusher.push_manifest(content, t.cast(IndexDocument, after).media_type, tag)
        results: Json = {
            "changed": after is not before,
            "tag": tag,
            "digest": None if digest is None else str(digest),
            "before": None if digest_before is None else str(digest_before),
            "manifests": [] if after is None else [_describe(entry) for entry in after.entries],
            "stats": {"requests": source.requests},
            **attestation_results(source),
        }
        if module._diff:
            header = f"{registry.name}/{registry.repository(repository)}:{tag}"
            results["diff"] = {
                "before_header": header,
                "after_header": header,
                "before": {"digest": results["before"], "manifests": _by_platform(before)},
                "after": {"digest": results["digest"], "manifests": _by_platform(after)},
            }
    return results


def _parse_tag(params: t.Mapping[str, t.Any]) -> str:
    """Return the tag of the index, by the option tag or image. Raises ReferenceInvalid."""
    if params["image"] is None:
        if params["tag"] is None:
            raise ReferenceInvalid("The option tag is missing; give the tag of the index.")
        return t.cast(str, Selector(params["tag"], None).tag)
    selector = Selector.parse(params["reference"])
    if selector.tag is None or selector.digest is not None:
        raise ReferenceInvalid("The option image has a digest, which cannot be changed; give a name with a tag alone.")
    return selector.tag


def _read_index(source: ImageSource, repository: str, tag: str) -> tuple[IndexDocument | None, Digest | None]:
    """Return the index that a tag leads to with its digest; None if there is no such tag. Raises Unsupported."""
    try:
        fetched = source.manifest(repository, Selector(tag, None))
    except NotFound:
        return None, None
    if not isinstance(fetched.document, Index):
        raise Unsupported(
            f"Changing the index {tag} of {source.repository(repository)} failed: the tag leads to a manifest and not "
            "to an index; give another tag, or delete this one first.",
        )
    return IndexDocument.of(fetched.document), fetched.digest


def _change(
    source: ImageSource,
    repository: str,
    tag: str,
    before: IndexDocument | None,
    members: t.Sequence[Member],
    params: t.Mapping[str, t.Any],
) -> IndexDocument | None:
    """Return the index as it is to be; the same object if nothing changes. Raises as MemberResolver, Unsupported."""
    exact = params["exact"]
    if params["state"] == "present":
        start = before or IndexDocument.empty()
        wanted = MemberResolver(source, repository, start, exact=exact).entries_to_add(members)
        after = start.with_entries(wanted, exact=exact)
    elif before is None:
        return None
    else:
        after = before.without(MemberResolver(source, repository, before, exact=exact).entries_to_remove(members))
    if after is not before and not after.entries:
        raise Unsupported(
            f"Changing the index {tag} of {source.repository(repository)} failed: there would be no manifest in it; "
            "give others, or delete the tag by oci_tag."
        )
    return after


def _describe(entry: Entry) -> Json:
    descriptor = entry.descriptor
    return {
        "digest": str(descriptor.digest),
        "media_type": descriptor.media_type,
        "size": descriptor.size,
        "platform": None if descriptor.platform is None else str(descriptor.platform),
        "annotations": dict(descriptor.annotations),
    }


def _by_platform(index: IndexDocument | None) -> dict[str, list[str]]:
    """Return the digests in an index by platform, for a diff."""
    found: dict[str, list[str]] = {}
    for entry in () if index is None else index.entries:
        platform = entry.descriptor.platform
        found.setdefault(_NO_PLATFORM if platform is None else str(platform), []).append(str(entry.digest))
    return {platform: sorted(digests) for platform, digests in sorted(found.items())}


__all__ = ("run_index",)
