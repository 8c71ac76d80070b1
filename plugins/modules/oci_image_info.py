#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_image_info: documentation and entry point; Registry.resolve() does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_info
short_description: Show the manifest and config of an image in a registry or an archive
version_added: 0.1.0
description:
  - Fetches the manifest and the image config of an image from an OCI registry, verifies both, and returns their
    content.
  - With O(layout), it reads them from a layout or archive on the host, and no registry is needed.
  - The module downloads no layers, needs no container engine and changes nothing on the host.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.name
  - attested.registry.registry.image
  - attested.registry.registry.layout
  - attested.registry.registry.signature
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
  - module: attested.registry.oci_manifest
  - module: attested.registry.oci_tags
  - module: attested.registry.oci_image_unpack
"""

EXAMPLES = r"""
- name: Show an image of the registry on this host
  attested.registry.oci_image_info:
    repository: com.example.greeter
    reference: "1.0"
  register: greeter

- name: Print the number and size of the layers
  ansible.builtin.debug:
    msg: "{{ greeter.image.digest }} has {{ greeter.image.layers | length }} layers of {{ greeter.image.total_size }}
    bytes"

- name: Show an image by its full name
  attested.registry.oci_image_info:
    image: quay.io/prometheus/busybox:latest

- name: Show the only image of an archive that docker save wrote
  attested.registry.oci_image_info:
    layout: /srv/images/greeter.tar

- name: Return a single value by a query
  attested.registry.oci_image_info:
    repository: com.example.greeter
    reference: "1.0"
    query: image.config.config.Entrypoint
  register: entrypoint

- name: Show the image for another platform in a registry that requires credentials
  attested.registry.oci_image_info:
    registry: registry.example.com
    repository: team/app
    reference: stable
    platform: linux/arm64
    username: reader
    password: "{{ registry_password }}"
    ca_path: /etc/ssl/certs/example-root.pem

- name: Show an image if it was signed by the release key
  attested.registry.oci_image_info:
    registry: registry.example.com
    repository: team/app
    reference: "1.0"
    signature:
      keys: [/etc/keys/release.pub]
"""

RETURN = r"""
image:
  description:
    - The image that the reference resolves to.
  returned: success, unless O(query) is given
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
        - The registry of the task, even if a mirror delivered the image. V(null) with O(layout).
      type: str
      sample: localhost:1337
    repository:
      description:
        - The repository, with C(library/) if Docker Hub implies it. With O(layout), its path.
      type: str
      sample: com.example.greeter
    tag:
      description:
        - The requested tag, V(null) if only a digest was given.
      type: str
      sample: "1.0"
    digest:
      description:
        - The digest of the manifest, computed from the received bytes.
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
        - The artifact type, V(null) for a container image.
      type: str
      sample: application/vnd.example.sbom
    platform:
      description:
        - The platform of the image, V(null) for an artifact.
      type: str
      sample: linux/arm64/v8
    config_digest:
      description:
        - The digest of the image config.
      type: str
      sample: sha256:ae709b3ab794a7059249f1e80ec5f66735571be8bf40b272deafe4acbad6ec0f
    config:
      description:
        - The image config with all fields, as stored in the registry. V(null) for an artifact.
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
        - The layers, lowest first.
      type: list
      elements: dict
      contains:
        digest:
          description:
            - The digest of the layer as stored.
          type: str
          sample: sha256:733da0bad0eb61af50fb99692f420a636a3d42ff97ac2faa31d777b679e32e57
        size:
          description:
            - The size of the layer as stored, in bytes.
          type: int
          sample: 145
        media_type:
          description:
            - The media type of the layer.
          type: str
          sample: application/vnd.oci.image.layer.v1.tar+gzip
        diff_id:
          description:
            - The digest of the decompressed layer, V(null) in an artifact.
          type: str
          sample: sha256:0e5d509e4f80ea2aee1e5fe56e4874aa85d9198f016bbe798f43938d234c13b6
        annotations:
          description:
            - The annotations of the layer.
          type: dict
          sample: {}
    total_size:
      description:
        - The size of the config and all layers as stored, in bytes.
      type: int
      sample: 2549
    index_digest:
      description:
        - The digest of the index that the reference resolves to, V(null) if it resolves to a manifest.
      type: str
      sample: sha256:0f7a1f0a4ec7ed1f6a7d94c6c0cbd9b1f8e25ffbe28e6e0a9c46a4ae9d9a8d1c
    platforms:
      description:
        - All platforms that the reference offers.
      type: list
      elements: str
      sample: [linux/amd64, linux/arm64/v8]
signature:
  description:
    - What was verified of the signatures of the image.
  returned: if O(signature) is given, unless O(query) is given
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
query_result:
  description:
    - The outcome of O(query). The other return values are then omitted.
  returned: if O(query) is given
  type: raw
  sample: [/usr/bin/greet]
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.image_options import wanted_platform
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import (
    IMAGE,
    LAYOUT,
    QUERY,
    SIGNATURE,
)
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query
from ansible_collections.attested.registry.plugins.module_utils._module.registry.attestation import attestation_results
from ansible_collections.attested.registry.plugins.module_utils._module.registry.image_source import opened_image
from ansible_collections.attested.registry.plugins.module_utils._module.registry.signature_option import (
    signature_check,
    signature_results,
)

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.attested.registry.plugins.module_utils._module.query import Results


def run(module: AnsibleModule) -> Results:
    """Resolve the image and return the results of the module."""
    query = Query(module, module.params["query"])
    platform = wanted_platform(module)
    check, repository = signature_check(module), module.params["repository"] or ""
    with opened_image(module) as (source, selector):
        image = source.resolve(repository, selector, platform=platform)
        verified = None if check is None else check.verify_image(source, repository, image)
        attested = attestation_results(source)
    return query.apply_to({"image": image.as_dict(), **signature_results(verified), **attested})


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(IMAGE, LAYOUT, SIGNATURE, QUERY, required_one_of=[("image", "repository", "layout")])
    with reported_errors(module, doing="reading an image"):
        results = run(module)
    module.exit_json(changed=False, **results)


if __name__ == "__main__":
    main()
