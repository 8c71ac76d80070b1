#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_login_info: documentation and entry point; _module/login/info.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_login_info
short_description: Show the logins to registries on a host
version_added: 0.3.0
description:
  - Lists the logins in the auth files of podman, skopeo, finch and docker, with their user names, but without secrets.
  - The logins are in the order in which the other modules of this collection look for them, so of several logins to one
    registry the first is used.
  - Neither registries nor credential helpers are asked.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.attributes
  - attested.registry.attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  registry:
    description:
      - Show only the logins to this registry, as C(host) or C(host:port), and to parts of it.
    type: str
    aliases:
      - host
  auth_file:
    description:
      - Show the logins in this file. If not set, those in all default files of the user of the task are shown.
    type: path
    aliases:
      - authfile
seealso:
  - module: attested.registry.oci_login
"""

EXAMPLES = r"""
- name: Show the logins of root to a registry
  attested.registry.oci_login_info:
    registry: registry.example.com
  become: true
  register: found

- name: Log in unless there is a login
  attested.registry.oci_login:
    registry: registry.example.com
    username: reader
    password: "{{ registry_password }}"
  become: true
  when: found.logins | length == 0
"""

RETURN = r"""
logins:
  description:
    - The logins, those that are used first in front.
  returned: success
  type: list
  elements: dict
  contains:
    registry:
      description:
        - The registry, or the part of it, that the login is for, V(docker.io) for Docker Hub.
      type: str
      sample: registry.example.com
    username:
      description:
        - The user name, V(null) if the file has none.
      type: str
      sample: reader
    kind:
      description:
        - V(password), V(identity_token), V(token) for a bearer token, or V(helper) if a credential helper has the
          credentials. V(null) for an entry without credentials.
      type: str
      sample: password
    helper:
      description:
        - The credential helper for the registry, V(null) if there is none.
      type: str
      sample: pass
    auth_file:
      description:
        - The file with the login.
      type: str
      sample: /run/containers/0/auth.json
auth_files:
  description:
    - The files that were looked for, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description:
        - The path of the file.
      type: str
      sample: /root/.docker/config.json
    exists:
      description:
        - Whether the file exists.
      type: bool
      sample: true
    helper:
      description:
        - The credential helper for all registries without one of their own (C(credsStore)), V(null) if there is none.
      type: str
      sample: secretservice
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.login.info import list_logins
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import local_module

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "registry": {"type": "str", "aliases": ["host"]},
    "auth_file": {"type": "path", "aliases": ["authfile"]},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = local_module(OPTIONS)
    with reported_errors(module, doing="listing logins"):
        results = list_logins(module)
    module.exit_json(changed=False, **results)


if __name__ == "__main__":
    main()
