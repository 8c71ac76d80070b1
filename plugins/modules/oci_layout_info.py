#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_layout_info: documentation and entry point; _module/layout/info.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_layout_info
short_description: Show what is in OCI image layouts
version_added: 0.3.0
description:
  - Reads the OCI image layout in a directory, or all layouts below it, and returns tags, digests, platforms and sizes
    of the images, the blobs that nothing refers to, and all faults.
  - It reads a layout as the registry server of this collection does. A layout without faults is one that the server
    serves completely.
  - The module needs no registry and changes nothing on the host.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.attributes
  - attested.registry.attributes.info_module
attributes:
  platform:
    support: full
    platforms: linux
options:
  path:
    description:
      - The directory of a layout, or with O(recurse) a directory that has layouts in it.
    type: path
    required: true
  recurse:
    description:
      - Whether to look for layouts in O(path) and in all directories below it, as in the content directory of a
        registry server. Symbolic links are not followed. Directories inside of a layout are not searched.
    type: bool
    default: false
  validate:
    description:
      - Whether to hash all files. With V(false), manifests and indexes are hashed, and of configs and layers only
        existence and size are checked.
    type: bool
    default: false
notes:
  - A fault does not make the task fail. Check RV(layouts[].sound) for that.
seealso:
  - module: attested.registry.oci_layout
"""

EXAMPLES = r"""
- name: Look at all layouts of a registry server
  attested.registry.oci_layout_info:
    path: /srv/registry
    recurse: true
  register: found

- name: Print the tags of each
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.tags | join(', ') }}"
  loop: "{{ found.layouts }}"
  loop_control:
    label: "{{ item.name }}"

- name: Fail if a file of any layout is damaged
  attested.registry.oci_layout_info:
    path: /srv/registry
    recurse: true
    validate: true
  register: validated
  failed_when: validated.layouts | rejectattr("sound") | list
"""

RETURN = r"""
layouts:
  description:
    - The layouts, sorted by path. Without O(recurse), one element.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description:
        - The directory of the layout.
      type: str
      sample: /srv/registry/team/app
    name:
      description:
        - The path of the layout relative to O(path), which is the name of the repository if O(path) is the content
          directory of a registry server. V(null) if O(path) is the layout itself.
      type: str
      sample: team/app
    sound:
      description:
        - Whether the layout has no faults.
      type: bool
      sample: true
    tags:
      description:
        - All tags with the digests that they point to.
      type: dict
      sample:
        "1.0": sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
    images:
      description:
        - The entries of C(index.json) whose manifest or index can be read.
      type: list
      elements: dict
      contains:
        tag:
          description:
            - The tag of the entry, V(null) if it has none.
          type: str
          sample: "1.0"
        digest:
          description:
            - The digest of the manifest or index.
          type: str
          sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
        media_type:
          description:
            - Its media type.
          type: str
          sample: application/vnd.oci.image.index.v1+json
        platforms:
          description:
            - The platforms of the images in the layout, without those that an index lists and the layout does not have.
          type: list
          elements: str
          sample: [linux/amd64, linux/arm64/v8]
        size:
          description:
            - The size of all files of the entry in bytes, each file counted once.
          type: int
          sample: 31457280
        subject:
          description:
            - If this is a referrer, such as a signature or an SBOM, the digest of the image that it refers to. V(null)
              otherwise.
          type: str
          sample: null
        artifact_type:
          description:
            - What a referrer is, for example V(application/spdx+json). V(null) otherwise.
          type: str
          sample: null
    blobs:
      description:
        - The number of files that the images consist of.
      type: int
      sample: 7
    size:
      description:
        - The size of these files in bytes.
      type: int
      sample: 31457280
    orphans:
      description:
        - The files that nothing refers to, as V(sha256/...). O(attested.registry.oci_layout#module:prune) removes them.
      type: list
      elements: str
      sample: []
    warnings:
      description:
        - What is ambiguous or ignored, such as a tag that is given twice, one sentence each.
      type: list
      elements: str
      sample: []
    faults:
      description:
        - What is missing, damaged or malformed.
      type: list
      elements: dict
      contains:
        kind:
          description:
            - The kind of the fault, such as C(blob_missing) or C(wrong_digest).
          type: str
          sample: blob_missing
        msg:
          description:
            - The fault in one sentence.
          type: str
          sample: "Reading the layout failed: the layer sha256:... is not there; copy the image into the layout again."
        digest:
          description:
            - The digest of the content that the fault is about, if there is one.
          type: str
          sample: sha256:5d20c808ce198565ff70b3ed23a991dd49afac45dece63474b27ce6ed036adc6
      sample: []
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.layout.info import describe_layouts
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import local_module

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "path": {"type": "path", "required": True},
    "recurse": {"type": "bool", "default": False},
    "validate": {"type": "bool", "default": False},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = local_module(OPTIONS)
    params = module.params
    with reported_errors(module, doing=f"reading layouts at {params['path']}"):
        layouts = describe_layouts(params["path"], recurse=params["recurse"], validate=params["validate"])
    module.exit_json(changed=False, layouts=layouts)


if __name__ == "__main__":
    main()
