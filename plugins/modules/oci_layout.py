#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_layout
short_description: Keeps images from a registry in an OCI layout directory
version_added: 0.2.0
description:
  - Brings an image, or another artifact, from any registry into an OCI image layout, which is a directory that other
    tools and the registry server of this collection read.
  - Only what the layout does not have is downloaded. A download that breaks off is carried on, by the next run too.
    Every file gets its name when its digest and size have been verified and it is on the disk.
  - The tag is set last, by one atomic step. Whoever reads the layout sees what was there before or what is there then,
    complete. Manifests, indexes and configs stay as they are byte for byte, so no digest changes.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry
  - ansible.builtin.files
  - attested.registry.attributes
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Manifests and a config are fetched to know what is missing, a layer never. Nothing is written.
  diff_mode:
    support: full
    details:
      - Shows the tags with their digests, what is missing, and what is pruned.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  repository:
    description:
      - The name of the repository inside the registry, for example V(library/debian).
      - This or O(image) is required with O(state=present).
    type: str
    required: false
    aliases:
      - app_name
      - name
  image:
    description:
      - The whole name of the image, such as V(quay.io/org/app:1.0) or V(quay.io/org/app@sha256:...), as C(docker) and
        C(podman) take it. A name without a host is one of Docker Hub.
      - Mutually exclusive with O(registry), O(repository), O(reference), O(tag) and O(digest), also if
        C(module_defaults) sets one of these.
    type: str
    version_added: 0.3.0
  reference:
    description:
      - Which image of the repository, as a tag, a digest, or both in the form C(tag@digest). Without it V(latest) is
        brought with O(state=present).
      - With both, the tag must lead to that digest.
      - A digest alone leads to an entry without a tag, unless O(dest_tag) is given.
      - With O(state=absent), what to remove from the layout, unless O(dest_tag) says that. One of both is needed then.
    type: str
  tag:
    description:
      - The tag of the image, in place of O(reference). With O(digest) too, the tag must lead to that digest.
    type: str
  digest:
    description:
      - The digest of the image, in place of O(reference).
    type: str
  platform:
    description:
      - What to bring of a reference that leads to an index of images for several platforms.
      - V(all) brings the index and all that it refers to. The tag of the layout then leads to the index, with the
        digest that it has in the registry.
      - With C(os/architecture) or C(os/architecture/variant), for example V(linux/arm64/v8), the tag leads to the
        manifest for that platform, as it is. V(host) is the platform of the host that the task runs on.
      - With a platform, or V(host), a reference that leads to a single image for another platform is an error.
      - There is no choice of several platforms, because an index of some of them would be another index with another
        digest. Bring them under several tags.
    type: str
    default: all
  foreign_layers:
    description:
      - Whether layers that the manifest places outside of the registry, by a C(urls) list, may be fetched from there.
        Without it such layers are left out.
      - Those addresses are chosen by whoever made the image, not by you.
    type: bool
    default: false
  dest:
    description:
      - The directory of the layout. It is made, with its missing parent directories, if it does not exist. If the task
        fails, it removes those that it made and that are empty.
      - A directory that is not empty and not a layout is refused.
    type: path
    required: true
  dest_tag:
    description:
      - The tag in the layout, which is the annotation C(org.opencontainers.image.ref.name) of the entry in
        C(index.json).
      - If not set, the tag in O(reference), O(tag) or O(image).
    type: str
  state:
    description:
      - V(present) makes the tag of the layout lead to the image.
      - V(absent) removes the tag. What it led to stays until it is pruned. The registry is not asked.
    type: str
    choices:
      - present
      - absent
    default: present
  validate:
    description:
      - Whether to read and hash all files of the image that are there. Those that are wrong are replaced.
      - Without it a layer that has the right size counts as right. Manifests are always hashed.
    type: bool
    default: false
  prune:
    description:
      - Whether to remove all blobs that nothing in the layout refers to, and what is left of unfinished downloads.
      - If a manifest is missing or damaged, the task fails and removes nothing, because it cannot know what that
        manifest refers to. Manifests in an index may be missing (a sparse index); blobs that only they refer to are
        removed.
      - A registry server that has the layout loaded still offers what is removed until it is reloaded.
    type: bool
    default: false
  lock_timeout:
    description:
      - How many seconds to wait for another task that is at work on O(dest).
    type: float
    default: 60
  mode:
    description:
      - The mode of the files in the layout, those of the image and C(index.json), as for M(ansible.builtin.file).
        Directories can be entered by those who may read the files.
      - If not set, new files have V(0644) and new directories V(0755).
notes:
  - A task that changes nothing makes one request, a C(HEAD) for the manifest, which registries do not count against
    pull limits; with a digest it makes none. Authentication may take requests of its own.
  - Layers that an image places outside of its registry (nondistributable, or foreign, layers) are left out unless
    O(foreign_layers) is set. Readers of layouts do not require them.
  - An image of docker's media types keeps them. Registry servers serve it from the layout; skopeo and umoci find only
    images of OCI's types in layouts.
  - What is not finished is kept in the directory C(.oci_layout) in O(dest), which is there only as long as it is
    needed. A task that changes something locks the file C(lock) in it, which no other user can open.
  - A directory that holds only C(blobs) and C(index.json), as a killed task leaves it, is completed.
seealso:
  - module: attested.registry.oci_image_info
  - module: attested.registry.oci_image_unpack
  - name: OCI image layout specification
    description: What is where in a layout.
    link: https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

EXAMPLES = r"""
- name: Keep a release in a layout
  attested.registry.oci_layout:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/registry/com.example.greeter

- name: Keep an image of Docker Hub, by its whole name
  attested.registry.oci_layout:
    image: docker.io/library/debian:12
    dest: /srv/registry/debian

- name: Let the tag stable of the layout lead to the next release, for one platform alone
  attested.registry.oci_layout:
    repository: com.example.greeter
    reference: "1.1"
    platform: linux/arm64
    dest: /srv/registry/com.example.greeter
    dest_tag: stable

- name: Look for damage and repair it
  attested.registry.oci_layout:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/registry/com.example.greeter
    validate: true

- name: Remove a release and all that only it needed
  attested.registry.oci_layout:
    dest: /srv/registry/com.example.greeter
    reference: "1.0"
    state: absent
    prune: true
  register: removed

- name: Say how much space that gave back
  ansible.builtin.debug:
    msg: "{{ removed.pruned.blobs | length }} files, {{ removed.pruned.bytes }} bytes"
"""

RETURN = r"""
dest:
  description:
    - The directory of the layout.
  returned: success
  type: str
  sample: /srv/registry/com.example.greeter
tag:
  description:
    - The tag in the layout that the task is about, V(null) if it is about an entry without a tag.
  returned: success
  type: str
  sample: "1.0"
digest:
  description:
    - What the tag leads to, which is an index or a manifest. V(null) with O(state=absent).
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
image:
  description:
    - The image, with the keys that M(attested.registry.oci_image_info) returns. Of an index it is the image for the
      platform of the host that the task runs on, or else the first one.
    - V(null) with O(state=absent) and for an index that holds no image.
  returned: success
  type: dict
  contains:
    registry:
      description:
        - The registry it came from.
      type: str
      sample: localhost:1337
    repository:
      description:
        - The repository it came from.
      type: str
      sample: com.example.greeter
    digest:
      description:
        - The digest of its manifest.
      type: str
      sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
    index_digest:
      description:
        - The digest of the index that led to it, V(null) if there is none.
      type: str
      sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
    platform:
      description:
        - The platform that it is for, V(null) for an artifact.
      type: str
      sample: linux/amd64
    platforms:
      description:
        - All platforms that the index offers.
      type: list
      elements: str
      sample: [linux/amd64, linux/arm64]
    config:
      description:
        - Its config with all fields, V(null) for an artifact.
      type: dict
      sample:
        architecture: amd64
        os: linux
    layers:
      description:
        - Its layers, the lowest first, each with C(digest), C(size), C(media_type), C(diff_id) and C(annotations).
      type: list
      elements: dict
      sample: []
tags:
  description:
    - All tags of the layout with the digests that they lead to, as they are now, or would be in check mode.
  returned: success
  type: dict
  sample:
    "1.0": sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
blobs:
  description:
    - How many files the image consists of, indexes and manifests included.
  returned: success
  type: dict
  contains:
    present:
      description:
        - Those that the layout had.
      type: int
      sample: 3
    downloaded:
      description:
        - Those that were, or would be in check mode, added or replaced.
      type: int
      sample: 4
    left_out:
      description:
        - The layers that are not fetched because of O(foreign_layers=false).
      type: int
      sample: 0
pruned:
  description:
    - What was, or would be in check mode, removed because of O(prune).
  returned: success
  type: dict
  contains:
    blobs:
      description:
        - The digests of the blobs, and of the unfinished downloads.
      type: list
      elements: str
      sample: []
    bytes:
      description:
        - The size of all of them.
      type: int
      sample: 0
orphans:
  description:
    - How many files below C(blobs) nothing refers to, after O(prune). V(null) if that cannot be told because a manifest
      is missing or damaged.
  returned: success
  type: int
  sample: 0
stats:
  description:
    - What the task did.
  returned: success
  type: dict
  contains:
    downloaded_bytes:
      description:
        - The bytes of configs and layers that were downloaded.
      type: int
      sample: 2549
    requests:
      description:
        - The HTTP requests that were made.
      type: int
      sample: 1
ratls:
  description:
    - What the host showed to the registry on the newest connection.
  returned: if O(tls=ra-tls) and the registry was asked
  type: dict
  contains:
    evidence:
      description:
        - The O(ratls.evidence) that was used.
      type: str
      sample: tsm
    rim:
      description:
        - The initial measurement of the realm, in hexadecimal digits.
      type: str
      sample: 7d77ac01b4a1c2a1bd4b0d0a0a3b1a0fbc52a4ad3a8f1a6f1a0b6f6b3c2de9e4
    profile:
      description:
        - The profile of the token.
      type: str
      sample: tag:arm.com,2023:realm#1.0.0
    token:
      description:
        - The digest of the token, under which the log of the server has its verdict.
      type: str
      sample: sha256:4a5b7f1c2d3e4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8
    simulated:
      description:
        - Whether the token says that it is a simulated one, which proves nothing.
      type: bool
      sample: false
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.layout_run import run_layout

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.argument_spec import Options

OPTIONS: Options = {
    "repository": {"type": "str", "aliases": ["app_name", "name"]},
    "image": {"type": "str"},
    "reference": {"type": "str"},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
    "platform": {"type": "str", "default": "all"},
    "foreign_layers": {"type": "bool", "default": False},
    "dest": {"type": "path", "required": True},
    "dest_tag": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "validate": {"type": "bool", "default": False},
    "prune": {"type": "bool", "default": False},
    "lock_timeout": {"type": "float", "default": 60},
}


def main() -> t.NoReturn:
    """Runs the module."""
    module = registry_module(
        OPTIONS,
        required_if=[
            ("state", "present", ("image", "repository"), True),
            ("state", "absent", ("image", "reference", "tag", "digest", "dest_tag"), True),
        ],
        add_file_common_args=True,
    )
    with reported_errors(module, doing=f"keeping an image in the layout {module.params['dest']}"):
        results = run_layout(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
