#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_unpack
short_description: Keeps the root filesystem of an image from a registry in a directory
version_added: 0.1.0
description:
  - Fetches an image from an OCI registry and unpacks its layers to a directory, without a container engine.
  - Everything is verified on the way, which is the manifest, the config, the digest and size of each layer, and the
    digest of each layer decompressed. The tree is built beside the directory and takes its place in one step once all
    of it is right. When anything fails, or the host dies, the directory is what it was before.
  - What the module remembers is kept in a directory beside O(dest), C(.NAME.oci) for C(NAME), readable by the owner
    alone. It must be on the same filesystem as O(dest), which is why O(dest) cannot be a mount point.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.image
  - attested.registry.registry
  - attested.registry.tree
  - attested.registry.attributes
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - The manifest and the config are fetched to know what would change, a layer never. Nothing is written.
  diff_mode:
    support: full
    details:
      - Shows tag, digests, the size of the download, layers, config and annotations before and after, and the drift,
        not the files of the image.
  idempotent:
    support: full
  platform:
    details:
      - Needs Linux 4.9 or later; from Linux 5.6 on the kernel itself confines paths to the tree.
    support: full
    platforms: linux
options:
  dest:
    description:
      - The directory that becomes the root filesystem.
      - Missing parent directories are made with O(state=present), with the mode V(0755) less the umask. If the task
        fails, it removes those that it made.
    type: path
    required: true
  state:
    description:
      - V(present) makes O(dest) hold the image.
      - V(absent) removes O(dest), all kept generations and the state directory. A directory that this module did not
        make is not removed. The registry is not asked.
      - V(rolled_back) brings back the tree that was there before the last change, and keeps what it replaces. Right
        after a roll-back it changes nothing. The registry is not asked.
    type: str
    choices:
      - present
      - absent
      - rolled_back
    default: present
  force:
    description:
      - Whether to take over a directory that is not empty and that this module did not make. It is kept as a
        generation.
      - With O(state=absent) such a directory is removed.
    type: bool
    default: false
  keep_generations:
    description:
      - How many earlier trees to keep, for O(state=rolled_back) and for a return to them without a download.
    type: int
    default: 1
  drift:
    description:
      - How closely to look at the tree for changes that were made to it after it was unpacked. A tree that has drifted
        is unpacked again, which repairs it. The drifted tree is kept besides the others, unless
        O(keep_generations=0), but is never rolled back to.
      - V(metadata) compares names, types, sizes, modes, owners and modification times.
      - V(content) reads and hashes all files too.
      - V(none) does not look, and so never repairs.
    type: str
    choices:
      - none
      - metadata
      - content
    default: metadata
notes:
  - A task that changes nothing makes one request, a C(HEAD) for the manifest, which registries do not count against
    pull limits. With a digest it makes none. Authentication may take requests of its own.
  - A task that changes nothing succeeds on a filesystem that is mounted read-only.
  - A change of O(ownership), O(xattrs) or O(devices) makes the next run unpack the image again.
  - Without root, set O(ownership=false).
seealso:
  - module: attested.registry.oci_image_info
  - module: attested.registry.oci_layer_unpack
"""

EXAMPLES = r"""
- name: Unpack an image
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /var/lib/machines/greeter
  register: unpacked

- name: Unpack an image by its whole name
  attested.registry.oci_image_unpack:
    image: docker.io/library/debian:12
    dest: /var/lib/machines/debian

- name: Say what happened
  ansible.builtin.debug:
    msg: "{{ unpacked.dest }} was {{ unpacked.previous_digest or 'empty' }} and is {{ unpacked.image.digest }}"

- name: Move on to the next release and keep two earlier ones
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.1"
    dest: /var/lib/machines/greeter
    keep_generations: 2

- name: Unpack an image from a registry that gives it to realms alone which attest what they run
  attested.registry.oci_image_unpack:
    registry: registry.example.com
    repository: com.example.greeter
    reference: "1.0"
    dest: /var/lib/machines/greeter
    tls: ra-tls
    ratls:
      evidence: tsm
      key_type: ec-p256

- name: Go back to the tree before
  attested.registry.oci_image_unpack:
    dest: /var/lib/machines/greeter
    state: rolled_back

- name: Unpack as an ordinary user
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: "{{ ansible_env.HOME }}/greeter"
    ownership: false

- name: Remove the tree and all that was kept of it
  attested.registry.oci_image_unpack:
    dest: /var/lib/machines/greeter
    state: absent
"""

RETURN = r"""
dest:
  description:
    - The directory.
  returned: success
  type: str
  sample: /var/lib/machines/greeter
image:
  description:
    - The image that O(dest) holds, or would hold in check mode, with the keys that M(attested.registry.oci_image_info)
      returns.
    - It is V(null) if there is none, and if O(dest) came back to a tree that this module did not make.
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
    tag:
      description:
        - The tag that was asked for, V(null) if it was a digest alone.
      type: str
      sample: "1.0"
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
        - The platform that it is for.
      type: str
      sample: linux/amd64
    config_digest:
      description:
        - The digest of its config.
      type: str
      sample: sha256:ae709b3ab794a7059249f1e80ec5f66735571be8bf40b272deafe4acbad6ec0f
    config:
      description:
        - Its config with all fields.
      type: dict
      sample:
        architecture: amd64
        os: linux
        config:
          Entrypoint: [/usr/bin/greet]
    annotations:
      description:
        - The annotations of its manifest.
      type: dict
      sample:
        org.opencontainers.image.version: "1.0"
    layers:
      description:
        - Its layers, the lowest first, each with C(digest), C(size), C(media_type), C(diff_id) and C(annotations).
      type: list
      elements: dict
      sample: []
generation:
  description:
    - The number of the tree at O(dest). Each tree gets the next number.
    - It is V(null) if there is no tree, and in check mode if the tree would be a new one.
  returned: success
  type: int
  sample: 1
previous_digest:
  description:
    - The digest of the manifest of the image that was in O(dest) before, V(null) if there was none.
  returned: success
  type: str
  sample: sha256:5d20c808ce198565ff70b3ed23a991dd49afac45dece63474b27ce6ed036adc6
drift:
  description:
    - What had been changed in the tree since it was unpacked, as far as O(drift) looked, with one element for a path.
      At most 100 are listed.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description:
        - The path inside of the tree.
      type: str
      sample: etc/greeter.conf
    change:
      description:
        - What changed, one word or several separated by commas. These are C(added), C(removed), C(type), C(size),
          C(mode), C(owner), C(mtime), C(content), C(target), C(xattrs), C(unreadable) and C(record).
      type: str
      sample: size, mtime
drift_total:
  description:
    - How many paths have changed, listed or not.
  returned: success
  type: int
  sample: 1
stats:
  description:
    - What the task did.
  returned: success
  type: dict
  contains:
    entries:
      description:
        - The entries of the layers that were unpacked. V(0) if none were.
      type: int
      sample: 9
    bytes:
      description:
        - The decompressed bytes of the layers that were unpacked.
      type: int
      sample: 10240
    downloaded_bytes:
      description:
        - The bytes of layers that were downloaded.
      type: int
      sample: 457
    requests:
      description:
        - The HTTP requests that were made.
      type: int
      sample: 1
    seconds:
      description:
        - How many seconds the stages took. Those that did not take place have V(0.0).
        - Layers are downloaded while they are unpacked, so most of C(download) is a part of C(unpack) too. It is the
          time spent waiting for the registry, for all layers together.
      type: dict
      version_added: 0.3.0
      contains:
        resolve:
          description:
            - Finding out which image the reference leads to.
          type: float
          sample: 0.041
        download:
          description:
            - Waiting for the bytes of layers.
          type: float
          sample: 1.27
        unpack:
          description:
            - Putting the layers on disk and recording the tree.
          type: float
          sample: 2.118
        publish:
          description:
            - Bringing the tree to O(dest).
          type: float
          sample: 0.093
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

from ansible_collections.attested.registry.plugins.module_utils._module.argument_spec import (
    IMAGE,
    TREE,
    registry_module,
)
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.image_unpack import run_image_unpack

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.argument_spec import Options

OPTIONS: Options = {
    "dest": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "force": {"type": "bool", "default": False},
    "keep_generations": {"type": "int", "default": 1},
    "drift": {"type": "str", "choices": ["none", "metadata", "content"], "default": "metadata"},
}


def main() -> t.NoReturn:
    """Runs the module."""
    module = registry_module(IMAGE, TREE, OPTIONS, required_if=[("state", "present", ("image", "repository"), True)])
    with reported_errors(module, doing=f"keeping an image in {module.params['dest']}"):
        results = run_image_unpack(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
