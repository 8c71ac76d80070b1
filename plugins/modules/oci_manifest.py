#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_manifest: documentation and entry point; _module/manifest.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_manifest
short_description: Read a manifest or an index from a registry or an archive, or delete it from a registry
version_added: 0.3.0
description:
  - Fetches the manifest or index that a reference leads to, verifies it, and returns it as a document and as the bytes
    that the registry stores. With O(dest), it is also kept in a file.
  - With O(layout), the module reads it from a layout or archive on the host, and no registry is needed.
  - With O(head=true), the module only asks for the digest, the media type and the size. Registries that limit pulls do
    not count such a request as one.
  - With O(state=absent), the manifest is deleted from the registry.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.name
  - attested.registry.registry.layout
  - attested.registry.registry
  - attested.registry.registry.query
  - ansible.builtin.files
  - attested.registry.attributes
  - attested.registry.attributes.files
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - If the file at O(dest) has the manifest already, a tag takes one request for its digest (C(HEAD)), and a digest
        takes none. With O(platform), the index and the manifest are requested each time.
  safe_file_operations:
    support: full
  platform:
    support: full
    platforms: posix
options:
  platform:
    description:
      - If the reference leads to an index, read the manifest for this platform, as C(os/architecture) or
        C(os/architecture/variant), for example V(linux/arm64/v8). A single image for another platform is an error.
      - If not set, the module reads what the reference leads to, an index or a manifest.
    type: str
  head:
    description:
      - Only ask for RV(digest), RV(media_type) and RV(size), by a C(HEAD) request. The digest is then the one that the
        registry states, and it is not verified. With O(layout), the manifest is read and verified.
      - Mutually exclusive with O(platform) and O(dest).
    type: bool
    default: false
  dest:
    description:
      - The file to keep the manifest in, byte for byte as the registry stores it. A symbolic link is replaced, and its
        target is not changed. Anything else that is not a regular file is refused.
      - Missing parent directories are created with mode V(0755), reduced by the umask. If the task fails, it removes
        the directories that it created and that are empty.
      - The file is replaced in one step. The new file keeps the owner, group, mode and extended attributes of the old
        one.
    type: path
  fail_if_missing:
    description:
      - Whether the task fails if the registry does not have the repository or the reference.
      - With V(false), RV(exists) is V(false) in that case, and O(dest) is not changed. A registry that hides what it
        does not have behind a request for credentials still makes the task fail.
    type: bool
    default: true
  state:
    description:
      - V(present) reads the manifest.
      - V(absent) deletes the manifest from the registry, with B(all) tags that lead to it, by its digest. To remove a
        tag and keep the image, use M(attested.registry.oci_tag). What the manifest refers to stays, until the registry
        collects its garbage.
      - With V(absent), the task must set O(reference), O(tag), O(digest) or O(image), and O(layout), O(platform),
        O(head) and O(dest) cannot be used. With C(tag@digest), the task fails if the tag leads to another digest, and
        nothing is deleted. O(mirrors) are not used. O(fail_if_missing) has no effect.
      - If the registry does not permit deletion, the task fails with the error kind C(unsupported).
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: attested.registry.oci_image_info
  - module: attested.registry.oci_tag
  - module: attested.registry.oci_blob
"""

EXAMPLES = r"""
- name: Show which platforms an image is for
  attested.registry.oci_manifest:
    repository: com.example.greeter
    reference: "1.0"
    query: children[].platform
  register: platforms

- name: Show the platforms of the only image of an archive
  attested.registry.oci_manifest:
    layout: /srv/images/greeter.tar
    query: children[].platform

- name: Ask for the digest of a tag without pulling
  attested.registry.oci_manifest:
    image: quay.io/prometheus/busybox:latest
    head: true
  register: busybox

- name: Find out whether a release exists
  attested.registry.oci_manifest:
    repository: com.example.greeter
    tag: "2.0"
    head: true
    fail_if_missing: false
  register: release

- name: Keep the manifest for a platform in a file
  attested.registry.oci_manifest:
    repository: com.example.app
    reference: stable
    platform: linux/amd64
    dest: /var/lib/app/manifest.json
    mode: "0644"

- name: Delete an image from a registry, with all its tags
  attested.registry.oci_manifest:
    repository: com.example.app
    digest: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
    state: absent
"""

RETURN = r"""
exists:
  description:
    - Whether the registry has the manifest. V(false) only with O(fail_if_missing=false) or O(state=absent).
  returned: success, unless O(query) is given
  type: bool
  sample: true
digest:
  description:
    - The digest of the manifest, computed from the received bytes. With O(head=true), the digest that the registry
      states. With O(state=absent), the digest of the manifest that was deleted.
  returned: if RV(exists), or if a manifest was deleted
  type: str
  sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
media_type:
  description:
    - The media type of the manifest. V(null) if O(head=true) and the registry does not state it.
  returned: if RV(exists)
  type: str
  sample: application/vnd.oci.image.index.v1+json
size:
  description:
    - The size of the manifest in bytes. V(null) if O(head=true) and the registry does not state it.
  returned: if RV(exists)
  type: int
  sample: 944
document:
  description:
    - The manifest with all fields.
  returned: if RV(exists), unless O(head=true)
  type: dict
  sample:
    schemaVersion: 2
    mediaType: application/vnd.oci.image.index.v1+json
    manifests: []
content:
  description:
    - The bytes of the manifest, encoded in Base64. Their digest is RV(digest).
  returned: if RV(exists), unless O(head=true)
  type: str
  sample: eyJzY2hlbWFWZXJzaW9uIjoyfQ==
children:
  description:
    - The manifests that the index lists, in its order. Empty for a manifest.
  returned: if RV(exists), unless O(head=true)
  type: list
  elements: dict
  contains:
    digest:
      description:
        - The digest of the manifest.
      type: str
      sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
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
query_result:
  description:
    - The outcome of O(query). The other return values are then omitted.
  returned: if O(query) is given
  type: raw
  sample: [linux/amd64, linux/arm64/v8]
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.manifest import read_manifest
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import LAYOUT, NAME, QUERY
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query
from ansible_collections.attested.registry.plugins.module_utils._module.removal import remove_manifest

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.attested.registry.plugins.module_utils._module.query import Results


def run(module: AnsibleModule) -> Results:
    """Read the manifest and return the results of the module."""
    query = Query(module, module.params["query"])
    results = remove_manifest(module) if module.params["state"] == "absent" else read_manifest(module)
    kept: Results = {name: results.pop(name) for name in ("changed", "diff") if name in results}
    return {**query.apply_to(results), **kept}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        NAME,
        LAYOUT,
        QUERY,
        {
            "platform": {"type": "str"},
            "head": {"type": "bool", "default": False},
            "dest": {"type": "path"},
            "fail_if_missing": {"type": "bool", "default": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_one_of=[("image", "repository", "layout")],
        mutually_exclusive=[("head", "platform"), ("head", "dest")],
        add_file_common_args=True,
    )
    with reported_errors(module, doing="reading a manifest"):
        results = run(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
