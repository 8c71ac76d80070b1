#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_image_unpack_probe: documentation and entry point; _module/image/probe.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_unpack_probe
short_description: Tell whether an image is unpacked already
version_added: 0.3.0
description:
  - Is a part of M(attested.registry.oci_image_unpack), whose action plugin runs this module first. Playbooks use
    M(attested.registry.oci_image_unpack).
  - Tells whether a task of M(attested.registry.oci_image_unpack) with the same options would change nothing. It needs a
    tenth of the code for that, and changes nothing.
  - Knows only what the last task that was not in check mode has noted in the state directory. If any option is another
    one, if the tree, its state or the image has changed, or if anything is unusual, RV(unchanged=false) is returned,
    and M(attested.registry.oci_image_unpack) decides.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.name
  - attested.registry.registry.image
  - attested.registry.registry.layout
  - attested.registry.registry.signature
  - attested.registry.registry.download
  - attested.registry.registry.progress
  - attested.registry.registry
  - attested.registry.tree
  - attested.registry.attributes
  - attested.registry.attributes.info_module
attributes:
  platform:
    details:
      - Requires Linux 4.9 or later.
    support: full
    platforms: linux
options:
  dest:
    description:
      - The directory, as O(attested.registry.oci_image_unpack#module:dest).
    type: path
    required: true
  state_dir:
    description:
      - As O(attested.registry.oci_image_unpack#module:state_dir).
    type: path
  state:
    description:
      - Only for V(present) there can be RV(unchanged=true).
    type: str
    choices:
      - present
      - absent
      - rolled_back
    default: present
  force:
    description:
      - As O(attested.registry.oci_image_unpack#module:force).
    type: bool
    default: false
  keep_generations:
    description:
      - As O(attested.registry.oci_image_unpack#module:keep_generations).
    type: int
    default: 1
  include:
    description:
      - As O(attested.registry.oci_image_unpack#module:include).
    type: list
    elements: str
  exclude:
    description:
      - As O(attested.registry.oci_image_unpack#module:exclude).
    type: list
    elements: str
  strip:
    description:
      - As O(attested.registry.oci_image_unpack#module:strip).
    type: str
  mount_points:
    description:
      - As O(attested.registry.oci_image_unpack#module:mount_points).
    type: list
    elements: str
    default: []
  mount_files:
    description:
      - As O(attested.registry.oci_image_unpack#module:mount_files).
    type: list
    elements: str
    default: []
  pull:
    description:
      - As O(attested.registry.oci_image_unpack#module:pull).
    type: str
    choices:
      - always
      - missing
    default: always
  drift:
    description:
      - As O(attested.registry.oci_image_unpack#module:drift). For V(content) there is never RV(unchanged=true).
    type: str
    choices:
      - none
      - metadata
      - content
    default: metadata
seealso:
  - module: attested.registry.oci_image_unpack
"""

EXAMPLES = r"""
- name: Unpack an image, for which the action plugin runs this module first
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /var/lib/machines/greeter
"""

RETURN = r"""
unchanged:
  description:
    - Whether M(attested.registry.oci_image_unpack) would change nothing. All that it would return is returned then.
    - V(false) if that is not known.
  returned: success
  type: bool
  sample: true
"""

import atexit
import gc
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.attested.registry.plugins.module_utils._module.image.probe import run_probe
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import (
    EXCLUSIVE,
    REGISTRY,
    REQUIRED_BY,
    TOGETHER,
    UNPACK,
    UNPACK_RULES,
    merge,
)

# Mirrors may contain secrets. There is never an answer with mirrors, so none of it need be shown.
_SECRET = {"mirrors": {**REGISTRY["mirrors"], "no_log": True}}


def main() -> t.NoReturn:
    """Run the module."""
    atexit.register(gc.freeze)  # as _module/process_end.py explains, which would be one more file to send
    module = AnsibleModule(
        argument_spec=merge(REGISTRY, UNPACK, _SECRET),
        required_together=TOGETHER,
        mutually_exclusive=EXCLUSIVE,
        required_by=REQUIRED_BY,
        required_if=UNPACK_RULES,
        supports_check_mode=True,
    )
    module.exit_json(**run_probe(module))


if __name__ == "__main__":
    main()
