# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The option range of oci_blob: a part of a blob in the results of the task, unverified and with a warning."""

from __future__ import annotations

import typing as t
from base64 import b64encode

from .._oci.digest import Digest
from .._registry.blob_range import ByteRange
from .registry.attestation import attestation_results
from .registry.connection import opened_source

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_range(module: AnsibleModule) -> dict[str, t.Any]:
    """Read the part of the blob and return the results of the module. Raises DigestError and RegistryError."""
    digest, wanted = Digest.parse(module.params["digest"]), ByteRange.parse(module.params["range"])
    with opened_source(module) as source:
        part = source.blob_part(module.params["repository"], digest, wanted)
        attested = attestation_results(source)
    module.warn(f"A part of the blob {digest} is not verified, because a digest covers a whole blob.")
    content = b64encode(part.content).decode("ascii")
    results = {"digest": str(digest), "size": part.size, "first": part.first, "content": content}
    return {"changed": False, **results, **attested}


__all__ = ("run_range",)
