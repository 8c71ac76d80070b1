# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup plugin oci_tags: documentation and entry point; Registry.tags() asks, _oci/version.py orders versions."""

from __future__ import annotations

DOCUMENTATION = r"""
name: oci_tags
short_description: Look up the tags of a repository in a registry
version_added: 0.3.0
author:
  - attested.registry contributors (@attested-registry)
description:
  - Lists the tags of repositories, or the newest of them by version, from the controller.
  - The lookups of one loop share one connection. The libraries, files and environment variables that an option names
    are those of the controller.
extends_documentation_fragment:
  - attested.registry.registry
options:
  _terms:
    description:
      - The repositories, as C(quay.io/org/app), or as C(org/app) in O(registry).
    type: list
    elements: str
    required: true
  registry:
    description:
      - The registry of all terms, as C(host), C(host:port) or C(host:port/prefix). If set, the terms have no host.
      - If not set, a term without a host is a repository of Docker Hub, as for C(docker) and C(podman).
    type: str
    default: ~
  newest:
    description:
      - Return this many tags of each repository, those with the highest versions, highest first. Numbers in a version
        compare as numbers, so V(1.10) is higher than V(1.9).
      - Without O(pattern), only tags that are a version number, such as V(1.2.3) or V(v1.2.3), count. Candidates such
        as V(2.0-rc1) and variants such as V(1.2-alpine) do not.
      - With O(pattern), all tags that match it and contain a number count. V(2.0-rc1) is lower than V(2.0).
    type: int
  pattern:
    description:
      - Return only the tags that match this pattern.
    type: str
  pattern_type:
    description:
      - The syntax of O(pattern).
      - V(fnmatch) is a shell pattern (C(*), C(?), C([...])). It is case-sensitive and must match the whole tag.
      - V(regex) is a Python regular expression, which may match any part of the tag.
    type: str
    choices:
      - fnmatch
      - regex
    default: fnmatch
seealso:
  - module: attested.registry.oci_tags
"""

EXAMPLES = r"""
- name: Show all tags
  ansible.builtin.debug:
    msg: "{{ query('attested.registry.oci_tags', 'localhost:1337/com.example.greeter') }}"

- name: Unpack the newest release of the first major version
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "{{ lookup('attested.registry.oci_tags', greeter, newest=1, pattern='1.*') }}"
    dest: /var/lib/machines/greeter
  vars:
    greeter: localhost:1337/com.example.greeter
"""

RETURN = r"""
_raw:
  description:
    - The tags of all repositories, in the order of the registry or, with O(newest), by version.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.attested.registry.plugins.module_utils._base.text import quote
from ansible_collections.attested.registry.plugins.module_utils._module.options.pattern import NamePattern
from ansible_collections.attested.registry.plugins.module_utils._module.options.ranges import check_minimum
from ansible_collections.attested.registry.plugins.module_utils._module.registry.lookups import (
    check_options,
    named_source,
    reported_errors,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.version import is_version, newest

OPTIONS: t.Final[dict[str, t.Any]] = {
    "newest": {"type": "int"},
    "pattern": {"type": "str"},
    "pattern_type": {"type": "str", "choices": ["fnmatch", "regex"], "default": "fnmatch"},
}


class LookupModule(LookupBase):
    """The lookup plugin that ansible-core loads."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        """Return the tags of all terms, as documented in RETURN. Raises AnsibleLookupError."""
        with reported_errors(AnsibleLookupError):
            params = check_options(kwargs, OPTIONS)
            check_minimum(params, 1, "newest")
            pattern = NamePattern(params["pattern"], kind=params["pattern_type"])
            return [tag for term in terms for tag in self._list(term, params, pattern)]

    def _list(self, term: str, params: dict[str, t.Any], pattern: NamePattern) -> list[str]:
        with named_source(term, params, warn=self._display.warning) as (source, name):
            if (name.tag, name.digest) != (None, None):
                raise ReferenceInvalid(f"The name {quote(term)} has a tag or a digest; give the repository alone.")
            found = source.tags(name.repository).names
        tags = pattern.select(found, what="tags", warn=self._display.warning)
        if params["newest"] is None:
            return tags
        return newest(tags if params["pattern"] else filter(is_version, tags), params["newest"])
