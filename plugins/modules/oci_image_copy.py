#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_image_copy: documentation and entry point; _module/copy/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_copy
short_description: Copy an image to a registry
version_added: 0.3.0
description:
  - Copies an image from a registry, or from a layout or archive on the target host, to a repository of a registry. With
    O(tags_from), it copies many tags.
  - Manifests, indexes, configs and layers are copied byte for byte, after their digests have been verified, so every
    digest stays the same. The only exception is an index that O(platforms) reduces.
  - Blobs that the target has are not sent again, and blobs of another repository of the same registry are mounted from
    there. A tag is written last, after everything that it leads to.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.layout
  - attested.registry.registry.signature
  - attested.registry.registry.download
  - attested.registry.registry.progress
  - attested.registry.registry
  - attested.registry.attributes
  - attested.registry.attributes.action_progress
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Compares digests, and fetches the manifests of images that would be copied, to predict which blobs would be
        sent. No layer is downloaded, and nothing is written.
  diff_mode:
    support: full
    details:
      - Shows the digest of each tag at the target.
  idempotent:
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
    type: str
  tag:
    description:
      - The tag of the image, in place of O(reference). With O(digest) as well, the tag must resolve to that digest.
    type: str
  digest:
    description:
      - The digest of the image, in place of O(reference).
    type: str
  foreign_layers:
    description:
      - Whether to copy layers from outside the registry if the manifest refers to them by a C(urls) list. With
        V(false), such layers are left out, and the manifest still refers to them.
      - The author of the image chooses these URLs.
    type: bool
    default: false
  target:
    description:
      - Where to copy the image to, and how to connect to that registry.
      - The target receives no credentials of O(registry), unless it is that registry.
    type: dict
    required: true
    suboptions:
      image:
        description:
          - The full name at the target, such as V(registry.example.com/team/app:1.0), in place of O(target.registry),
            O(target.repository) and O(target.tags).
        type: str
      registry:
        description:
          - The registry to copy to, as C(host), C(host:port) or C(host:port/prefix).
          - The default is O(registry), which is then connected to and logged in to with the same options, except those
            that are set here. Required with O(layout).
        type: str
        aliases:
          - host
      repository:
        description:
          - The repository to copy to. The default is O(repository). Required with O(layout).
        type: str
        aliases:
          - app_name
          - name
      tags:
        description:
          - The tags that lead to the image. The default is the tag in O(reference), O(tag) or O(image).
          - Without any tag, also with an empty list, the image is stored under its digest alone. Some registries remove
            such images.
        type: list
        elements: str
      tls:
        description:
          - The protocol for connections to the target, as O(tls).
        type: str
        choices:
          - no-tls
          - tls
          - ra-tls
      ratls:
        description:
          - How the host attests itself to the target, as O(ratls), which is the default with O(target.tls=ra-tls).
        type: dict
        suboptions:
          evidence:
            description:
              - The source of attestation tokens.
              - V(tsm) requests tokens from the kernel through configfs, V(rsi) through the device of the Realm Services
                Interface. Both need a realm of the Arm Confidential Compute Architecture, and root.
              - V(command) runs O(target.ratls.argv) for each token.
              - V(file) presents the token in O(target.ratls.path) unchanged. The token is not bound to the connection,
                so a server that checks the challenge rejects it. The task emits a warning.
              - V(simulated) generates tokens with the keys in O(target.ratls.path). They prove nothing and are for
                tests. The task emits a warning.
            type: str
            choices:
              - file
              - command
              - rsi
              - tsm
              - simulated
            required: true
          path:
            description:
              - With V(file), the file that holds the token. With V(simulated), the directory of the simulated realm.
                Required with both.
              - With V(rsi), the device. With V(tsm), the configfs directory for reports. Set it only if the path
                differs from the default.
            type: path
          argv:
            description:
              - The program that generates tokens, and its arguments. Required with V(command), and allowed only with
                it.
              - C({challenge}) in an argument is replaced by the 128 hexadecimal digits of the challenge. The program
                also receives them on its standard input. It writes the token to its standard output.
              - Ansible's output and the process list show the arguments. Do not pass a secret as an argument; let the
                program read it from a file.
            type: list
            elements: str
          key_type:
            description:
              - The key type of the client certificate. Each task generates a new key.
              - V(ec-p256) is much faster. V(rsa-2048) is the type that other clients use.
            type: str
            choices:
              - rsa-2048
              - ec-p256
            default: rsa-2048
          timeout:
            description:
              - How many seconds the program of V(command) may run for one token. They do not count towards
                O(connect_timeout).
            type: float
            default: 30
      ca_path:
        description:
          - The CA certificates to verify the certificate of the target, as O(ca_path). They replace those of the
            system.
          - If not set, O(ca_path) is trusted in addition to the CA certificates of the system.
        type: path
        aliases:
          - root_ca
      client_cert:
        description:
          - The client certificate for the target, as O(client_cert).
        type: path
      client_key:
        description:
          - The private key of O(target.client_cert), as O(client_key).
        type: path
      validate_certs:
        description:
          - Whether to verify the certificate of the target and its host name, as O(validate_certs), which is the
            default.
        type: bool
      username:
        description:
          - The user name for the target. Requires O(target.password).
        type: str
      password:
        description:
          - The password or access token of O(target.username).
        type: str
      token:
        description:
          - A bearer token for the target. It is sent unchanged.
        type: str
      identity_token:
        description:
          - An identity token for the target, as O(identity_token).
        type: str
      auth_file:
        description:
          - A file with credentials for the target, as O(auth_file), which is the default.
        type: path
        aliases:
          - authfile
      aws_profile:
        description:
          - The AWS profile for a target in Amazon ECR, as O(aws_profile), which is the default.
        type: str
      aws_region:
        description:
          - The AWS region for a target in Amazon ECR, as O(aws_region), which is the default.
        type: str
  platforms:
    description:
      - The platforms of a multi-platform image (an index) to copy, as C(os/architecture) or
        C(os/architecture/variant). The default is the whole index.
      - An index that has other platforms too is reduced to these, and to the attestations of their images. It is then
        another index with another digest, and the task emits a warning. The images in it keep their digests.
      - With a reference to a single image, the task fails if that is for none of the platforms.
    type: list
    elements: str
  tags_from:
    description:
      - Copies many tags of O(repository), each to the same tag at the target, in place of one image.
      - With O(signature), all of these images must be signed, and RV(signature) is not returned. Tags of signatures and
        of other things that are attached to images, such as C(sha256-HEX.sig), are then left out, since nobody signs
        them; see O(cosign_tags).
      - Mutually exclusive with O(layout), O(image), O(reference), O(tag), O(digest) and O(target.tags).
    type: dict
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
          - Whether to remove tags of the target that match O(tags_from.pattern) and are not copied. Without a pattern,
            these are all other tags.
          - If no tag of the source matches, nothing is removed, and the task fails.
          - The registry of the target must permit the deletion of tags, or of manifests. If it deletes manifests
            alone, the image of a tag is deleted unless another tag leads to it, which is an error.
        type: bool
        default: false
  referrers:
    description:
      - Whether to copy what refers to the image too, such as signatures, SBOMs and attestations, and what refers to
        those in turn.
      - Compared in every run is the list of what refers to the image itself. What refers to the images for single
        platforms or to a referrer is copied when that list or the image has changed.
      - If the registry of the target has no list of referrers, the task keeps an index of them under the tag
        C(sha256-HEX), where clients look for it.
    type: bool
    default: false
  cosign_tags:
    description:
      - Whether to copy what C(cosign) before version 3, C(podman) and C(skopeo) attached to the image by tags such as
        C(sha256-HEX.sig), to the same tags. These signatures, attestations and SBOMs are no referrers.
    type: bool
    default: false
  mount_from:
    description:
      - Repositories of the target's registry that may have the layers, so that they need not be sent. The registry
        must permit to read them.
      - The default is O(repository), if the image comes from the target's registry.
    type: list
    elements: str
  chunk_size:
    description:
      - The maximum size of a request with a part of a layer, in bytes, as a number or with a unit, such as V(50M). Set
        it if a proxy before the registry limits the size of requests.
      - The default is to send each layer in one request.
    type: bytes
  lock_timeout:
    description:
      - How many seconds to wait while another task downloads the same blob to O(cache).
    type: float
    default: 60
notes:
  - A task that changes nothing sends one C(HEAD) request for each tag to the source, and one to the target. With a
    digest, it sends none to the source. Authentication may need additional requests.
  - If the task is interrupted, every tag at the target leads to the image that it led to before or to the new one, with
    all of its layers. The next run sends only what is missing.
  - O(limit_rate) and O(cache) are about what the source sends.
  - To push a local image, write it to an archive first, for example with C(podman save --format oci-archive), and give
    that as O(layout).
seealso:
  - module: attested.registry.oci_archive
  - module: attested.registry.oci_layout
  - name: OCI distribution specification
    description: How images are pushed.
    link: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push
"""

EXAMPLES = r"""
- name: Copy a release to the registry of the site
  attested.registry.oci_image_copy:
    repository: com.example.greeter
    reference: "1.0"
    target:
      registry: localhost:5000
      repository: site/greeter

- name: Promote a release, without sending a layer
  attested.registry.oci_image_copy:
    registry: localhost:5000
    repository: site/greeter
    reference: "1.0"
    target:
      repository: production/greeter
      tags:
        - "1.0"
        - stable

- name: Push an archive that was built elsewhere
  attested.registry.oci_image_copy:
    layout: /srv/images/greeter.tar
    target:
      image: localhost:5000/site/greeter:1.0

- name: Keep the three newest releases of the first major version at the registry of the site
  attested.registry.oci_image_copy:
    repository: com.example.greeter
    tags_from:
      pattern: 1.*
      newest: 3
      prune: true
    target:
      registry: localhost:5000
      repository: site/greeter

- name: Copy two platforms of an image of Docker Hub
  attested.registry.oci_image_copy:
    image: docker.io/library/debian:12
    platforms:
      - linux/amd64
      - linux/arm64
    target:
      image: registry.example.com/library/debian:12
      username: writer
      password: "{{ registry_password }}"
"""

RETURN = r"""
target:
  description:
    - The registry and the repository that the image is in.
  returned: success
  type: str
  sample: localhost:5000/site/greeter
digest:
  description:
    - The digest of the index or manifest at the target. V(null) if several tags lead to different ones.
  returned: success
  type: str
  sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
digests:
  description:
    - The digest of each tag that the task is about. An image without a tag has its digest in place of the tag.
  returned: success
  type: dict
  sample:
    "1.0": sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
before:
  description:
    - The digests that these tags had before the task, V(null) for tags that did not exist.
  returned: success
  type: dict
  sample:
    "1.0": null
referrers:
  description:
    - The digests of what refers to the image and was copied, or would be in check mode, if O(referrers) is set.
  returned: success
  type: list
  elements: str
  sample: []
pruned:
  description:
    - The tags that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: []
blobs:
  description:
    - What became of the blobs of the images that were copied, or would become of them.
  returned: success
  type: dict
  contains:
    present:
      description:
        - How many blobs the target had.
      type: int
      sample: 1
    mounted:
      description:
        - How many blobs were mounted from another repository. V(0) in check mode.
      type: int
      sample: 0
    copied:
      description:
        - How many blobs were sent. In check mode, how many the target does not have.
      type: int
      sample: 2
    left_out:
      description:
        - How many nondistributable layers were not copied.
      type: int
      sample: 0
stats:
  description:
    - What the task has cost.
  returned: success
  type: dict
  contains:
    downloaded_bytes:
      description:
        - The number of bytes of blobs received from the source.
      type: int
      sample: 52428800
    uploaded_bytes:
      description:
        - The number of bytes of blobs sent to the target.
      type: int
      sample: 52428800
    requests:
      description:
        - The number of HTTP requests to both.
      type: int
      sample: 12
    cache_hits:
      description:
        - The number of blobs taken from O(cache). Only present with O(cache).
      type: int
      sample: 0
    cache_bytes:
      description:
        - The number of bytes taken from O(cache). Only present with O(cache).
      type: int
      sample: 0
    seconds:
      description:
        - The duration of the stages in seconds.
      type: dict
      contains:
        resolve:
          description:
            - The time to compare digests, read manifests, and look for blobs.
          type: float
          sample: 0.021
        upload:
          description:
            - The time to copy blobs.
          type: float
          sample: 1.204
        publish:
          description:
            - The time to write manifests and tags.
          type: float
          sample: 0.012
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

from ansible_collections.attested.registry.plugins.module_utils._module.copy.run import run_copy
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import (
    DOWNLOAD,
    EXCLUSIVE,
    LAYOUT,
    PROGRESS,
    REQUIRED_BY,
    SIGNATURE,
    TAGS_FROM,
    TARGET,
    TOGETHER,
)

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "repository": {"type": "str", "aliases": ["app_name", "name"]},
    "image": {"type": "str"},
    "reference": {"type": "str"},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
    "foreign_layers": {"type": "bool", "default": False},
    "target": {
        "type": "dict",
        "required": True,
        "options": TARGET,
        "required_together": TOGETHER,
        "mutually_exclusive": EXCLUSIVE,
        "required_by": REQUIRED_BY,
    },
    "platforms": {"type": "list", "elements": "str"},
    "referrers": {"type": "bool", "default": False},
    "cosign_tags": {"type": "bool", "default": False},
    "mount_from": {"type": "list", "elements": "str"},
    "chunk_size": {"type": "bytes"},
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
        required_one_of=[("image", "repository", "layout")],
        mutually_exclusive=[("tags_from", name) for name in ("layout", "image", "reference", "tag", "digest")],
    )
    with reported_errors(module, doing="copying an image to a registry"):
        results = run_copy(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
