#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_login: documentation and entry point; _module/login/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_login
short_description: Log in to a registry and out of it, for podman, skopeo, docker and this collection
version_added: 0.3.0
description:
  - Keeps the login to a registry in an auth file, as C(podman login) and C(docker login) write it. No other program is
    needed.
  - The registry is asked first whether it accepts the credentials, with all options of the connection, such as O(tls)
    and O(ca_path). If it does not, the task fails and the file stays as it is. O(mirrors) are not asked.
  - Everything else in the file stays byte for byte as it is, such as logins to other registries and settings of docker.
    The file has mode V(0600), or its own mode if that is stricter, and is replaced in one step.
  - If the file has a credential helper for the registry (C(credHelpers) or C(credsStore)), the credentials are stored
    with this helper, and not in the file.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry
  - attested.registry.attributes
  - attested.registry.attributes.files
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - Asks the registry and credential helpers, but writes nothing.
  diff_mode:
    support: full
    details:
      - Shows user names and whether the secret is new, but never a secret.
  idempotent:
    support: full
    details:
      - Unchanged if the entry, or the credential helper, has the same credentials.
  safe_file_operations:
    support: full
  platform:
    support: full
    platforms: posix
options:
  repository:
    description:
      - Log in only to this repository, or to all repositories below this name, for example V(team) or V(team/app). The
        login is used for them in place of that to the whole registry.
      - podman, skopeo and this collection know such logins, docker and credential helpers do not.
    type: str
  username:
    description:
      - The user name. Requires O(password).
    type: str
  password:
    description:
      - The password or access token of O(username).
    type: str
  identity_token:
    description:
      - An identity token (a refresh token of OAuth2), in place of O(username) and O(password).
    type: str
    version_added: 0.3.0
  token:
    description:
      - Not used. A bearer token expires within minutes, so a task that sets it fails.
    type: str
  helper:
    description:
      - The credential helper for this registry, without C(docker-credential-) in front, such as V(ecr-login) or
        V(pass). It is set in C(credHelpers) of the file.
      - With O(username) and O(password), or O(identity_token), they are stored with the helper. Without them, the
        helper must have credentials of its own.
    type: str
  format:
    description:
      - Whose file is written if O(auth_file) is not set, and how the registry is named in it.
      - V(podman) writes the file that C(podman login) of the user writes. That is the file named by
        E(REGISTRY_AUTH_FILE), or C(containers/auth.json) in E(XDG_RUNTIME_DIR). If neither variable is set, as under
        C(become), it is C(/run/containers/0/auth.json) for root and C(/run/user/UID/containers/auth.json) for others.
        What is below C(/run) is lost when the host is restarted. Set O(auth_file) to
        C(~/.config/containers/auth.json) for a login that stays.
      - V(docker) writes C(config.json) in E(DOCKER_CONFIG) or C(~/.docker), with docker's name of Docker Hub.
    type: str
    choices:
      - podman
      - docker
    default: podman
  auth_file:
    description:
      - The auth file to write. It is created, with missing directories above it, if it does not exist.
      - A symbolic link of root or of the user of the task is followed, and stays. One that another user can change is
        refused.
    type: path
    aliases:
      - authfile
  verify:
    description:
      - Whether to ask the registry if it accepts the credentials. With V(false), no request is sent.
    type: bool
    default: true
  state:
    description:
      - V(present) logs in.
      - V(absent) removes the entry of the registry, and asks the credential helper that has credentials for it to erase
        them. A helper for this registry alone is removed from C(credHelpers). No request is sent to the registry.
    type: str
    choices:
      - present
      - absent
    default: present
notes:
  - The user of the task logs in. With C(become), that is root.
  - C(podman login) and C(docker login) take no lock. If one of them runs at the same moment, one of the logins can be
    lost. Tasks wait for each other.
seealso:
  - module: attested.registry.oci_login_info
"""

EXAMPLES = r"""
- name: Log in
  attested.registry.oci_login:
    registry: registry.example.com
    username: reader
    password: "{{ registry_password }}"

- name: Log in for docker, to a registry with a private certificate authority
  attested.registry.oci_login:
    registry: registry.example.com:5000
    ca_path: /etc/ssl/registry-ca.pem
    username: reader
    password: "{{ registry_password }}"
    format: docker

- name: Log in to the repositories of one team, until logged out
  attested.registry.oci_login:
    registry: quay.io
    repository: team
    username: team+robot
    password: "{{ robot_token }}"
    auth_file: /root/.config/containers/auth.json

- name: Have a credential helper log in to Amazon ECR
  attested.registry.oci_login:
    registry: 123456789012.dkr.ecr.eu-central-1.amazonaws.com
    helper: ecr-login
    format: docker

- name: Log out
  attested.registry.oci_login:
    registry: registry.example.com
    state: absent
"""

RETURN = r"""
registry:
  description:
    - The registry, or the part of it, that the login is for.
  returned: success
  type: str
  sample: registry.example.com
auth_file:
  description:
    - The file with the login. If a symbolic link was followed, where it leads.
  returned: success
  type: str
  sample: /run/containers/0/auth.json
username:
  description:
    - The user name, V(null) if there is none.
  returned: success
  type: str
  sample: reader
kind:
  description:
    - V(password), V(identity_token), or V(helper) if a credential helper has the credentials. V(null) after
      O(state=absent).
  returned: success
  type: str
  sample: password
helper:
  description:
    - The credential helper for the registry, V(null) if there is none.
  returned: success
  type: str
  sample: pass
verified:
  description:
    - Whether the registry asked for the credentials and accepted them. If it did not ask, a warning says so.
  returned: success
  type: bool
  sample: true
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

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.login.run import run_login
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options

OPTIONS: t.Final[Options] = {
    "repository": {"type": "str"},
    "helper": {"type": "str"},
    "format": {"type": "str", "choices": ["podman", "docker"], "default": "podman"},
    "verify": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(
        OPTIONS, required_if=[("state", "present", ("username", "identity_token", "token", "helper"), True)]
    )
    with reported_errors(module, doing=f"logging in to {module.params['registry']}"):
        results = run_login(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
