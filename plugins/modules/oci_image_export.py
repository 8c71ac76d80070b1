#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_image_export: documentation and entry point; _module/export/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_export
short_description: Write the files of an image to one tar archive
version_added: 0.3.0
description:
  - Fetches an image from an OCI registry, applies all its layers, and writes the resulting tree to one tar archive, as
    C(docker export) and C(crane export) do. No container engine is needed.
  - With O(layout), the image comes from a layout or archive on the host, and no registry is needed.
  - The manifest, the config, the digest and size of each layer, and the digest of each decompressed layer are verified.
    The layers are applied as by M(attested.registry.oci_image_unpack), in a directory beside O(dest) that only the user
    of the task can enter.
  - The archive depends on the image and the options of the task only. Its members are sorted, and have owners, modes,
    modification times, extended attributes and hard links as in the image. The same image is the same file on every
    host, so M(ansible.builtin.copy) has nothing to do when it copies it again.
  - The archive is replaced in one step, after the new one is complete and has been synced to disk. If the task fails or
    the host crashes, O(dest) is unchanged.
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
  - attested.registry.tree.selection
  - ansible.builtin.files
  - attested.registry.attributes
  - attested.registry.attributes.action_progress
  - attested.registry.attributes.files
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Fetches the manifest and the config to predict the changes, but no layers. Nothing is written.
  diff_mode:
    support: full
    details:
      - Shows digests, compression and options before and after, but not the files of the image.
  idempotent:
    support: full
  safe_file_operations:
    support: full
  platform:
    support: full
    platforms: linux
options:
  dest:
    description:
      - The archive. Missing parent directories are created with mode V(0755), reduced by the umask. If the task fails,
        it removes the directories that it created and that are empty.
      - An archive that this module wrote is replaced, and so is an empty file. Any other file is refused unless
        O(force) is set. A directory and a special file are always refused.
      - A symbolic link to an archive that is right already stays. Otherwise it is replaced, and its target is not
        changed.
      - If O(dest) is replaced, the new file keeps the owner, group, mode and extended attributes of the old one.
    type: path
    required: true
  compression:
    description:
      - How to compress the archive.
      - The same version of the library makes the same file. Another version, or another one such as zlib-ng, may make
        another file of the same image.
    type: str
    choices:
      - none
      - gzip
      - zstd
    default: none
  validate:
    description:
      - Whether to hash the archive. One that is not as it was written is replaced.
      - With V(false), only its length is compared, so a change that keeps the length is not noticed.
    type: bool
    default: false
  force:
    description:
      - Whether to replace a file at O(dest) that this module did not write.
    type: bool
    default: false
notes:
  - A task that changes nothing sends one request, a C(HEAD) for the manifest, which registries do not count against
    pull limits. If the task names the image by a digest, it sends none. Authentication and O(signature) need additional
    requests.
  - The archive begins with a comment, in the extended header of its first member, which other tools skip. It has the
    manifest and the config of the image, the options that determine the content, and the length and the SHA-256 digest
    of the file. A task is unchanged if the digests of config and layers, the options and the length are the same.
    Whoever can write to O(dest) can also write such a comment.
  - An image with another manifest and the same config and layers is no change.
  - The comment has the platform that the task asked for, which by default is the one of the host with the variant of
    its processor. Set O(platform) if hosts with different processors must write the same file.
  - With O(ownership=false), as a user without privileges needs it, all members belong to user and group 0.
  - Holes of sparse files are written as zeros. Extended attributes that belong to the host, such as
    C(security.selinux), are not written.
  - The tree and the new archive need space beside O(dest) at the same time, in a directory of mode V(0700) whose name
    is that of O(dest) between C(.) and C(.oci_archive). It exists only while the task runs. The next task removes what
    an interrupted one left. Only with O(cache), an interrupted download is resumed.
  - To remove an archive, use M(ansible.builtin.file).
requirements:
  - zstandard or Python 3.14 (for O(compression=zstd))
seealso:
  - module: attested.registry.oci_image_unpack
  - module: attested.registry.oci_archive
    description: Keeps the image itself, with its layers, as one file.
"""

EXAMPLES = r"""
- name: Write the files of an image to a tar archive
  attested.registry.oci_image_export:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/images/greeter.tar

- name: Write the root filesystem for another architecture, compressed
  attested.registry.oci_image_export:
    image: docker.io/library/debian:12
    platform: linux/arm64
    devices: create
    compression: zstd
    dest: /srv/images/debian-arm64.tar.zst
    mode: "0644"

- name: Take the web pages out of an image, and extract them
  block:
    - name: Export the pages
      attested.registry.oci_image_export:
        image: docker.io/library/nginx:1.27
        strip: usr/share/nginx/html
        dest: /var/cache/pages.tar

    - name: Extract them
      ansible.builtin.unarchive:
        src: /var/cache/pages.tar
        dest: /srv/www
        remote_src: true

- name: Export an image of a layout
  attested.registry.oci_image_export:
    layout: /srv/registry/com.example.greeter
    reference: "1.0"
    dest: /srv/images/greeter.tar
"""

RETURN = r"""
dest:
  description:
    - The archive.
  returned: success
  type: str
  sample: /srv/images/greeter.tar
digest:
  description:
    - The digest of the manifest of the image.
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
before:
  description:
    - The digest of the manifest of the image that was exported to O(dest) before. V(null) if there was none.
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
size:
  description:
    - The size of the file in bytes.
  returned: if the file exists
  type: int
  sample: 10240
image:
  description:
    - The image, with the keys that M(attested.registry.oci_image_info) returns.
  returned: success
  type: dict
  contains:
    source:
      description:
        - V(registry), or V(layout) if the image came from a layout or archive on the host.
      type: str
      sample: registry
    registry:
      description:
        - The registry that the image came from, V(null) with O(layout).
      type: str
      sample: localhost:1337
    repository:
      description:
        - The repository that the image came from, with O(layout) its path.
      type: str
      sample: com.example.greeter
    digest:
      description:
        - The digest of the manifest.
      type: str
      sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
    index_digest:
      description:
        - The digest of the index that the image was selected from, V(null) if there is none.
      type: str
      sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
    platform:
      description:
        - The platform of the image.
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
        - The image config with all fields.
      type: dict
      sample:
        architecture: amd64
        os: linux
    layers:
      description:
        - The layers, lowest first, each with C(digest), C(size), C(media_type), C(diff_id) and C(annotations).
      type: list
      elements: dict
      sample: []
stats:
  description:
    - Statistics of the task.
  returned: success
  type: dict
  contains:
    entries:
      description:
        - The number of entries in all layers, V(0) if nothing was exported.
      type: int
      sample: 13107
    bytes:
      description:
        - The size of all layers, decompressed, V(0) if nothing was exported.
      type: int
      sample: 451076608
    downloaded_bytes:
      description:
        - The number of bytes of configs and layers that were downloaded.
      type: int
      sample: 2549
    requests:
      description:
        - The number of HTTP requests that were sent.
      type: int
      sample: 1
    cache_hits:
      description:
        - The number of blobs that came from O(cache).
      returned: if O(cache) is set, except with O(layout)
      type: int
      sample: 3
    cache_bytes:
      description:
        - The total size of these blobs in bytes.
      returned: if O(cache) is set, except with O(layout)
      type: int
      sample: 53687091
    seconds:
      description:
        - The duration of each stage in seconds, V(0.0) for stages that did not run. Stages overlap.
      type: dict
      contains:
        resolve:
          description:
            - Determining what the reference leads to.
          type: float
          sample: 0.052
        download:
          description:
            - Waiting for the bytes of layers.
          type: float
          sample: 1.27
        unpack:
          description:
            - Applying the layers beside O(dest).
          type: float
          sample: 2.118
        publish:
          description:
            - Writing the archive and moving it to O(dest).
          type: float
          sample: 0.651
signature:
  description:
    - What was verified of the signatures of the image.
  returned: if O(signature) is given
  type: dict
  version_added: 0.3.0
  contains:
    format:
      description:
        - The value of O(signature.format).
      type: str
      sample: cosign
    key:
      description:
        - The fingerprint of the first of O(signature.keys) that has signed, the SHA-256 hash of the key in DER. With
          O(signature.format=islet), that of the key of the root authority.
      type: str
      sample: sha256:8c2c0a1f6e5bd0d5c1ba1ab8be8d4d4b7cba0fd0d3a7b5a5ce0fd11a2d2b9c11
    keys:
      description:
        - The fingerprints of the keys that were found to have signed. No more are looked for than
          O(signature.signatures).
      type: list
      elements: str
      sample: [sha256:8c2c0a1f6e5bd0d5c1ba1ab8be8d4d4b7cba0fd0d3a7b5a5ce0fd11a2d2b9c11]
    digest:
      description:
        - The digest that was signed, that of the index or that of the manifest.
      type: str
      sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
    identity:
      description:
        - The name that the signed name was compared with, V(null) with O(signature.identity=none).
      type: str
      sample: registry.example.com/team/app:1.0
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
from ansible_collections.attested.registry.plugins.module_utils._module.export.run import run_export
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import (
    DOWNLOAD,
    IMAGE,
    LAYOUT,
    PROGRESS,
    SELECTION,
    SIGNATURE,
    TREE,
)

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "dest": {"type": "path", "required": True},
    "compression": {"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
    "validate": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        IMAGE,
        LAYOUT,
        SIGNATURE,
        DOWNLOAD,
        TREE,
        SELECTION,
        PROGRESS,
        OPTIONS,
        required_one_of=[("image", "repository", "layout")],
        add_file_common_args=True,
    )
    with reported_errors(module, doing=f"exporting an image to {module.params['dest']}"):
        results = run_export(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
