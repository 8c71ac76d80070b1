#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_layer_unpack: documentation and entry point; _module/layer/apply.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_layer_unpack
short_description: Apply a local layer file to a directory
version_added: 0.1.0
description:
  - Reads a layer of an OCI image from a file on the target host, verifies it against its diff_id, and then applies it
    to a directory as the OCI image specification defines, whiteouts included.
  - The file is read twice, once to verify it and once to apply it. Only data that was verified is applied, even if the
    file changes in between.
  - The applied layers are recorded in a file beside O(dest), C(.NAME.oci-layers) for C(NAME). A record that belongs to
    neither root nor the user of the task is refused.
  - Only one task at a time works on a directory. It holds a lock on C(.NAME.oci-layers.lock), which no other user can
    open.
  - A task that fails or is killed while it applies a layer leaves a part of the layer in O(dest), and the record says
    so. Run the same task again to complete the layer. Until then, tasks with other layers emit a warning.
  - The directory is changed in place. To replace one image by another atomically, use
    M(attested.registry.oci_image_unpack).
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.tree
  - attested.registry.attributes
attributes:
  check_mode:
    support: full
    details:
      - The layer is read and verified. If O(src) does not exist, because an earlier task would have created it, the
        task reports a change, with a warning.
  diff_mode:
    support: full
    details:
      - Shows the list of applied layers before and after, but not the files.
  idempotent:
    support: full
    details:
      - Changes made to the directory by others are not detected.
  platform:
    support: full
    platforms: linux
options:
  src:
    description:
      - The layer file on the target host, for example one downloaded by M(attested.registry.oci_blob).
    type: path
    required: true
  dest:
    description:
      - The directory to apply the layer to. Its content takes the place of the lower layers.
      - The directory and its missing parent directories are created with mode V(0755), reduced by the umask. If the
        task fails, it removes the parent directories that it created and that are empty.
      - It can be neither a directory that M(attested.registry.oci_image_unpack) manages nor a mount point.
    type: path
    required: true
  diff_id:
    description:
      - The expected digest of the decompressed layer, as listed in the image config.
    type: str
    required: true
  media_type:
    description:
      - The media type of the layer, which defines its compression. If not set, the compression is detected from the
        content.
    type: str
  force:
    description:
      - Whether to apply the layer even if it was applied before.
    type: bool
    default: false
seealso:
  - module: attested.registry.oci_blob
  - module: attested.registry.oci_image_unpack
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

- name: Apply the layer to a directory
  attested.registry.oci_layer_unpack:
    src: /var/tmp/layer.tar.gz
    media_type: "{{ app.image.layers[0].media_type }}"
    diff_id: "{{ app.image.layers[0].diff_id }}"
    dest: /var/tmp/app
"""

RETURN = r"""
dest:
  description:
    - The directory.
  returned: success
  type: str
  sample: /var/tmp/app
diff_id:
  description:
    - The diff_id of the layer.
  returned: success
  type: str
  sample: sha256:0e5d509e4f80ea2aee1e5fe56e4874aa85d9198f016bbe798f43938d234c13b6
applied:
  description:
    - The diff_ids of all layers that this module has applied to the directory, in order.
  returned: success
  type: list
  elements: str
  sample:
    - sha256:0e5d509e4f80ea2aee1e5fe56e4874aa85d9198f016bbe798f43938d234c13b6
stats:
  description:
    - Statistics of the task.
  returned: success
  type: dict
  contains:
    entries:
      description:
        - The number of entries in the layer, V(0) if nothing was applied.
      type: int
      sample: 7
    bytes:
      description:
        - The decompressed size of the layer in bytes, V(0) if nothing was applied.
      type: int
      sample: 10240
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._base.text import path_text
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.layer.apply import ensure_applied
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import local_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import TREE, merge
from ansible_collections.attested.registry.plugins.module_utils._module.options.tree_options import TreeOptions
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "src": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "diff_id": {"type": "str", "required": True},
    "media_type": {"type": "str"},
    "force": {"type": "bool", "default": False},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Apply the layer and return the results of the module."""
    params = module.params
    diff_id = Digest.parse(params["diff_id"])
    done = ensure_applied(
        params["dest"],
        params["src"],
        diff_id,
        media_type=params["media_type"],
        options=TreeOptions.of(params),
        force=params["force"],
        lock_timeout=params["lock_timeout"],
        check=module.check_mode,
        warn=module.warn,
    )
    before, after = ([str(digest) for digest in digests] for digests in (done.before, done.after))
    return {
        "changed": done.changed,
        "dest": path_text(params["dest"]),
        "diff_id": str(diff_id),
        "applied": after,
        "stats": {"entries": done.entries, "bytes": done.bytes},
        "diff": {"before": {"applied": before}, "after": {"applied": after}},
    }


def main() -> t.NoReturn:
    """Run the module."""
    module = local_module(merge(TREE, OPTIONS))
    with reported_errors(module, doing=f"applying a layer to {module.params['dest']}"):
        results = run(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
