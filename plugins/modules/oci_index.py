#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_index: documentation and entry point; _module/index/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_index
short_description: Make and change multi-platform images in a registry
version_added: 0.3.0
description:
  - Makes sure that an image index, which joins the images for several platforms under one tag, lists certain manifests
    or does not list them. The manifests are in the same repository already.
  - Other entries of the index, and all fields that the module does not know, stay as they are. The index gets another
    digest when it changes, so signatures of it do not apply to the new one.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry
  - attested.registry.attributes
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Reads manifests and configs, and pushes nothing. RV(digest) is the digest that the index would have.
  diff_mode:
    support: full
    details:
      - Shows the digest of the index, and those of its manifests by platform.
  idempotent:
    support: full
    details:
      - Unchanged if the index has the manifests, with the platforms and annotations that the task sets.
      - A task that changes nothing reads the index, and asks for the digest of each tag in O(manifests) by C(HEAD).
        What leads to an index is read.
  platform:
    support: full
    platforms: posix
options:
  repository:
    description:
      - The name of the repository inside the registry, for example V(team/app).
      - This or O(image) is required.
    type: str
    required: false
    aliases:
      - app_name
      - name
  tag:
    description:
      - The tag of the index. If there is no such tag, O(state=present) makes it. A tag that leads to a manifest and not
        to an index is an error.
      - Required with O(repository).
    type: str
  image:
    description:
      - The full name of the index, such as V(quay.io/org/app:1.0), as C(docker) and C(podman) accept it.
      - Mutually exclusive with O(registry), O(repository) and O(tag), even if one of them is set by C(module_defaults).
    type: str
  manifests:
    description:
      - The manifests to list, or not to list with O(state=absent).
      - With O(state=present), a manifest takes the place of that for the same platform. The attestations that BuildKit
        has added to the index for the replaced image are removed.
    type: list
    elements: dict
    required: true
    suboptions:
      reference:
        description:
          - The manifest, as a tag or a digest in the same repository. An image of another repository is not copied; use
            a task for that first.
          - An index stands for all manifests that it lists, with their platforms, or with O(manifests[].platform) for
            the one for that platform.
          - Required, except with O(state=absent) if O(manifests[].platform) is set.
        type: str
      platform:
        description:
          - The platform of the image, as C(os/architecture) or C(os/architecture/variant), for example
            V(linux/arm64/v8). The default is the one in the config of the image. An entry of the same manifest for
            another platform stays, unless O(exact) is set.
          - With O(state=absent), the platform of the entries to remove.
        type: str
      annotations:
        description:
          - Annotations of the entry in the index, whose values are strings. Other annotations of the entry stay, unless
            O(exact) is set.
        type: dict
  exact:
    description:
      - Whether the index lists O(manifests) and nothing else.
      - Has no effect with O(state=absent).
    type: bool
    default: false
  state:
    description:
      - V(present) adds the manifests to the index.
      - V(absent) removes their entries from the index. The manifests stay in the registry. The last one is not removed.
    type: str
    choices:
      - present
      - absent
    default: present
notes:
  - Registries offer no way to change an index only if it is still the same. Let one host change an index at a time, by
    C(run_once), C(delegate_to) or C(throttle).
  - O(mirrors) are not asked.
seealso:
  - module: attested.registry.oci_manifest
  - module: attested.registry.oci_image_info
"""

EXAMPLES = r"""
- name: Join the images for two platforms
  attested.registry.oci_index:
    registry: registry.example.com
    repository: team/app
    tag: "1.0"
    manifests:
      - reference: 1.0-amd64
      - reference: 1.0-arm64
        platform: linux/arm64/v8
        annotations:
          org.example.tested-on: hardware

- name: Let the index have these images and no others
  attested.registry.oci_index:
    image: registry.example.com/team/app:1.0
    manifests:
      - reference: 1.0-amd64
      - reference: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
    exact: true

- name: Remove a platform that is no longer supported
  attested.registry.oci_index:
    image: registry.example.com/team/app:1.0
    manifests:
      - platform: linux/s390x
    state: absent
"""

RETURN = r"""
tag:
  description:
    - The tag of the index.
  returned: success
  type: str
  sample: "1.0"
digest:
  description:
    - The digest of the index after the task, in check mode the predicted one. V(null) if there is none.
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
before:
  description:
    - The digest of the index before the task, V(null) if there was none.
  returned: success
  type: str
  sample: sha256:4a5b7f1c2d3e4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8
manifests:
  description:
    - The entries of the index after the task, in its order.
  returned: success
  type: list
  elements: dict
  contains:
    digest:
      description:
        - The digest of the manifest.
      type: str
      sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
    media_type:
      description:
        - The media type of the manifest.
      type: str
      sample: application/vnd.oci.image.manifest.v1+json
    size:
      description:
        - The size of the manifest in bytes.
      type: int
      sample: 428
    platform:
      description:
        - The platform of the image, V(null) if the index does not state it.
      type: str
      sample: linux/arm64/v8
    annotations:
      description:
        - The annotations of the entry.
      type: dict
      sample: {}
stats:
  description:
    - Statistics of the task.
  returned: success
  type: dict
  contains:
    requests:
      description:
        - The number of HTTP requests that were sent.
      type: int
      sample: 3
ratls:
  description:
    - The attestation that the host presented on the most recent connection.
  returned: if O(tls=ra-tls) and a request was sent to the registry
  type: dict
  contains:
    evidence:
      description:
        - The value of O(ratls.evidence).
      type: str
      sample: tsm
    rim:
      description:
        - The initial measurement of the realm, in hexadecimal.
      type: str
      sample: 7d77ac01b4a1c2a1bd4b0d0a0a3b1a0fbc52a4ad3a8f1a6f1a0b6f6b3c2de9e4
    profile:
      description:
        - The profile of the token.
      type: str
      sample: tag:arm.com,2023:realm#1.0.0
    token:
      description:
        - The digest of the token. The server logs its verdict with this digest.
      type: str
      sample: sha256:4a5b7f1c2d3e4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8
    simulated:
      description:
        - Whether the token declares itself simulated. A simulated token proves nothing.
      type: bool
      sample: false
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.index.run import run_index
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "repository": {"type": "str", "aliases": ["app_name", "name"]},
    "tag": {"type": "str"},
    "image": {"type": "str"},
    "manifests": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"reference": {"type": "str"}, "platform": {"type": "str"}, "annotations": {"type": "dict"}},
    },
    "exact": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(OPTIONS, required_one_of=[("image", "repository")])
    with reported_errors(module, doing="changing an index"):
        results = run_index(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
