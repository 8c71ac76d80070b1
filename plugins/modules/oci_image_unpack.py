#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_image_unpack: documentation and entry point; _module/image/unpack.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_unpack
short_description: Unpack an image from a registry or an archive
version_added: 0.1.0
description:
  - Fetches an image from an OCI registry and unpacks its layers to a directory, without a container engine.
  - With O(layout), the image comes from a layout or archive on the host, and no registry is needed.
  - The manifest, the config, the digest and size of each layer, and the digest of each decompressed layer are verified.
    The tree is built beside O(dest) and replaces it in one atomic step after everything has been verified. If the task
    fails or the host crashes, O(dest) is unchanged.
  - The module keeps its state in a directory beside O(dest), C(.NAME.oci) for C(NAME), or in O(state_dir), which only
    the owner can read. The state directory must be on the same filesystem as O(dest), so O(dest) cannot be a mount
    point.
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
  - attested.registry.attributes
  - attested.registry.attributes.action_progress
  - attested.registry.attributes.actiongroup_registry
attributes:
  action:
    support: full
    details:
      - The action plugin shows the progress. It first runs M(attested.registry.oci_image_unpack_probe), and the module
        only if that does not know that nothing would change. The module does everything else, and can be used without
        the plugin.
  check_mode:
    support: full
    details:
      - Fetches the manifest and the config to predict the changes, but no layers. Nothing is written.
  diff_mode:
    support: full
    details:
      - Shows tag, digests, download size, layers, config and annotations before and after, and the drift, but not the
        files of the image.
  idempotent:
    support: full
  platform:
    details:
      - Requires Linux 4.9 or later. From Linux 5.6 on, the kernel confines path resolution to the tree.
    support: full
    platforms: linux
options:
  dest:
    description:
      - The directory for the root filesystem of the image.
      - With O(state=present), missing parent directories are created with mode V(0755), reduced by the umask. If the
        task fails, it removes the directories that it created and that are empty.
    type: path
    required: true
  state_dir:
    description:
      - The directory for the state of the module, which holds earlier trees too, in place of C(.NAME.oci) beside
        O(dest). This is for directories such as C(/var/lib/extensions), where other programs use every entry.
      - It must be on the same filesystem as O(dest), and on the same mount of it. It cannot be inside O(dest), nor
        O(dest) inside it.
      - It belongs to one O(dest). Each task for O(dest) must give it, with every O(state). Without it, or with another
        one, O(dest) is a directory that this module did not create.
      - It is created with mode V(0700), and missing directories above it as those above O(dest). An existing directory
        must be empty or a state directory of O(dest), with mode V(0700). O(state=absent) removes it.
      - To move the state of a tree, move C(.NAME.oci) to O(state_dir), and set this option.
    type: path
    version_added: 0.3.0
  state:
    description:
      - V(present) unpacks the image to O(dest), unless O(dest) already contains it.
      - V(absent) removes O(dest), all kept generations and the state directory. A directory that is not empty and that
        this module did not create is removed only with O(force=true). No request is sent to the registry.
      - V(rolled_back) restores the tree from before the last change, and keeps the tree that it replaces. If the last
        change was a roll-back, nothing changes. No request is sent to the registry.
    type: str
    choices:
      - present
      - absent
      - rolled_back
    default: present
  force:
    description:
      - Whether to replace a non-empty directory that this module did not create. It is kept as a generation.
      - With O(state=absent), such a directory is removed.
    type: bool
    default: false
  mount_points:
    description:
      - Directories that the tree has in addition to those of the image, as absolute paths in it. A runtime or systemd
        mounts something there, and would make missing ones when the process starts, so that the next task would find
        that the tree has drifted. M(attested.registry.oci_runtime_config) returns the list that a process needs.
      - A path that exists after the last layer stays as it is, whatever it is. A missing one becomes an empty directory
        with mode V(0755) that belongs to root, or with O(ownership=false) to the user of the task, and so do missing
        directories above it. Symbolic links are followed inside the tree. A file or a dangling link on the way is an
        error (C(mount_point_invalid)), and the old tree stays. Check mode reads no layers, and so cannot tell.
      - V(/bin), V(/lib) and V(/sbin) become links to the directories of these names in C(/usr) if the tree has those,
        as systemd makes them.
      - If there is at least one path, the volumes of the image also become directories, except with O(strip), because
        they are paths in the complete image. A volume whose path cannot be used leads to a warning.
      - Paths are those of the resulting tree. O(include), O(exclude) and O(strip) are applied before.
      - A path ends with or without a slash. At most 1000 paths, without C(..).
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  mount_files:
    description:
      - Empty files that the tree has in addition to those of the image, to mount a file at, such as
        V(/etc/resolv.conf).
      - As for O(mount_points), with mode V(0644) for the file. Volumes of the image are not concerned.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  keep_generations:
    description:
      - How many earlier trees to keep. They serve O(state=rolled_back), and are restored without a download if their
        image is requested again.
    type: int
    default: 1
  pull:
    description:
      - Whether to ask the registry for the digest of a tag in every run.
      - V(always) asks, so a tag that leads to another image upgrades the tree.
      - With V(missing), a tag is not asked for if O(dest) was unpacked from the same registry, repository and tag. The
        task then needs no registry, unless the tree has drifted or other options require another unpack. It is then
        unpacked from the same image again, by its digest.
      - Has no effect on a reference with a digest, which is never asked for if it is there, and none with O(layout).
    type: str
    choices:
      - always
      - missing
    default: always
    version_added: 0.3.0
  drift:
    description:
      - How to detect changes that were made to the tree after it was unpacked. A tree that has drifted is repaired by
        unpacking the image again. The drifted tree is kept in addition to the kept generations, unless
        O(keep_generations=0), but is never rolled back to.
      - V(metadata) compares names, types, sizes, modes, owners and modification times.
      - V(content) also reads and hashes all files, and compares the targets of links and extended attributes.
      - Only a task with V(content) records digests of the files that it unpacks, because hashing takes as long as
        writing them. The first such task on a tree that another task unpacked cannot compare the content of files. It
        reports that, with the word C(record) in RV(drift), and unpacks the image again, after which it can.
      - V(none) detects, and so repairs, nothing.
    type: str
    choices:
      - none
      - metadata
      - content
    default: metadata
notes:
  - A task that changes nothing sends one request, a C(HEAD) for the manifest, which registries do not count against
    pull limits. If the task names the image by a digest, or with O(pull=missing), it sends none. Authentication may
    need additional requests.
  - A task that changes nothing succeeds on a filesystem that is mounted read-only.
  - After a change of O(ownership), O(xattrs), O(devices), O(include), O(exclude), O(strip), O(mount_points) or
    O(mount_files), the next run unpacks the image again. Another order of paths is no change.
  - Without root, set O(ownership=false).
seealso:
  - module: attested.registry.oci_image_info
  - module: attested.registry.oci_layer_unpack
  - module: attested.registry.oci_runtime_config
"""

EXAMPLES = r"""
- name: Unpack an image
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /var/lib/machines/greeter
  register: unpacked

- name: Unpack an image by its full name
  attested.registry.oci_image_unpack:
    image: docker.io/library/debian:12
    dest: /var/lib/machines/debian

- name: Unpack an image from an archive that was copied to a host without a registry
  attested.registry.oci_image_unpack:
    layout: /srv/images/greeter.tar
    reference: "1.0"
    dest: /var/lib/machines/greeter

- name: Print the digests before and after
  ansible.builtin.debug:
    msg: "{{ unpacked.dest }} was {{ unpacked.previous_digest or 'empty' }} and is {{ unpacked.image.digest }}"

- name: Upgrade to the next release and keep two earlier ones
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.1"
    dest: /var/lib/machines/greeter
    keep_generations: 2

- name: Keep only the static files of a web application
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/www/greeter
    strip: usr/share/greeter
    exclude:
      - "**/*.map"

- name: Unpack an image without its documentation
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /var/lib/machines/greeter
    exclude:
      - usr/share/doc
      - usr/share/man

- name: Unpack the image of a single program with the places that its service mounts something at
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/greeter
    mount_points: [/dev, /etc, /proc, /root, /run, /sys, /tmp, /usr, /var, /var/tmp, /data]
    mount_files: [/etc/resolv.conf]

- name: Unpack an extension for systemd-sysext, which takes each entry of the directory for an extension
  attested.registry.oci_image_unpack:
    repository: com.example.tools
    reference: "1.0"
    dest: /var/lib/extensions/tools
    state_dir: /var/lib/oci-state/tools

- name: Unpack an image from a registry that requires remote attestation
  attested.registry.oci_image_unpack:
    registry: registry.example.com
    repository: com.example.greeter
    reference: "1.0"
    dest: /var/lib/machines/greeter
    tls: ra-tls
    ratls:
      evidence: tsm
      key_type: ec-p256

- name: Roll back to the previous tree
  attested.registry.oci_image_unpack:
    dest: /var/lib/machines/greeter
    state: rolled_back

- name: Unpack an image as an unprivileged user
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: "{{ ansible_env.HOME }}/greeter"
    ownership: false

- name: Remove the tree and all kept generations
  attested.registry.oci_image_unpack:
    dest: /var/lib/machines/greeter
    state: absent

- name: Unpack an image only if two of three keys have signed it
  attested.registry.oci_image_unpack:
    registry: registry.example.com
    repository: team/app
    reference: "1.0"
    dest: /srv/app
    signature:
      keys:
        - /etc/keys/build.pub
        - /etc/keys/tests.pub
        - /etc/keys/release.pub
      signatures: 2

- name: Unpack an image that ir-sign has signed
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/greeter
    signature:
      format: islet
      keys: [/etc/keys/root-ca.pub]
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
    - The image in O(dest), in check mode the predicted one, with the keys that M(attested.registry.oci_image_info)
      returns.
    - V(null) if there is none, and if O(dest) was rolled back to a tree that this module did not create.
  returned: success
  type: dict
  contains:
    source:
      description:
        - V(registry), or V(layout) if the image came from a layout or archive on the host.
      type: str
      version_added: 0.3.0
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
    tag:
      description:
        - The requested tag, V(null) if only a digest was given.
      type: str
      sample: "1.0"
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
    config_digest:
      description:
        - The digest of the image config.
      type: str
      sample: sha256:ae709b3ab794a7059249f1e80ec5f66735571be8bf40b272deafe4acbad6ec0f
    config:
      description:
        - The image config with all fields.
      type: dict
      sample:
        architecture: amd64
        os: linux
        config:
          Entrypoint: [/usr/bin/greet]
    annotations:
      description:
        - The annotations of the manifest.
      type: dict
      sample:
        org.opencontainers.image.version: "1.0"
    layers:
      description:
        - The layers, lowest first, each with C(digest), C(size), C(media_type), C(diff_id) and C(annotations).
      type: list
      elements: dict
      sample: []
generation:
  description:
    - The number of the tree at O(dest). Each new tree gets the next number.
    - V(null) if there is no tree, and in check mode if the tree would be new.
  returned: success
  type: int
  sample: 1
previous_digest:
  description:
    - The manifest digest of the image that was in O(dest) before the task, V(null) if there was none.
  returned: success
  type: str
  sample: sha256:5d20c808ce198565ff70b3ed23a991dd49afac45dece63474b27ce6ed036adc6
drift:
  description:
    - The changes made to the tree since it was unpacked, as detected by O(drift), one element for each path. At most
      100 paths are listed.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description:
        - The path relative to the root of the tree.
      type: str
      sample: etc/greeter.conf
    change:
      description:
        - What changed, as one or more words separated by commas. The words are C(added), C(removed), C(type), C(size),
          C(mode), C(owner), C(mtime), C(content), C(target), C(xattrs), C(unreadable) and C(record). With C(record),
          the tree could not be compared as closely as wanted, and RV(drift[].path) says why.
      type: str
      sample: size, mtime
drift_total:
  description:
    - The number of changed paths, including those not listed.
  returned: success
  type: int
  sample: 1
stats:
  description:
    - Statistics of the task.
  returned: success
  type: dict
  contains:
    entries:
      description:
        - The number of entries in the unpacked layers, V(0) if no layer was unpacked.
      type: int
      sample: 9
    bytes:
      description:
        - The decompressed size of the unpacked layers in bytes.
      type: int
      sample: 10240
    downloaded_bytes:
      description:
        - The number of bytes of layers that were downloaded.
      type: int
      sample: 457
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
      version_added: 0.3.0
      sample: 3
    cache_bytes:
      description:
        - The total size of these blobs in bytes.
      returned: if O(cache) is set, except with O(layout)
      type: int
      version_added: 0.3.0
      sample: 53687091
    seconds:
      description:
        - The duration of each stage in seconds, V(0.0) for stages that did not run.
        - Layers are downloaded while they are unpacked, so most of the time in C(download) also counts in C(unpack).
          C(download) is the time in which at least one download waits for the registry.
      type: dict
      version_added: 0.3.0
      contains:
        resolve:
          description:
            - Resolving the reference to an image.
          type: float
          sample: 0.041
        download:
          description:
            - Waiting for the bytes of layers.
          type: float
          sample: 1.27
        unpack:
          description:
            - Writing the layers to disk and recording the tree.
          type: float
          sample: 2.118
        publish:
          description:
            - Moving the tree to O(dest).
          type: float
          sample: 0.093
signature:
  description:
    - What was verified of the signatures of the image.
  returned: if O(signature) is given and O(state=present)
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
from ansible_collections.attested.registry.plugins.module_utils._module.image.unpack import run_image_unpack
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import UNPACK, UNPACK_RULES


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(UNPACK, required_if=UNPACK_RULES)
    with reported_errors(module, doing=f"keeping an image in {module.params['dest']}"):
        results = run_image_unpack(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
