#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_info
short_description: Shows what an image in a registry is
version_added: 0.1.0
description:
  - Fetches the manifest and the image config of an image from an OCI registry, verifies both, and returns what they
    say.
  - No layer is downloaded, no container engine is needed and nothing is changed on the host.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.image
  - attested.registry.registry
  - attested.registry.registry.query
  - attested.registry.attributes
  - attested.registry.attributes.info_module
  - attested.registry.attributes.actiongroup_registry
attributes:
  platform:
    support: full
    platforms: posix
seealso:
  - module: attested.registry.oci_tags
  - module: attested.registry.oci_image_unpack
"""

EXAMPLES = r"""
- name: Show an image of the registry on this host
  attested.registry.oci_image_info:
    repository: com.example.greeter
    reference: "1.0"
  register: greeter

- name: Say which layers it has
  ansible.builtin.debug:
    msg: "{{ greeter.image.digest }} has {{ greeter.image.layers | length }} layers of {{ greeter.image.total_size }}
    bytes"

- name: Show an image by its whole name
  attested.registry.oci_image_info:
    image: quay.io/prometheus/busybox:latest

- name: Take out one value with a query
  attested.registry.oci_image_info:
    repository: com.example.greeter
    reference: "1.0"
    query: image.config.config.Entrypoint
  register: entrypoint

- name: Show the image for another platform of a registry that wants credentials
  attested.registry.oci_image_info:
    registry: registry.example.com
    repository: team/app
    reference: stable
    platform: linux/arm64
    username: reader
    password: "{{ registry_password }}"
    ca_path: /etc/ssl/certs/example-root.pem
"""

RETURN = r"""
image:
  description:
    - The image that the reference leads to.
  returned: success, unless O(query) is given
  type: dict
  contains:
    registry:
      description:
        - The registry as it was asked for.
      type: str
      sample: localhost:1337
    repository:
      description:
        - The repository as it was asked for.
      type: str
      sample: com.example.greeter
    tag:
      description:
        - The tag that was asked for, V(null) if it was a digest alone.
      type: str
      sample: "1.0"
    digest:
      description:
        - The digest of the image's manifest, computed over the bytes that were received.
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
      sample: 944
    artifact_type:
      description:
        - The type of the artifact if this is one, which is something else than a container image. V(null) for an image.
      type: str
      sample: application/vnd.example.sbom
    platform:
      description:
        - The platform that the image is for, V(null) for an artifact.
      type: str
      sample: linux/arm64/v8
    config_digest:
      description:
        - The digest of the image config.
      type: str
      sample: sha256:ae709b3ab794a7059249f1e80ec5f66735571be8bf40b272deafe4acbad6ec0f
    config:
      description:
        - The image config as it stands in the registry, with all its fields. V(null) for an artifact.
      type: dict
      sample:
        architecture: arm64
        os: linux
        config:
          Entrypoint: [/usr/bin/greet]
        rootfs:
          type: layers
          diff_ids:
            - sha256:0e5d509e4f80ea2aee1e5fe56e4874aa85d9198f016bbe798f43938d234c13b6
    annotations:
      description:
        - The annotations of the manifest.
      type: dict
      sample:
        org.opencontainers.image.version: "1.0"
    layers:
      description:
        - The layers, the lowest first.
      type: list
      elements: dict
      contains:
        digest:
          description:
            - The digest of the layer as it is stored.
          type: str
          sample: sha256:733da0bad0eb61af50fb99692f420a636a3d42ff97ac2faa31d777b679e32e57
        size:
          description:
            - Its size in bytes as it is stored.
          type: int
          sample: 145
        media_type:
          description:
            - Its media type.
          type: str
          sample: application/vnd.oci.image.layer.v1.tar+gzip
        diff_id:
          description:
            - The digest of the layer decompressed, V(null) in an artifact.
          type: str
          sample: sha256:0e5d509e4f80ea2aee1e5fe56e4874aa85d9198f016bbe798f43938d234c13b6
        annotations:
          description:
            - The annotations of the layer.
          type: dict
          sample: {}
    total_size:
      description:
        - The size of the config and all layers as they are stored, in bytes.
      type: int
      sample: 2549
    index_digest:
      description:
        - The digest of the index the reference leads to, V(null) if it leads to the manifest directly.
      type: str
      sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
    platforms:
      description:
        - All platforms that the reference offers.
      type: list
      elements: str
      sample: [linux/amd64, linux/arm64/v8]
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
query_result:
  description:
    - What O(query) makes of the values that the module returns. They are left out then.
  returned: if O(query) is given
  type: raw
  sample: [/usr/bin/greet]
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.argument_spec import (
    IMAGE,
    QUERY,
    registry_module,
)
from ansible_collections.attested.registry.plugins.module_utils._module.attestation import attestation_results
from ansible_collections.attested.registry.plugins.module_utils._module.connection import opened_source
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query
from ansible_collections.attested.registry.plugins.module_utils._module.wanted import wanted_platform, wanted_selector

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.attested.registry.plugins.module_utils._module.query import Results


def run(module: AnsibleModule) -> Results:
    """Returns what the module returns."""
    query = Query(module, module.params["query"])
    selector, platform = wanted_selector(module), wanted_platform(module)
    with opened_source(module) as source:
        image = source.resolve(module.params["repository"], selector, platform=platform)
        attested = attestation_results(source)
    return query.apply_to({"image": image.as_dict(), **attested})


def main() -> t.NoReturn:
    """Runs the module."""
    module = registry_module(IMAGE, QUERY, required_one_of=[("image", "repository")])
    with reported_errors(module, doing="reading an image"):
        results = run(module)
    module.exit_json(changed=False, **results)


if __name__ == "__main__":
    main()
