#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_artifact: documentation and entry point; _module/artifact/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_artifact
short_description: Download the files of an artifact from a registry
version_added: 0.3.0
description:
  - Downloads the files of an OCI artifact, as C(oras push) and similar tools make them, to a directory. Each file is
    verified before it appears, and appears in one step.
  - The files are the layers of the manifest that have the annotation C(org.opencontainers.image.title). That is the
    name of the file, and must be one plain name, without a slash and without a dot in front. Two files of one name are
    an error. Layers without the annotation are left out with a warning.
  - With O(layout), the files come from a layout or archive on the host, and no registry is needed.
  - What the module wrote is recorded in the file C(.oci_artifact.json) in O(dest), which only the owner can read. A
    later version of the artifact removes the files that it no longer has, and O(state=absent) removes all of them.
    Other files in the directory are left alone. So a directory holds the files of one artifact; give each its own.
  - A directory that C(oras push) packed (annotation C(io.deis.oras.content.unpack)) is an error. Leave it out with
    O(media_types), or download it with M(attested.registry.oci_blob) and apply it with
    M(attested.registry.oci_layer_unpack).
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.name
  - attested.registry.registry.layout
  - attested.registry.registry.signature
  - attested.registry.registry
  - ansible.builtin.files
  - attested.registry.attributes
  - attested.registry.attributes.files
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Fetches the manifest, but no files. Nothing is written.
  diff_mode:
    support: full
    details:
      - Shows the digest and size of each changed file before and after, but not its content.
  idempotent:
    support: full
    details:
      - Unchanged if each file has its digest. Files that others changed are written again.
      - A task that changes nothing fetches no file. If the record has the artifact already, a tag takes one request for
        its digest (C(HEAD)), and a digest takes none.
  safe_file_operations:
    support: full
  platform:
    support: full
    platforms: posix
options:
  dest:
    description:
      - The directory for the files. It is created with its missing parents, with mode V(0755), reduced by the umask.
      - The options O(mode), O(owner), O(group) and so on apply to the files. A file that is replaced passes its owner,
        mode and extended attributes on.
      - A symbolic link in the place of a file is replaced, and its target is not changed. Anything else that is not a
        regular file is refused.
    type: path
    required: true
  state:
    description:
      - V(present) downloads the files that are missing or differ, and removes those of an earlier version.
      - V(absent) removes the files that this module wrote, and the directory if the module created it and nothing else
        is in it. No request is sent to the registry.
      - A file to remove that was changed after the module wrote it stays, with a warning, and is no longer recorded.
    type: str
    choices:
      - present
      - absent
    default: present
  media_types:
    description:
      - The media types of the files to download, each a shell pattern such as V(application/vnd.example.*). If not set,
        all files are downloaded.
    type: list
    elements: str
  platform:
    description:
      - If the reference leads to an index, download the artifact for this platform, as C(os/architecture) or
        C(os/architecture/variant), for example V(linux/arm64/v8).
      - If not set, an index is an error.
    type: str
notes:
  - If a task is interrupted, files of the old and of the new version may be there. The next run completes the change,
    and resumes the download.
seealso:
  - module: attested.registry.oci_blob
  - module: attested.registry.oci_image_unpack
  - module: attested.registry.oci_manifest
"""

EXAMPLES = r"""
- name: Download the files of an artifact
  attested.registry.oci_artifact:
    registry: registry.example.com
    repository: team/dashboards
    reference: "1.4"
    dest: /var/lib/grafana/dashboards
    owner: grafana
    mode: "0640"
  register: dashboards

- name: Print the paths
  ansible.builtin.debug:
    msg: "{{ dashboards.files | map(attribute='path') }}"

- name: Download only the WebAssembly module of an artifact
  attested.registry.oci_artifact:
    image: registry.example.com/team/filter:2.0
    dest: /etc/proxy/filters/team
    media_types:
      - application/wasm

- name: Take the files from an archive that was copied to a host without a registry
  attested.registry.oci_artifact:
    layout: /srv/images/dashboards.tar
    reference: "1.4"
    dest: /var/lib/grafana/dashboards

- name: Remove the files
  attested.registry.oci_artifact:
    dest: /var/lib/grafana/dashboards
    state: absent

- name: Download the files of a signed artifact
  attested.registry.oci_artifact:
    registry: registry.example.com
    repository: team/firmware
    reference: "1.0"
    dest: /srv/firmware
    signature:
      keys: [/etc/keys/release.pub]
"""

RETURN = r"""
dest:
  description:
    - The directory.
  returned: success
  type: str
  sample: /var/lib/grafana/dashboards
digest:
  description:
    - The digest of the manifest, V(null) with O(state=absent).
  returned: success
  type: str
  sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
artifact_type:
  description:
    - The type of the artifact, V(null) if it has none.
  returned: success
  type: str
  sample: application/vnd.example.dashboards
files:
  description:
    - The files of the artifact in O(dest), in the order of the manifest. With O(state=absent) there are none.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - The name of the file.
      type: str
      sample: hosts.json
    path:
      description:
        - The path of the file.
      type: str
      sample: /var/lib/grafana/dashboards/hosts.json
    digest:
      description:
        - The digest of the file.
      type: str
      sample: sha256:733da0bad0eb61af50fb99692f420a636a3d42ff97ac2faa31d777b679e32e57
    size:
      description:
        - The size of the file in bytes.
      type: int
      sample: 145
    media_type:
      description:
        - The media type of the file.
      type: str
      sample: application/json
removed:
  description:
    - The names of the files that were removed, in check mode those that would be.
  returned: success
  type: list
  elements: str
  sample: [old.json]
stats:
  description:
    - Statistics of the task.
  returned: success
  type: dict
  contains:
    written:
      description:
        - The number of files that were written, in check mode of those that would be.
      type: int
      sample: 1
    downloaded_bytes:
      description:
        - The number of bytes of files that were downloaded.
      type: int
      sample: 145
    requests:
      description:
        - The number of HTTP requests that were sent.
      type: int
      sample: 2
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

from ansible_collections.attested.registry.plugins.module_utils._module.artifact.run import run_artifact
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import LAYOUT, NAME, SIGNATURE

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "dest": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "media_types": {"type": "list", "elements": "str"},
    "platform": {"type": "str"},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        NAME,
        LAYOUT,
        SIGNATURE,
        OPTIONS,
        required_if=[("state", "present", ("image", "repository", "layout"), True)],
        add_file_common_args=True,
    )
    with reported_errors(module, doing=f"keeping the files of an artifact in {module.params['dest']}"):
        results = run_artifact(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
