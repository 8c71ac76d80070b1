#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_archive: documentation and entry point; _module/archive/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_archive
short_description: Keep an image as an archive file
version_added: 0.3.0
description:
  - Keeps an image of a registry as one file, for hosts that reach no registry. The file is an OCI archive, or an
    archive that C(docker load) and C(podman load) read.
  - With O(layout), the image comes from a layout or another archive on the host, and no registry is needed.
  - The archive depends on the image and the options of the task only. It has no times and no owners, and its members
    are sorted. The same image is the same file on every host, so M(ansible.builtin.copy) has nothing to do when it
    copies it again.
  - Manifest, config and layers are stored byte for byte, after their digests have been verified. No digest changes.
  - The archive is replaced in one step, after the new one is complete and has been synced to disk. What the present
    archive has is not downloaded again. An interrupted download is resumed, also by the next run.
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
  - attested.registry.attributes.files
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Fetches manifests and a config to predict the changes, but no layers. Nothing is written.
  diff_mode:
    support: full
    details:
      - Shows digest, names, format and compression.
  idempotent:
    support: full
  safe_file_operations:
    support: full
  platform:
    support: full
    platforms: linux
options:
  repository:
    description:
      - The name of the repository inside the registry, for example V(library/debian).
      - This, O(image) or O(layout) is required.
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
  reference:
    description:
      - The image in the repository, as a tag, a digest, or both in the form C(tag@digest). The default is V(latest),
        with O(layout) the only image.
      - With both, the tag must resolve to that digest.
      - With a digest alone, the image gets no name in the archive, unless O(dest_name) is set.
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
      - Which parts of a multi-platform image (an index) to keep.
      - V(all) keeps the index and everything that it refers to. It is the default with O(format=oci), and not allowed
        with O(format=docker).
      - With C(os/architecture) or C(os/architecture/variant), for example V(linux/arm64/v8), the archive has the image
        for that platform, which keeps its digest. V(host), the default with O(format=docker), selects the platform of
        the target host. Set the platform if the archive is for other hosts than the one that writes it.
      - With a platform or V(host), the task fails if the reference resolves to a single image for another platform.
      - A list of platforms is not supported, because an index reduced to some platforms would have another digest.
    type: str
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
      - With V(missing), a tag that the archive has is not asked for, whatever image it leads to. Missing files of that
        image are downloaded by their digests.
      - Has no effect on a reference with a digest, which is never asked for if it is there, and none with O(layout).
    type: str
    choices:
      - always
      - missing
    default: always
  dest:
    description:
      - The archive. Missing parent directories are created with mode V(0755), reduced by the umask. If the task fails,
        it removes the directories that it created and that are empty.
      - An archive of other images is replaced, and so are an empty file and a damaged archive. Any other file is
        refused unless O(force) is set. A directory and a special file are always refused.
      - A symbolic link to an archive that is right already stays. Otherwise it is replaced, and its target is not
        changed.
      - If O(dest) is replaced, the new file keeps the owner, group, mode and extended attributes of the old one.
    type: path
    required: true
  dest_name:
    description:
      - The name of the image in the archive, as a tag, or as a full name with a tag such as V(quay.io/org/app:1.0).
      - The default is the full name in the registry with the tag in O(reference), O(tag) or O(image). With O(layout),
        it is the name that the image has there.
      - The tag becomes the annotation C(org.opencontainers.image.ref.name) in C(index.json). The full name becomes the
        annotation C(io.containerd.image.name), which C(ctr), C(docker) and C(podman) use, and C(RepoTags) in
        C(manifest.json).
    type: str
  format:
    description:
      - V(oci) writes an OCI archive, which is a tar archive of a layout.
      - V(docker) writes what C(docker save) writes from version 25 on, an OCI archive with the C(manifest.json) of
        older versions beside it. C(docker load), C(podman load), C(ctr) and C(skopeo) read it.
      - Layers are stored as in the registry, compressed or not. All these tools accept both, but old versions of them
        do not accept zstd.
      - With V(docker), decompressed layers are compared with the C(diff_ids) in the config, as C(docker load) does, and
        an artifact is refused.
    type: str
    choices:
      - oci
      - docker
    default: oci
  compression:
    description:
      - How to compress the whole archive.
      - Layers are compressed already, so V(gzip) and V(zstd) take time and save little space. A compressed archive must
        be decompressed in every run, even to find that nothing has changed.
      - The same version of the library makes the same file. Another version, or another one such as zlib-ng, may make
        another file of the same image.
    type: str
    choices:
      - none
      - gzip
      - zstd
    default: none
  referrers:
    description:
      - Whether to keep what refers to the image too, such as signatures, SBOMs and attestations, and what refers to
        those in turn. Each becomes an entry of C(index.json) without a tag. Not allowed with O(format=docker).
      - The list of what refers to the image is requested in every run, and the archive is written again if it has
        changed. What refers to the images for single platforms or to a referrer is requested when that list has
        changed, or with O(validate). With O(pull=missing), nothing is requested again.
      - Tags of cosign such as C(sha256-HEX.sig) are not referrers; see O(cosign_tags).
      - M(attested.registry.oci_referrers) shows what refers to an image.
    type: bool
    default: false
  cosign_tags:
    description:
      - Whether to copy what cosign before version 3, C(podman push) and C(skopeo copy) attach to the image by tags too,
        such as C(sha256-HEX.sig) for signatures, C(.att) for attestations and C(.sbom) for SBOMs. It keeps these tags.
      - The tags are those for the digest that RV(digest) shows. Each run takes three more requests.
    type: bool
    default: false
  validate:
    description:
      - Whether to hash the content of the archive. A damaged archive is replaced.
      - With V(false), only the sizes of layers are checked. Manifests are always hashed.
    type: bool
    default: false
  force:
    description:
      - Whether to replace a file at O(dest) that is not an archive of images.
    type: bool
    default: false
  lock_timeout:
    description:
      - How many seconds to wait while another task works on O(dest).
    type: float
    default: 60
notes:
  - A task that changes nothing sends one request, a C(HEAD) for the manifest, which registries do not count against
    pull limits. If the task names the image by a digest, it sends none. O(referrers) takes one more request, or two
    without the referrers API. Authentication may need additional requests.
  - Nondistributable (foreign) layers, which an image stores outside its registry, are left out unless O(foreign_layers)
    is set.
  - An image with Docker media types keeps them. skopeo does not find such an image in an OCI archive, but it does in
    one with O(format=docker), as C(docker-archive).
  - Downloads, and the new archive until it is complete, are kept beside O(dest), in a directory of mode V(0700) whose
    name is that of O(dest) between C(.) and C(.oci_archive). It exists only as long as it is needed. A new image from a
    registry takes its size twice while the archive is written.
  - To remove an archive, use M(ansible.builtin.file).
requirements:
  - zstandard or Python 3.14 (for O(compression=zstd))
seealso:
  - module: attested.registry.oci_layout
  - module: attested.registry.oci_image_unpack
  - name: OCI image layout specification
    description: The files in an OCI archive.
    link: https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

EXAMPLES = r"""
- name: Keep a release as an archive
  attested.registry.oci_archive:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/images/greeter.tar

- name: Keep an image of Docker Hub for docker load on other hosts
  attested.registry.oci_archive:
    image: docker.io/library/debian:12
    format: docker
    platform: linux/amd64
    dest: /srv/images/debian.tar

- name: Keep a release on the controller, and copy it to hosts that reach no registry
  block:
    - name: Keep the release on the controller
      attested.registry.oci_archive:
        repository: com.example.greeter
        reference: "1.0"
        dest: /srv/images/greeter.tar
      delegate_to: localhost
      run_once: true

    - name: Copy it
      ansible.builtin.copy:
        src: /srv/images/greeter.tar
        dest: /srv/images/greeter.tar
        mode: "0644"

    - name: Unpack it
      attested.registry.oci_image_unpack:
        layout: /srv/images/greeter.tar
        reference: "1.0"
        dest: /var/lib/machines/greeter

- name: Write an image of a layout to an archive, under another name
  attested.registry.oci_archive:
    layout: /srv/registry/com.example.greeter
    reference: "1.0"
    dest: /srv/images/greeter.tar
    dest_name: registry.example.com/team/greeter:stable

- name: Keep a signed image as one file
  attested.registry.oci_archive:
    registry: registry.example.com
    repository: team/app
    reference: "1.0"
    dest: /srv/archives/app.tar
    signature:
      keys: [/etc/keys/release.pub]
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
    - The digest of the index or manifest of the image in the archive.
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
before:
  description:
    - The digest of the image that the archive had before the task. V(null) if there was no archive, or one of several
      images.
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
tag:
  description:
    - The tag of the image in the archive, V(null) if it has none.
  returned: success
  type: str
  sample: "1.0"
full_name:
  description:
    - The full name of the image in the archive, V(null) if it has none.
  returned: success
  type: str
  sample: localhost:1337/com.example.greeter:1.0
size:
  description:
    - The size of the file in bytes.
  returned: if the file exists
  type: int
  sample: 10240
image:
  description:
    - The image, with the keys that M(attested.registry.oci_image_info) returns. For an index, it is the image for the
      platform of the target host, or the first image if there is none for that platform.
    - V(null) for an index that contains no image.
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
blobs:
  description:
    - The number of files of the image, indexes and manifests included.
  returned: success
  type: dict
  contains:
    present:
      description:
        - Files that the archive already contained.
      type: int
      sample: 3
    downloaded:
      description:
        - Files that were added or replaced, in check mode the predicted ones.
      type: int
      sample: 4
    left_out:
      description:
        - Layers that were left out because of O(foreign_layers=false).
      type: int
      sample: 0
referrers:
  description:
    - What is attached to the image and was copied with it. Empty unless O(referrers) or O(cosign_tags) is set.
  returned: success
  type: list
  elements: dict
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
      contains:
        resolve:
          description:
            - Determining what the reference leads to and which files the archive lacks.
          type: float
          sample: 0.052
        download:
          description:
            - Downloading the missing files, V(0.0) with O(layout).
          type: float
          sample: 1.64
        publish:
          description:
            - Writing the archive and moving it to O(dest).
          type: float
          sample: 0.251
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

from ansible_collections.attested.registry.plugins.module_utils._module.archive.run import run_archive
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import (
    DOWNLOAD,
    LAYOUT,
    PROGRESS,
    SIGNATURE,
)

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "repository": {"type": "str", "aliases": ["app_name", "name"]},
    "image": {"type": "str"},
    "reference": {"type": "str"},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
    "platform": {"type": "str"},
    "foreign_layers": {"type": "bool", "default": False},
    "pull": {"type": "str", "choices": ["always", "missing"], "default": "always"},
    "dest": {"type": "path", "required": True},
    "dest_name": {"type": "str"},
    "format": {"type": "str", "choices": ["oci", "docker"], "default": "oci"},
    "compression": {"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
    "referrers": {"type": "bool", "default": False},
    "cosign_tags": {"type": "bool", "default": False},
    "validate": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "lock_timeout": {"type": "float", "default": 60},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        LAYOUT,
        SIGNATURE,
        DOWNLOAD,
        PROGRESS,
        OPTIONS,
        required_one_of=[("image", "repository", "layout")],
        add_file_common_args=True,
    )
    with reported_errors(module, doing=f"keeping an image in the archive {module.params['dest']}"):
        results = run_archive(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
