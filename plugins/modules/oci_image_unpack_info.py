#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_image_unpack_info: documentation and entry point; _module/image/info.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_image_unpack_info
short_description: Show which images are unpacked on a host
version_added: 0.3.0
description:
  - Returns what M(attested.registry.oci_image_unpack) keeps about its trees, such as the image with its digests and
    tag, the time of the unpack, and the earlier trees that it can roll back to. On request, it compares the trees with
    what was unpacked.
  - The module asks no registry, changes nothing on the host, and waits for no other task.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.query
  - attested.registry.attributes
  - attested.registry.attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  dest:
    description:
      - The directories to look at, as given to O(attested.registry.oci_image_unpack#module:dest).
      - This or O(below) is required.
    type: list
    elements: path
  below:
    description:
      - Look at all trees that are directly in this directory, with those that are missing although they were unpacked.
      - Trees that were unpacked with O(attested.registry.oci_image_unpack#module:state_dir) are not found, because
        nothing beside them tells that they are trees. Name them with O(dest) and O(state_dir).
    type: path
  state_dir:
    description:
      - The state directory, as given to O(attested.registry.oci_image_unpack#module:state_dir). Needs exactly one
        directory in O(dest), and no O(below).
    type: path
  drift:
    description:
      - Whether and how to look for changes that were made to the trees after they were unpacked, as with
        O(attested.registry.oci_image_unpack#module:drift).
      - V(metadata) compares names, types, sizes, modes, owners and modification times. V(content) also reads all files,
        and needs trees that were unpacked with O(attested.registry.oci_image_unpack#module:drift=content).
    type: str
    choices:
      - none
      - metadata
      - content
    default: none
notes:
  - A tree that is missing or cannot be read does not make the task fail. Check RV(trees[].exists) and
    RV(trees[].problem) for that.
  - Only root and the user who unpacked a tree can read what is known about it.
seealso:
  - module: attested.registry.oci_image_unpack
"""

EXAMPLES = r"""
- name: Look at all trees in a directory
  attested.registry.oci_image_unpack_info:
    below: /srv
  register: unpacked

- name: Print the image of each
  ansible.builtin.debug:
    msg: "{{ item.dest }}: {{ item.image.repository }}:{{ item.image.tag }} since {{ item.unpacked }}"
  loop: "{{ unpacked.trees | selectattr('image') }}"
  loop_control:
    label: "{{ item.dest }}"

- name: Fail if files of a tree were changed
  attested.registry.oci_image_unpack_info:
    dest: [/srv/app]
    drift: metadata
  register: compared
  failed_when: compared.trees | selectattr("drift_total") | list

- name: Look at a tree whose state is elsewhere
  attested.registry.oci_image_unpack_info:
    dest: [/var/lib/extensions/tools]
    state_dir: /var/lib/oci-state/tools

- name: Find the digests in use
  attested.registry.oci_image_unpack_info:
    below: /srv
    query: trees[].image.digest
  register: digests
"""

RETURN = r"""
trees:
  description:
    - The trees of O(dest) in its order, then those in O(below), sorted by path.
  returned: success, unless O(query) is given
  type: list
  elements: dict
  contains:
    dest:
      description:
        - The directory of the tree.
      type: str
      sample: /srv/app
    exists:
      description:
        - Whether there is a directory.
      type: bool
      sample: true
    managed:
      description:
        - Whether M(attested.registry.oci_image_unpack) keeps this tree. V(false) for a directory that it did not make.
      type: bool
      sample: true
    locked:
      description:
        - Whether another task changes the tree at this moment. All that follows is then unknown.
      type: bool
      sample: false
    problem:
      description:
        - Why nothing, or not all, can be told about the tree, in one sentence. V(null) if there is no problem.
      type: str
      sample: null
    image:
      description:
        - The image of the tree, with the keys of RV(attested.registry.oci_image_unpack#module:image). V(null) if it is
          unknown.
      type: dict
      sample:
        registry: registry.example.com
        repository: team/app
        tag: "1.0"
        digest: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
    unpacked:
      description:
        - When the tree was unpacked, in UTC. V(null) if it is unknown.
      type: str
      sample: "2026-01-31T12:00:00Z"
    options:
      description:
        - The values of C(ownership), C(xattrs), C(devices), C(include), C(exclude), C(strip), C(mount_points) and
          C(mount_files) that the tree was unpacked with. V(null) if they are unknown.
      type: dict
      sample:
        ownership: true
        xattrs: keep
        devices: skip
        include: []
        exclude: []
        strip: ""
        mount_points: [/dev, /proc, /sys]
        mount_files: []
    signature:
      description:
        - What was verified of the signatures of the image, V(null) if nothing was.
      type: dict
      sample: null
    generation:
      description:
        - The number of the tree, V(null) if RV(trees[].managed) is false.
      type: int
      sample: 3
    rolled_back_from:
      description:
        - The number of the tree that was there before a roll-back, V(null) if the last change was no roll-back.
      type: int
      sample: null
    generations:
      description:
        - The earlier trees that are kept, in the order in which they would be rolled back to.
      type: list
      elements: dict
      contains:
        generation:
          description:
            - The number of the tree.
          type: int
          sample: 2
        repository:
          description:
            - The repository of its image, V(null) if it is unknown.
          type: str
          sample: team/app
        tag:
          description:
            - The tag of its image, V(null) if only a digest was given.
          type: str
          sample: "0.9"
        digest:
          description:
            - The digest of the manifest, V(null) if it is unknown.
          type: str
          sample: sha256:5d20c808ce198565ff70b3ed23a991dd49afac45dece63474b27ce6ed036adc6
        unpacked:
          description:
            - When the tree was unpacked, in UTC. V(null) if it is unknown.
          type: str
          sample: "2026-01-30T12:00:00Z"
        foreign:
          description:
            - Whether this is what was at the directory before the first unpack.
          type: bool
          sample: false
        drifted:
          description:
            - Whether the tree had been changed when another one took its place. It is never rolled back to.
          type: bool
          sample: false
        problem:
          description:
            - Why nothing is known about the tree. V(null) if there is no problem.
          type: str
          sample: null
    drift:
      description:
        - The changes made to the tree since it was unpacked, as detected by O(drift), with the keys of
          RV(attested.registry.oci_image_unpack#module:drift). At most 100 paths are listed.
      type: list
      elements: dict
      sample: []
    drift_total:
      description:
        - The number of changed paths. V(null) with O(drift=none), and if the tree could not be compared.
      type: int
      sample: 0
query_result:
  description:
    - The outcome of O(query). The other return values are then omitted.
  returned: if O(query) is given
  type: raw
  sample: [sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611]
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.image.info import InfoOptions, describe_trees
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import local_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import QUERY
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    **QUERY,
    "dest": {"type": "list", "elements": "path"},
    "below": {"type": "path"},
    "state_dir": {"type": "path"},
    "drift": {"type": "str", "choices": ["none", "metadata", "content"], "default": "none"},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = local_module(OPTIONS, required_one_of=[("dest", "below")])
    params = module.params
    options = InfoOptions(tuple(params["dest"] or ()), params["below"], params["drift"], params["state_dir"])
    with reported_errors(module, doing="looking for unpacked images"):
        query = Query(module, params["query"])
        results = query.apply_to({"trees": describe_trees(options, warn=module.warn)})
    module.exit_json(changed=False, **results)


if __name__ == "__main__":
    main()
