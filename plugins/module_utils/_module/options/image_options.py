# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options reference and platform as values, and the platform of the target host, which is the default."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from ..._oci.platform import Platform
from ..._oci.processor import highest_variant, parse_features
from ..._oci.reference import DEFAULT_TAG, Selector

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_CPUINFO: t.Final = "/proc/cpuinfo"
_ENOUGH: t.Final = 16 * 1024


def wanted_selector(module: AnsibleModule) -> Selector:
    """Return the option reference, parsed; the tag latest if it is not set. Raises ReferenceInvalid."""
    reference = module.params["reference"]
    return Selector.parse(DEFAULT_TAG if reference is None else reference)


def wanted_platform(module: AnsibleModule) -> Platform:
    """Return the option platform, parsed; the platform of this host if it is not set. Raises ReferenceInvalid."""
    if module.params["platform"] is not None:
        return Platform.parse(module.params["platform"])
    return host_platform()


def platform_or_all(text: str, host: Platform) -> Platform | None:
    """Return the platform in the option platform of a module that copies images, None for all. Raises ReferenceInvalid.

    host is the platform of this host.
    """
    if text == "all":
        return None
    return replace(host, is_default=False) if text == "host" else Platform.parse(text)


def host_platform() -> Platform:
    """Return the platform of this host, with the highest variant that its processor supports."""
    host = os.uname()
    features = parse_features(_read_cpuinfo())
    return Platform.host(host.machine, host.sysname, highest_variant=highest_variant(host.machine, features))


def _read_cpuinfo() -> str:
    try:
        with open(_CPUINFO, "rb", buffering=0) as file:
            return (file.read(_ENOUGH) or b"").decode("ascii", "replace")
    except OSError:
        return ""


__all__ = ("host_platform", "platform_or_all", "wanted_platform", "wanted_selector")
