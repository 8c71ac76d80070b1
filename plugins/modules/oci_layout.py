#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_layout: documentation and entry point; _module/layout/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_layout
short_description: Copy images from a registry to an OCI image layout
version_added: 0.2.0
description:
  - Copies an image, or another artifact, from a registry to an OCI image layout, a directory that other tools and the
    registry server of this collection can read. With O(tags_from), it copies many tags.
  - With O(layout), the image comes from another layout or an archive on the host, and no registry is needed.
  - Only blobs that the layout lacks are downloaded. An interrupted download is resumed, also by the next run. A file
    gets its final name after its digest and size have been verified and it has been synced to disk.
  - The tag is set last, in one atomic step, so readers of the layout see either the old or the new image, complete.
    Manifests, indexes and configs are stored byte for byte, so no digest changes.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.layout
  - attested.registry.registry.signature
  - attested.registry.registry.download
  - attested.registry.registry.progress
  - attested.registry.registry
  - ansible.builtin.files
  - attested.registry.attributes
  - attested.registry.attributes.action_progress
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Fetches manifests and a config to predict the changes, but no layers. Nothing is written.
  diff_mode:
    support: full
    details:
      - Shows the tags with their digests, the missing blobs, and the pruned blobs.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  repository:
    description:
      - The name of the repository inside the registry, for example V(library/debian).
      - This, O(image) or O(layout) is required with O(state=present).
    type: str
    required: false
    aliases:
      - app_name
      - name
  image:
    description:
      - The full name of the image, such as V(quay.io/org/app:1.0) or V(quay.io/org/app@sha256:...), as C(docker) and
        C(podman) accept it. A name without a host refers to Docker Hub.
      - Mutually exclusive with O(registry), O(repository), O(reference), O(tag) and O(digest), even if one of them is
        set by C(module_defaults).
    type: str
    version_added: 0.3.0
  reference:
    description:
      - The image in the repository, as a tag, a digest, or both in the form C(tag@digest). With O(state=present), the
        default is V(latest).
      - With both, the tag must resolve to that digest.
      - A digest alone adds an entry without a tag to the layout, unless O(dest_tag) is set.
      - With O(state=absent), the entry to remove from the layout, unless O(dest_tag) names it. One of the two is
        required then.
    type: str
  tag:
    description:
      - The tag of the image, in place of O(reference). With O(digest) as well, the tag must resolve to that digest.
    type: str
  digest:
    description:
      - The digest of the image, in place of O(reference).
    type: str
  platform:
    description:
      - Which parts of a multi-platform image (an index) to copy.
      - V(all) copies the index and everything that it refers to. The tag of the layout then points to the index, which
        keeps its digest.
      - With C(os/architecture) or C(os/architecture/variant), for example V(linux/arm64/v8), the tag of the layout
        points to the manifest for that platform, which keeps its digest. V(host) selects the platform of the target
        host.
      - With a platform or V(host), the task fails if the reference resolves to a single image for another platform.
      - A list of platforms is not supported, because an index reduced to some platforms would have another digest.
        Copy each platform under a tag of its own.
    type: str
    default: all
  tags_from:
    description:
      - Copies many tags of O(repository) in place of one image, each to the same tag of the layout. All tags are set in
        one atomic step after all of their images are complete.
      - With O(platform), all of these images must be available for it.
      - With O(signature), all of these images must be signed. Tags of signatures and of other things that are attached
        to images, such as C(sha256-HEX.sig), are then left out, since nobody signs them; see O(cosign_tags).
      - The tags are listed by O(registry) itself, not by its O(mirrors).
      - Mutually exclusive with O(layout), O(image), O(reference), O(tag), O(digest) and O(dest_tag).
    type: dict
    version_added: 0.3.0
    suboptions:
      pattern:
        description:
          - The tags to copy. The default is all tags.
        type: str
      pattern_type:
        description:
          - V(fnmatch) matches the whole tag with shell wildcards. V(regex) searches the tag for a regular expression of
            Python.
        type: str
        choices:
          - fnmatch
          - regex
        default: fnmatch
      newest:
        description:
          - How many of the matching tags to copy, those with the highest versions. Without O(tags_from.pattern), only
            tags that are plain versions count, such as V(1.10) and V(v2.0.1).
        type: int
      limit:
        description:
          - The highest number of tags to copy. With more, the task fails and copies nothing. The default is no limit.
        type: int
      prune:
        description:
          - Whether to remove tags of the layout that match O(tags_from.pattern) and are not copied. Without a pattern,
            these are all other tags.
          - If no tag of the source matches, nothing is removed, and the task fails.
          - Their blobs stay unless O(prune) is set too.
        type: bool
        default: false
  foreign_layers:
    description:
      - Whether to download layers from outside the registry if the manifest refers to them by a C(urls) list. With
        V(false), such layers are skipped.
      - The author of the image chooses these URLs.
    type: bool
    default: false
  pull:
    description:
      - Whether to ask the registry for the digest of a tag in every run.
      - With V(missing), a tag that the layout has is not asked for, whatever image it leads to. Missing files of that
        image are downloaded by their digests.
      - Has no effect on a reference with a digest, which is never asked for if it is there, and none with O(layout).
    type: str
    choices:
      - always
      - missing
    default: always
    version_added: 0.3.0
  dest:
    description:
      - The directory of the layout. It is created, with its missing parent directories, if it does not exist. If the
        task fails, it removes the directories that it created and that are empty.
      - A non-empty directory that is not a layout is refused.
    type: path
    required: true
  dest_tag:
    description:
      - The tag in the layout, which is the annotation C(org.opencontainers.image.ref.name) of the entry in
        C(index.json).
      - The default is the tag in O(reference), O(tag) or O(image).
    type: str
  state:
    description:
      - V(present) copies the image and sets the tag of the layout to it.
      - V(absent) removes the tag. Its blobs stay until they are pruned. No request is sent to the registry.
    type: str
    choices:
      - present
      - absent
    default: present
  validate:
    description:
      - Whether to read and hash all files of the image in the layout. Damaged files are replaced.
      - With V(false), only the size of a layer is checked. Manifests are always hashed.
    type: bool
    default: false
  prune:
    description:
      - Whether to remove all blobs that nothing in the layout refers to, and the files of unfinished downloads.
      - If a manifest is missing or damaged, the task fails and removes nothing, because the references of that manifest
        are unknown. Manifests listed in an index may be missing (a sparse index); blobs that only they refer to are
        removed.
      - A registry server that has loaded the layout still lists the removed blobs until it is reloaded.
    type: bool
    default: false
  referrers:
    description:
      - Whether to copy what refers to the image too, such as signatures, SBOMs and attestations, and what refers to
        those in turn. Each becomes an entry of C(index.json) without a tag, and a registry server that serves the
        layout lists it.
      - The list of what refers to the image is requested in every run. What refers to the images for single platforms
        or to a referrer is requested when that list has changed, or with O(validate). With O(pull=missing), nothing is
        requested again.
      - What the registry no longer lists stays. When the tag is set to another image or removed, the referrers of the
        image that nothing in the layout leads to any more are removed from C(index.json).
      - Tags of cosign such as C(sha256-HEX.sig) are not referrers; see O(cosign_tags).
      - M(attested.registry.oci_referrers) shows what refers to an image.
    type: bool
    default: false
    version_added: 0.3.0
  cosign_tags:
    description:
      - Whether to copy what cosign before version 3, C(podman push) and C(skopeo copy) attach to the image by tags too,
        such as C(sha256-HEX.sig) for signatures, C(.att) for attestations and C(.sbom) for SBOMs. It keeps these tags.
      - The tags are those for the digest that RV(digest) shows. Each run takes three more requests.
    type: bool
    default: false
    version_added: 0.3.0
  lock_timeout:
    description:
      - How many seconds to wait while another task works on O(dest).
    type: float
    default: 60
  mode:
    description:
      - The mode of C(index.json) and the files of the image in the layout, as for M(ansible.builtin.file). With an
        octal mode, directories also get search permission wherever the mode has read permission. A symbolic mode must
        say so with C(X).
      - If not set, new files get mode V(0644) and new directories V(0755).
notes:
  - A task that changes nothing sends one request, a C(HEAD) for the manifest, which registries do not count against
    pull limits. If the task names the image by a digest, it sends none. With O(tags_from), it sends one request for the
    list of tags, and one C(HEAD) for each tag. O(referrers) takes one more request for each image, or two without the
    referrers API. Authentication may need additional requests.
  - Nondistributable (foreign) layers, which an image stores outside its registry, are skipped unless O(foreign_layers)
    is set. Readers of layouts do not require them.
  - An image with Docker media types keeps them. Registry servers serve such an image from the layout, but skopeo and
    umoci find only images with OCI media types.
  - Unfinished downloads are kept in the directory C(.oci_layout) in O(dest), which exists only as long as it is needed.
    A task that changes the layout holds a lock on the file C(lock) in it, which no other user can open.
  - A directory that contains only C(blobs) and C(index.json), as left by a killed task, is completed.
seealso:
  - module: attested.registry.oci_layout_info
  - module: attested.registry.oci_image_info
  - module: attested.registry.oci_image_unpack
  - name: OCI image layout specification
    description: The directory structure of a layout.
    link: https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

EXAMPLES = r"""
- name: Copy a release to a layout
  attested.registry.oci_layout:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/registry/com.example.greeter

- name: Copy an image from Docker Hub by its full name
  attested.registry.oci_layout:
    image: docker.io/library/debian:12
    dest: /srv/registry/debian

- name: Copy an image from an archive that docker save wrote
  attested.registry.oci_layout:
    layout: /srv/images/greeter.tar
    reference: "1.0"
    dest: /srv/registry/com.example.greeter

- name: Set the tag stable of the layout to the next release, for one platform only
  attested.registry.oci_layout:
    repository: com.example.greeter
    reference: "1.1"
    platform: linux/arm64
    dest: /srv/registry/com.example.greeter
    dest_tag: stable

- name: Copy a release with its signatures and SBOMs
  attested.registry.oci_layout:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/registry/com.example.greeter
    referrers: true

- name: Keep the three newest releases in a layout, and free the space of older ones
  attested.registry.oci_layout:
    repository: com.example.greeter
    tags_from:
      pattern: "1.*"
      newest: 3
      prune: true
    dest: /srv/registry/com.example.greeter
    prune: true

- name: Verify all files of an image and repair damaged ones
  attested.registry.oci_layout:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/registry/com.example.greeter
    validate: true

- name: Remove a release and all blobs that only it referred to
  attested.registry.oci_layout:
    dest: /srv/registry/com.example.greeter
    reference: "1.0"
    state: absent
    prune: true
  register: removed

- name: Print how much space was freed
  ansible.builtin.debug:
    msg: "{{ removed.pruned.blobs | length }} files, {{ removed.pruned.bytes }} bytes"

- name: Keep a signed image in a layout
  attested.registry.oci_layout:
    registry: registry.example.com
    repository: team/app
    reference: "1.0"
    dest: /srv/layouts/app
    signature:
      keys: [/etc/keys/release.pub]
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
    - The tag in the layout that the task set or removed, V(null) for an entry without a tag and with O(tags_from).
  returned: success
  type: str
  sample: "1.0"
digest:
  description:
    - The digest of the index or manifest that the tag points to. V(null) with O(state=absent) or O(tags_from).
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
image:
  description:
    - The image, with the keys that M(attested.registry.oci_image_info) returns. For an index, it is the image for the
      platform of the target host, or the first image if there is none for that platform.
    - V(null) with O(state=absent) or O(tags_from), and for an index that contains no image.
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
        - The platform of the image, V(null) for an artifact.
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
        - The image config with all fields, V(null) for an artifact.
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
tags:
  description:
    - All tags of the layout with the digests that they point to after the task. In check mode, the predicted ones.
  returned: success
  type: dict
  sample:
    "1.0": sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
digests:
  description:
    - The tags that were copied, with the digests that they point to after the task. In check mode, the predicted ones.
  returned: if O(tags_from) is set
  type: dict
  version_added: 0.3.0
  sample:
    "1.0": sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
before:
  description:
    - The digest that each of these tags pointed to in the layout before the task, V(null) for a new tag.
  returned: if O(tags_from) is set
  type: dict
  version_added: 0.3.0
  sample:
    "1.0": null
blobs:
  description:
    - The number of files of the image, or with O(tags_from) of all images, indexes and manifests included.
  returned: success
  type: dict
  contains:
    present:
      description:
        - Files that the layout already contained.
      type: int
      sample: 3
    downloaded:
      description:
        - Files that were added or replaced, in check mode the predicted ones.
      type: int
      sample: 4
    left_out:
      description:
        - Layers that were skipped because of O(foreign_layers=false).
      type: int
      sample: 0
referrers:
  description:
    - What is attached to the image and was copied with it. Empty unless O(referrers) or O(cosign_tags) is set.
  returned: success
  type: list
  elements: dict
  version_added: 0.3.0
  contains:
    digest:
      description:
        - The digest of the manifest.
      type: str
      sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
    artifact_type:
      description:
        - What the referrer is. V(null) for what has a tag of cosign.
      type: str
      sample: application/spdx+json
    tag:
      description:
        - The tag of cosign, V(null) for a referrer.
      type: str
      sample: null
pruned:
  description:
    - What was removed because of O(prune) and O(tags_from.prune), in check mode what would be removed.
  returned: success
  type: dict
  contains:
    tags:
      description:
        - The tags that were removed because of O(tags_from.prune).
      type: list
      elements: str
      version_added: 0.3.0
      sample: []
    blobs:
      description:
        - The digests of the removed blobs and unfinished downloads.
      type: list
      elements: str
      sample: []
    bytes:
      description:
        - The total size of the removed files in bytes.
      type: int
      sample: 0
orphans:
  description:
    - The number of files below C(blobs) that nothing refers to, after O(prune). V(null) if it is unknown because a
      manifest is missing or damaged.
  returned: success
  type: int
  sample: 0
stats:
  description:
    - Statistics of the task.
  returned: success
  type: dict
  contains:
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
      type: dict
      version_added: 0.3.0
      contains:
        resolve:
          description:
            - Determining what the reference leads to and which files the layout lacks.
          type: float
          sample: 0.052
        download:
          description:
            - Downloading the missing files and writing them to the layout.
          type: float
          sample: 1.64
        publish:
          description:
            - Writing C(index.json), and removing pruned blobs.
          type: float
          sample: 0.021
signature:
  description:
    - What was verified of the signatures of the image.
  returned: if O(signature) is given, with O(state=present) and without O(tags_from)
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
signatures:
  description:
    - What was verified of the signatures of each image, by its tag, with the keys of RV(signature).
  returned: if O(signature) and O(tags_from) are given, and there are images
  type: dict
  version_added: 0.3.0
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
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.layout.run import run_layout
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import (
    DOWNLOAD,
    LAYOUT,
    PROGRESS,
    SIGNATURE,
    TAGS_FROM,
)

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "repository": {"type": "str", "aliases": ["app_name", "name"]},
    "image": {"type": "str"},
    "reference": {"type": "str"},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
    "platform": {"type": "str", "default": "all"},
    "foreign_layers": {"type": "bool", "default": False},
    "pull": {"type": "str", "choices": ["always", "missing"], "default": "always"},
    "dest": {"type": "path", "required": True},
    "dest_tag": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "referrers": {"type": "bool", "default": False},
    "cosign_tags": {"type": "bool", "default": False},
    "validate": {"type": "bool", "default": False},
    "prune": {"type": "bool", "default": False},
    "lock_timeout": {"type": "float", "default": 60},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        LAYOUT,
        SIGNATURE,
        DOWNLOAD,
        PROGRESS,
        TAGS_FROM,
        OPTIONS,
        required_if=[
            ("state", "present", ("image", "repository", "layout"), True),
            ("state", "absent", ("image", "reference", "tag", "digest", "dest_tag"), True),
        ],
        mutually_exclusive=[
            ("tags_from", name) for name in ("layout", "image", "reference", "tag", "digest", "dest_tag")
        ],
        add_file_common_args=True,
    )
    with reported_errors(module, doing=f"keeping an image in the layout {module.params['dest']}"):
        results = run_layout(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
