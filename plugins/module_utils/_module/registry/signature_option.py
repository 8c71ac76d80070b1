# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The option signature of a task, and its return value.

What verifies signatures is imported for tasks that have the option: the library cryptography takes long to import.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._trust.policy import Verified
    from .signatures import SignatureCheck


def signature_check(module: AnsibleModule) -> SignatureCheck | None:
    """Return the check of the option signature, None without one. Raises PolicyInvalid, DependencyMissing."""
    option = module.params["signature"]
    if option is None:
        return None
    from .signatures import SignatureCheck

    return SignatureCheck(option, warn=module.warn)


def signature_results(verified: Verified | None) -> Json:
    """Return the return value signature, nothing without the option."""
    return {} if verified is None else {"signature": verified.as_dict()}


__all__ = ("signature_check", "signature_results")
