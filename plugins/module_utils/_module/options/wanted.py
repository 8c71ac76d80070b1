# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options reference and platform as values. Called by the modules for images."""

from __future__ import annotations

import typing as t

from ..._oci.platform import Platform
from ..._oci.reference import Selector
from .host import host_platform

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def wanted_selector(module: AnsibleModule) -> Selector:
    """Return the option reference, parsed. Raises ReferenceInvalid."""
    return Selector.parse(module.params["reference"])


def wanted_platform(module: AnsibleModule) -> Platform:
    """Return the option platform, parsed; the platform of this host if it is not set. Raises ReferenceInvalid."""
    if module.params["platform"] is not None:
        return Platform.parse(module.params["platform"])
    return host_platform()


__all__ = ("wanted_platform", "wanted_selector")
