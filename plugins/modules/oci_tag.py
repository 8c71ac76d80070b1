#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_tag: documentation and entry point; _module/tag.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_tag
short_description: Set or remove tags of an image in a registry
version_added: 0.3.0
description:
  - Points tags of a repository to an image that the repository has already, for example to promote a tested image to
    V(stable), or removes tags.
  - No layer is moved, and nothing is needed on the host. The manifest or index is pushed again, byte for byte, under
    each tag that does not lead to it, so the image keeps its digest, its platforms and its signatures.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry
  - attested.registry.registry.name
  - attested.registry.attributes
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Looks up the tags, as a run that changes something does. It cannot tell whether the credentials permit writing,
        or whether the registry removes tags without their manifest.
  diff_mode:
    support: full
    details:
      - Shows the digest that each tag leads to.
  idempotent:
    support: full
    details:
      - A run that changes nothing takes one request (C(HEAD)) for O(reference), and one for each tag.
  platform:
    support: full
    platforms: posix
options:
  image:
    description:
      - The full name of the image that the tags shall lead to, such as V(quay.io/org/app:1.0), as C(docker) and
        C(podman) accept it. Without a tag or digest, the tag is V(latest).
      - Mutually exclusive with O(registry), O(repository), O(reference), O(tag) and O(digest), even if one of them is
        set by C(module_defaults).
      - This or O(repository) is required. With O(state=absent), it must not have a tag or digest.
    type: str
  repository:
    description:
      - The name of the repository inside the registry, for example V(team/app).
      - This or O(image) is required.
    type: str
    required: false
    aliases:
      - app_name
      - name
  reference:
    description:
      - The image in the repository that the tags shall lead to, as a tag, a digest, or both in the form C(tag@digest).
      - With both, the tag must resolve to that digest.
      - Mutually exclusive with O(tag) and O(digest). Must not be set with O(state=absent).
    type: str
    default: latest
  tags:
    description:
      - The tags to set or to remove.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(present) points O(tags) to the image. A tag that leads to another image is moved.
      - V(absent) removes O(tags), whatever they lead to. The images stay, and can still be pulled by digest until the
        registry collects its garbage.
    type: str
    choices:
      - present
      - absent
    default: present
  delete_manifest:
    description:
      - With O(state=absent), what to do in a registry that does not remove tags alone, but only a manifest with all of
        its tags, such as docker's registry before version 3.
      - With V(false), the task fails with the error kind C(unsupported), and the message lists the other tags of the
        manifest.
      - With V(true), the manifest is deleted with all of its tags. If there are others than O(tags), the task emits a
        warning that lists them.
    type: bool
    default: false
notes:
  - The credentials must permit pushing, and with O(state=absent) deleting.
  - Only O(registry) is asked and changed, and O(mirrors) are not used.
  - Registries have no operation that changes a tag only if nobody else has changed it. Of two tasks that set a tag at
    the same moment, the later one wins.
seealso:
  - module: attested.registry.oci_tags
  - module: attested.registry.oci_manifest
"""

EXAMPLES = r"""
- name: Promote a tested image
  attested.registry.oci_tag:
    registry: registry.example.com
    repository: team/app
    reference: 1.4.2-rc3
    tags:
      - 1.4.2
      - stable
    username: publisher
    password: "{{ registry_password }}"

- name: Promote exactly the image that was tested
  attested.registry.oci_tag:
    image: "registry.example.com/team/app@sha256:3a9d6f8e1f5f1ce0d7be7ab4ac3f05e0a5c20a5b9d6b4a6e0a8c7d6e5f4a3b2c"
    tags: [stable]

- name: Remove the tags of a release that was withdrawn
  attested.registry.oci_tag:
    registry: registry.example.com
    repository: team/app
    tags: [1.4.1]
    state: absent

- name: The same in a registry that only deletes whole manifests
  attested.registry.oci_tag:
    registry: localhost:5000
    repository: team/app
    tags: [1.4.1]
    state: absent
    delete_manifest: true
"""

RETURN = r"""
digest:
  description:
    - The digest of the image that the tags lead to.
  returned: success, with O(state=present)
  type: str
  sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
tags:
  description:
    - The tags in O(tags), each once.
  returned: success
  type: list
  elements: dict
  contains:
    tag:
      description:
        - The tag.
      type: str
      sample: stable
    before:
      description:
        - The digest that the tag led to, V(null) if there was no such tag.
      type: str
      sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
    after:
      description:
        - The digest that the tag leads to now, V(null) if it was removed.
      type: str
      sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
deleted_manifests:
  description:
    - The manifests that were deleted because the registry does not remove tags alone. Empty in check mode.
  returned: success, with O(state=absent)
  type: list
  elements: str
  sample: []
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
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import NAME
from ansible_collections.attested.registry.plugins.module_utils._module.tag import run_tag


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        NAME,
        {
            "tags": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "delete_manifest": {"type": "bool", "default": False},
        },
        required_one_of=[("image", "repository")],
    )
    with reported_errors(module, doing="setting tags"):
        results = run_tag(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
