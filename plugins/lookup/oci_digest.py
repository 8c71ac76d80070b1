# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup plugin oci_digest: documentation and entry point; Registry.look_up() asks the registry."""

from __future__ import annotations

DOCUMENTATION = r"""
name: oci_digest
short_description: Look up the digest of an image in a registry
version_added: 0.3.0
author:
  - attested.registry contributors (@attested-registry)
description:
  - Asks a registry for the digest that a tag leads to, by a C(HEAD) request from the controller. Registries that limit
    pulls do not count such a request as one.
  - The digest is the one that the registry states, and it is not verified. The modules verify what they pull by it.
  - The lookups of one loop share one connection. The libraries, files and environment variables that an option names
    are those of the controller.
extends_documentation_fragment:
  - attested.registry.registry
options:
  _terms:
    description:
      - The images, as C(quay.io/org/app:1.0), or as C(org/app:1.0) in O(registry). Without a tag or digest, the tag is
        V(latest).
    type: list
    elements: str
    required: true
  registry:
    description:
      - The registry of all terms, as C(host), C(host:port) or C(host:port/prefix). If set, the terms have no host.
      - If not set, a term without a host is an image of Docker Hub, as for C(docker) and C(podman).
    type: str
    default: ~
  pinned:
    description:
      - Whether to return C(registry/repository@digest), which the O(attested.registry.oci_image_unpack#module:image)
        option of the modules accepts, in place of the digest alone.
    type: bool
    default: false
seealso:
  - module: attested.registry.oci_manifest
"""

EXAMPLES = r"""
- name: Show the digest of a tag
  ansible.builtin.debug:
    msg: "{{ lookup('attested.registry.oci_digest', 'localhost:1337/com.example.greeter:1.0') }}"

- name: Unpack on all hosts what the tag leads to now
  attested.registry.oci_image_unpack:
    image: "{{ app }}"
    dest: /var/lib/machines/app
  vars:
    app: "{{ lookup('attested.registry.oci_digest', 'localhost:1337/com.example.app:stable', pinned=true) }}"
"""

RETURN = r"""
_raw:
  description:
    - The digest of each image or, with O(pinned=true), its name with the digest.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.attested.registry.plugins.module_utils._module.registry.lookups import (
    check_options,
    named_source,
    reported_errors,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import DEFAULT_TAG, Selector

OPTIONS: t.Final[dict[str, t.Any]] = {"pinned": {"type": "bool", "default": False}}


class LookupModule(LookupBase):
    """The lookup plugin that ansible-core loads."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        """Return the digest of each term, as documented in RETURN. Raises AnsibleLookupError."""
        with reported_errors(AnsibleLookupError):
            params = check_options(kwargs, OPTIONS)
            return [self._look_up(term, params) for term in terms]

    def _look_up(self, term: str, params: dict[str, t.Any]) -> str:
        with named_source(term, params, warn=self._display.warning) as (source, name):
            tag = DEFAULT_TAG if name.tag is None and name.digest is None else name.tag
            digest = source.look_up(name.repository, Selector(tag, name.digest)).digest
            return f"{source.name}/{source.repository(name.repository)}@{digest}" if params["pinned"] else str(digest)
