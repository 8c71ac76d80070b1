# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter plugin parse_platform: documentation and entry point; _oci/platform.py parses the platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_platform
short_description: Parse the platform of an image
version_added: 0.3.0
author:
  - attested.registry contributors (@attested-registry)
description:
  - Parses a platform such as V(linux/amd64) or V(linux/arm/v7) as the option
    O(attested.registry.oci_image_info#module:platform) of the modules does, and returns its parts in their canonical
    form. V(linux/aarch64) and V(linux/arm64) are both V(linux/arm64/v8).
  - The filter fails if the text is not a valid platform.
options:
  _input:
    description:
      - The platform, as C(os/architecture) or C(os/architecture/variant). The architecture may also be a name that
        C(uname -m) prints, such as V(x86_64).
    type: str
    required: true
seealso:
  - plugin: attested.registry.parse_reference
    plugin_type: filter
  - module: attested.registry.oci_image_info
"""

EXAMPLES = r"""
---
- name: Show the platform of the target host
  ansible.builtin.debug:
    # linux/arm64/v8
    msg: "{{ ('linux/aarch64' | attested.registry.parse_platform).canonical }}"
"""

RETURN = r"""
_value:
  description:
    - The parts of the platform.
  type: dict
  contains:
    os:
      description:
        - The operating system, by its name in Go.
      type: str
      returned: success
      sample: linux
    os_version:
      description:
        - The version of the operating system, as in V(windows(10.0.1\)/amd64). V(none) if the text has none.
      type: str
      returned: success
      sample: 10.0.1
    architecture:
      description:
        - The architecture, by its name in Go.
      type: str
      returned: success
      sample: arm64
    variant:
      description:
        - The variant of the architecture. V(none) if it has no variants, or for the baseline of V(amd64).
      type: str
      returned: success
      sample: v8
    canonical:
      description:
        - The platform in its canonical form.
      type: str
      returned: success
      sample: linux/arm64/v8
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform

if t.TYPE_CHECKING:
    from collections.abc import Callable


def parse_platform(value: str) -> dict[str, str | None]:
    """Return the parts of a platform as documented in RETURN.

    Raises AnsibleFilterError if value is not a platform.
    """
    try:
        platform = Platform.parse(value)
    except ReferenceInvalid as exc:
        raise AnsibleFilterError(exc.message) from exc
    return {
        "os": platform.os,
        "os_version": platform.os_version,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "canonical": str(platform),
    }


class FilterModule:
    """The filter plugin that ansible-core loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, str | None]]]:
        """Return the filters by name."""
        return {"parse_platform": parse_platform}
