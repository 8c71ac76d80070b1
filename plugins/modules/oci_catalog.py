#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_catalog: documentation and entry point; Registry.catalog() does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_catalog
short_description: List the repositories of a registry
version_added: 0.3.0
description:
  - Lists the repositories of a registry. If the registry returns the list in pages, all pages are fetched.
  - A registry lists only the repositories that the credentials may see. Many public registries, Docker Hub included,
    list none. If a registry has no catalog, or issues no token for it, the task fails with the error kind
    C(unsupported).
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
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
  n:
    description:
      - Maximum number of repositories to request. If not set, all repositories are listed.
      - The limit applies to the repositories that the registry lists, before O(pattern) is applied.
    type: int
  last:
    description:
      - List only the repositories that come after this one in the order of the registry. Use RV(last) of an earlier
        task.
      - If the registry ignores this parameter, the module lists all repositories and drops those up to and including
        this one.
    type: str
  pattern:
    description:
      - Return only the repositories that match this pattern.
    type: str
  pattern_type:
    description:
      - The syntax of O(pattern).
      - V(fnmatch) is a shell pattern (C(*), C(?), C([...])). It must match the whole name of the repository, in which
        C(*) also matches slashes.
      - V(regex) is a Python regular expression, which may match any part of the name.
    type: str
    choices:
      - fnmatch
      - regex
    default: fnmatch
seealso:
  - module: attested.registry.oci_tags
"""

EXAMPLES = r"""
- name: List all repositories of the registry on this host
  attested.registry.oci_catalog:
    registry: localhost:1337
  register: all

- name: List the repositories of a team
  attested.registry.oci_catalog:
    registry: registry.example.com
    pattern: team/*
    username: reader
    password: "{{ registry_password }}"
  register: of_team

- name: List the tags of each of them
  attested.registry.oci_tags:
    registry: registry.example.com
    repository: "{{ item }}"
    username: reader
    password: "{{ registry_password }}"
  loop: "{{ of_team.repositories }}"
"""

RETURN = r"""
repositories:
  description:
    - The repositories in the order of the registry. If the registry returns them unordered, and O(n) and O(last) are
      not set, they are sorted.
  returned: success, unless O(query) is given
  type: list
  elements: str
  sample: [com.example.app, com.example.greeter]
count:
  description:
    - The number of RV(repositories).
  returned: success, unless O(query) is given
  type: int
  sample: 2
last:
  description:
    - The last repository that the registry listed, whether or not it matches O(pattern). Pass it as O(last) to the next
      task.
    - V(null) if the list is complete.
  returned: success, unless O(query) is given
  type: str
  sample: com.example.app
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
    - What O(query) makes of the values that the module returns. They are left out then.
  returned: if O(query) is given
  type: raw
  sample: com.example.app
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.pattern import NamePattern
from ansible_collections.attested.registry.plugins.module_utils._module.options.ranges import check_minimum
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import LISTING, QUERY
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query
from ansible_collections.attested.registry.plugins.module_utils._module.registry.attestation import attestation_results
from ansible_collections.attested.registry.plugins.module_utils._module.registry.connection import opened_source

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.attested.registry.plugins.module_utils._module.query import Results


def run(module: AnsibleModule) -> Results:
    """List the repositories and return the results of the module."""
    params = module.params
    check_minimum(params, 1, "n")
    query = Query(module, params["query"])
    pattern = NamePattern(params["pattern"], kind=params["pattern_type"])
    with opened_source(module) as source:
        found = source.catalog(n=params["n"], last=params["last"])
        attested = attestation_results(source)
    names = pattern.select(found.names, what="repositories", warn=module.warn)
    return query.apply_to({"repositories": names, "count": len(names), "last": found.last, **attested})


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(LISTING, QUERY)
    with reported_errors(module, doing="listing repositories"):
        results = run(module)
    module.exit_json(changed=False, **results)


if __name__ == "__main__":
    main()
