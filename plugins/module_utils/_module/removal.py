# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_manifest and oci_blob with state=absent: look whether it is there, and delete it."""

from __future__ import annotations

import typing as t

from .._oci.digest import Digest
from .._oci.reference import Reference, Selector
from .._registry.push.deletion import delete_blob, delete_manifest
from .options.given import given_options
from .options.ranges import OptionInvalid
from .registry.attestation import attestation_results
from .registry.connection import opened_registry
from .registry.digests import find_digest

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Results = dict[str, t.Any]


def remove_manifest(module: AnsibleModule) -> Results:
    """Delete the manifest that the reference leads to, and return the results of oci_manifest. Raises CollectionError.

    A manifest is deleted by its digest, so all of its tags are gone as well.
    """
    params = module.params
    _refuse(params, "layout", "platform", "head", "dest")
    _require_reference(params)
    selector = Selector.parse(params["reference"])
    with opened_registry(module) as registry:
        found = find_digest(registry, params["repository"], selector)
        digest = None if found is None else selector.digest or found
        if digest is not None and not module.check_mode:
            delete_manifest(registry.caller, repository=registry.repository(params["repository"]), reference=digest)
        facts = {} if digest is None else {"digest": str(digest)}
        return {"exists": False, **facts, **_changed(facts), **attestation_results(registry)}


def remove_blob(module: AnsibleModule) -> Results:
    """Delete the blob with the digest, and return the results of oci_blob. Raises CollectionError."""
    params = module.params
    _refuse(params, "dest", "range")
    digest = Digest.parse(params["digest"])
    with opened_registry(module) as registry:
        size = registry.head_blob(params["repository"], digest)
        if size is not None and not module.check_mode:
            delete_blob(registry.caller, repository=registry.repository(params["repository"]), digest=digest)
        results = {"digest": str(digest), "size": size}
        return {**results, **_changed({} if size is None else results), **attestation_results(registry)}


def _changed(before: Results) -> Results:
    return {"changed": bool(before), "diff": {"before": before, "after": {}}}


def _refuse(params: t.Mapping[str, t.Any], *options: str) -> None:
    given = [option for option in options if params[option]]
    if given:
        raise OptionInvalid(
            f"The options state=absent and {given[0]} are mutually exclusive: with state=absent, content is deleted "
            f"from the registry, and {given[0]} is for reading it; leave it out."
        )


def _require_reference(params: t.Mapping[str, t.Any]) -> None:
    """Refuse to delete what the task names only by default."""
    given = given_options()
    named = any(given.get(option) is not None for option in ("reference", "tag", "digest"))
    if given.get("image") is not None:
        whole = Reference.parse(given["image"], default_tag=None)
        named = (whole.tag, whole.digest) != (None, None)
    if not named:
        raise OptionInvalid(
            f"With state=absent, the task must name what to delete: the default {params['reference']} is not enough; "
            "set reference, tag or digest, or give a tag or digest in image."
        )


__all__ = ("remove_blob", "remove_manifest")
