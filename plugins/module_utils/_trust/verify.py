# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The door of this package: one call that verifies the signatures of an image before anything of it is used.

Called by _module/registry/signatures.py for modules, and by the registry server for the content that it loads.
"""

from __future__ import annotations

import typing as t

from .cosign import find_signatures
from .errors import PolicyInvalid
from .findings import Findings
from .islet import verify_manifests

if t.TYPE_CHECKING:
    from .policy import Policy, SignatureStore, SignedImage, Verified


def verify_signature(policy: Policy, image: SignedImage, store: SignatureStore) -> Verified:
    """Verify that enough keys of the policy have signed the image.

    Raises SignatureInvalid, PolicyInvalid if the name of the image must be compared and is not known, and what the
    store raises.
    """
    findings = Findings(policy, image)
    if policy.format == "islet":
        verify_manifests(policy, image.manifests, findings)
        return findings.outcome()
    if policy.identity == "exact" and image.name is None:
        raise PolicyInvalid(
            f"The signature of {image.described} cannot be compared with the name of the image, which the task does "
            "not give: give the full name as reference, or set signature.identity=none."
        )
    find_signatures(store, policy, image, findings)
    return findings.outcome()


__all__ = ("verify_signature",)
