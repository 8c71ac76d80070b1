#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_blob: documentation and entry point; _module/blob_file.py downloads and replaces the file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_blob
short_description: Download a blob from a registry to a file, or delete it from a registry
version_added: 0.1.0
description:
  - Downloads a blob of a repository, such as a layer or a config, and verifies its digest before the file appears at
    O(dest).
  - An interrupted download is resumed by the next run. The partial file is kept beside O(dest), under a name that
    begins with C(.oci_blob.), and is hashed again before it is used. A file of that name that other users can open is
    removed instead.
  - If O(dest) is replaced, the new file keeps the owner, group, mode and extended attributes of the old one.
  - With O(state=absent), the blob is deleted from the registry.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry
  - attested.registry.registry.repository
  - ansible.builtin.files
  - attested.registry.attributes
  - attested.registry.attributes.files
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  safe_file_operations:
    support: full
  platform:
    support: full
    platforms: posix
options:
  digest:
    description:
      - The digest of the blob, as C(sha256:), C(sha384:) or C(sha512:) followed by the hexadecimal digits.
    type: str
    required: true
  dest:
    description:
      - This or O(range) is required with O(state=present).
      - The file to write. A symbolic link is replaced, and its target is not changed. Anything else that is not a
        regular file is refused.
      - Missing parent directories are created with mode V(0755), reduced by the umask. If the task fails, it removes
        the directories that it created and that are empty.
      - An existing file is hashed, and left unchanged if its content has the digest already.
    type: path
  range:
    description:
      - Return a part of the blob in place of writing a file, as V(0-1023), as V(1024-) up to the end, or as V(-512) for
        the last bytes. The part has at most 1 MiB.
      - A digest covers a whole blob, so a part cannot be verified, and the task emits a warning.
      - Mutually exclusive with O(dest).
      - If the registry does not support ranges, the task fails with the error kind C(unsupported).
    type: str
    version_added: 0.3.0
  state:
    description:
      - V(present) downloads the blob.
      - V(absent) deletes the blob from the repository. Images that refer to it can then not be pulled any more, so
        delete their manifests first, with M(attested.registry.oci_manifest). O(dest) and O(range) cannot be used, and
        O(mirrors) are not used.
      - If the registry does not permit deletion, the task fails with the error kind C(unsupported).
    type: str
    choices:
      - present
      - absent
    default: present
    version_added: 0.3.0
seealso:
  - module: attested.registry.oci_image_info
  - module: attested.registry.oci_layer_unpack
"""

EXAMPLES = r"""
- name: Find the layers of an image
  attested.registry.oci_image_info:
    repository: com.example.app
    reference: stable
  register: app

- name: Download the lowest layer
  attested.registry.oci_blob:
    repository: com.example.app
    digest: "{{ app.image.layers[0].digest }}"
    dest: /var/tmp/layer.tar.gz
    mode: "0644"

- name: Read the first bytes of the layer, unverified
  attested.registry.oci_blob:
    repository: com.example.app
    digest: "{{ app.image.layers[0].digest }}"
    range: 0-1
  register: beginning

- name: Delete a blob that no image refers to any more
  attested.registry.oci_blob:
    repository: com.example.app
    digest: sha256:733da0bad0eb61af50fb99692f420a636a3d42ff97ac2faa31d777b679e32e57
    state: absent
"""

RETURN = r"""
digest:
  description:
    - The digest of the blob.
  returned: success
  type: str
  sample: sha256:733da0bad0eb61af50fb99692f420a636a3d42ff97ac2faa31d777b679e32e57
size:
  description:
    - The size of the blob in bytes. V(null) if O(range) is given and the registry does not state it. With
      O(state=absent), the size of the blob that was deleted, V(null) if there was none.
  returned: success
  type: int
  sample: 145
resumed_from:
  description:
    - The number of bytes that were reused from an interrupted download, V(0) if there were none.
  returned: success, unless O(range) is given or O(state=absent)
  type: int
  sample: 0
content:
  description:
    - The bytes of the part, encoded in Base64. They are not verified.
  returned: if O(range) is given
  type: str
  sample: H4s=
first:
  description:
    - The position of the first byte of RV(content) in the blob.
  returned: if O(range) is given
  type: int
  sample: 0
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

from ansible_collections.attested.registry.plugins.module_utils._module.blob_file import BlobFile, Download
from ansible_collections.attested.registry.plugins.module_utils._module.blob_part import run_range
from ansible_collections.attested.registry.plugins.module_utils._module.blob_results import (
    blob_size,
    file_results,
    place,
)
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import REPOSITORY
from ansible_collections.attested.registry.plugins.module_utils._module.registry.attestation import attestation_results
from ansible_collections.attested.registry.plugins.module_utils._module.registry.connection import opened_source
from ansible_collections.attested.registry.plugins.module_utils._module.removal import remove_blob
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the results of the module: those of a deletion, of a part of the blob, or of the file."""
    if module.params["state"] == "absent":
        return remove_blob(module)
    return _run_file(module) if module.params["range"] is None else run_range(module)


def _run_file(module: AnsibleModule) -> dict[str, t.Any]:
    """Bring the file to the requested state."""
    params = module.params
    file = BlobFile(params["dest"], Digest.parse(params["digest"]))
    if file.warning is not None:
        module.warn(file.warning)
    found = file.content()
    done = Download(found.size, 0, changed=False) if found is not None and found.digest == file.digest else None
    attested: dict[str, t.Any] = {}
    if done is None:
        with opened_source(module) as source:
            if module.check_mode:
                done = Download(blob_size(source, params["repository"], file.digest), 0)
            else:
                done = place(
                    module,
                    file,
                    lambda offset, state: source.blob(
                        params["repository"], file.digest, offset=offset, digest_state=state
                    ),
                    before=found,
                )
            attested = attestation_results(source)
    results = {"digest": str(file.digest), "size": done.size, "resumed_from": done.resumed_from}
    return {**file_results(module, file, before=found, done=done), **results, **attested}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        REPOSITORY,
        {
            "digest": {"type": "str", "required": True},
            "dest": {"type": "path"},
            "range": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("dest", "range"), True)],
        mutually_exclusive=[("dest", "range")],
        add_file_common_args=True,
    )
    with reported_errors(module, doing="downloading a blob"):
        results = run(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
