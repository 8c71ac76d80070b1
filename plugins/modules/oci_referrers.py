#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_referrers: documentation and entry point; _module/referrers.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_referrers
short_description: List the signatures, SBOMs and attestations of an image
version_added: 0.3.0
description:
  - Lists the manifests that refer to an image as their subject, such as signatures, SBOMs and attestations. Nothing of
    them is downloaded or verified.
  - The list comes from the referrers API of the registry. If the registry does not offer it, the module reads the tag
    that clients maintain in its place (referrers tag schema of the distribution specification). Mirrors are not asked,
    because they may lack referrers.
  - The tags of cosign, C(sha256-HEX.sig), C(sha256-HEX.att) and C(sha256-HEX.sbom), are looked up as well.
  - With O(layout), the module finds the referrers in a layout or archive on the host, and no registry is needed.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.name
  - attested.registry.registry.layout
  - attested.registry.registry
  - attested.registry.registry.query
  - attested.registry.attributes
  - attested.registry.attributes.info_module
  - attested.registry.attributes.actiongroup_registry
attributes:
  platform:
    support: full
    platforms: posix
options:
  artifact_type:
    description:
      - List only the referrers of this artifact type, for example V(application/vnd.dev.sigstore.bundle.v0.3+json).
      - What a tag of cosign leads to has the artifact type V(application/vnd.dev.cosign.artifact.sig.v1+json),
        V(application/vnd.dev.cosign.artifact.att.v1+json) or V(application/vnd.dev.cosign.artifact.sbom.v1+json). Only
        the tags that fit are looked up.
    type: str
  platform:
    description:
      - If the reference leads to an index, list the referrers of the image for this platform, as C(os/architecture) or
        C(os/architecture/variant), for example V(linux/arm64/v8). A single image for another platform is an error.
      - If not set, the module lists the referrers of what the reference leads to, an index or a manifest.
    type: str
seealso:
  - module: attested.registry.oci_manifest
  - module: attested.registry.oci_artifact
"""

EXAMPLES = r"""
- name: List the signatures, SBOMs and attestations of a release
  attested.registry.oci_referrers:
    image: registry.example.com/team/app:1.0
  register: attached

- name: Require an SBOM in the format of SPDX
  attested.registry.oci_referrers:
    image: registry.example.com/team/app:1.0
    artifact_type: application/spdx+json
  register: sbom
  failed_when: sbom is failed or sbom.count == 0

- name: Download the SBOM
  attested.registry.oci_artifact:
    registry: registry.example.com
    repository: team/app
    digest: "{{ sbom.referrers[0].digest }}"
    dest: /var/lib/sbom/app

- name: Show what refers to the only image of an archive
  attested.registry.oci_referrers:
    layout: /srv/images/app.tar
    query: referrers[].artifact_type
"""

RETURN = r"""
digest:
  description:
    - The digest of the manifest or index whose referrers are listed.
  returned: success, unless O(query) is given
  type: str
  sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
referrers:
  description:
    - The referrers in the order of the registry or layout, each once, and then what only tags of cosign lead to.
  returned: success, unless O(query) is given
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
    artifact_type:
      description:
        - What the referrer is, V(null) if that is not known.
      type: str
      sample: application/spdx+json
    size:
      description:
        - The size of the manifest in bytes.
      type: int
      sample: 428
    annotations:
      description:
        - The annotations of the manifest, as the list has them.
      type: dict
      sample: {org.opencontainers.image.created: "2026-03-01T12:00:00Z"}
    source:
      description:
        - What lists the referrer. V(api) is the referrers API, V(tag) the tag of the referrers tag schema, V(layout)
          the layout or archive, and V(cosign) a tag of cosign.
      type: str
      sample: api
    tag:
      description:
        - The tag of cosign that leads to the referrer, V(null) if there is none.
      type: str
      sample: null
count:
  description:
    - The number of RV(referrers).
  returned: success, unless O(query) is given
  type: int
  sample: 1
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
  sample: [application/spdx+json]
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import LAYOUT, NAME, QUERY
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query
from ansible_collections.attested.registry.plugins.module_utils._module.referrers import read_referrers


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        NAME,
        LAYOUT,
        QUERY,
        {"artifact_type": {"type": "str"}, "platform": {"type": "str"}},
        required_one_of=[("image", "repository", "layout")],
    )
    with reported_errors(module, doing="listing referrers"):
        query = Query(module, module.params["query"])
        results = query.apply_to(read_referrers(module))
    module.exit_json(changed=False, **results)


if __name__ == "__main__":
    main()
