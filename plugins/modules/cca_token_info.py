#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module cca_token_info: documentation and entry point; _module/cca_token.py runs the checks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cca_token_info
short_description: Show and verify an Arm CCA attestation token
version_added: 0.2.0
description:
  - Reads an attestation token of the Arm Confidential Compute Architecture (CCA), of either profile, returns all its
    claims, and runs checks on it.
  - A malformed token fails the task. A failed check does not fail the task; see RV(valid) and RV(checks).
  - The signature of the realm token, and the binding of the realm's key to the platform token, are always checked.
    These checks prove nothing by themselves, because anybody can generate such a token. Set O(trust_anchors) to check
    the signature of the platform too. Without it, RV(valid) is V(null); see O(allow_unauthenticated_evidence).
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
requirements:
  - cryptography >= 38.0.0
  - cbor2 >= 5.4.0
options:
  path:
    description:
      - The file on the target host that holds the token.
      - Exactly one of O(path) and O(content) is required.
    type: path
    aliases:
      - src
  content:
    description:
      - The token in base64, of the standard or the URL-safe alphabet, with or without padding and line breaks.
    type: str
  challenge:
    description:
      - The realm challenge that the token must contain, 64 bytes in hexadecimal.
    type: str
  trust_anchors:
    description:
      - Files with public keys of platforms (CPAK). One of the keys must have signed the platform token.
      - Each file is in PEM, a JSON Web Key or a JSON Web Key Set, a COSE_Key, or an uncompressed point as in SEC 1.
      - An empty list fails the task.
    type: list
    elements: path
  allow_unauthenticated_evidence:
    description:
      - Whether RV(valid) may be V(true) although the signature of the platform was not checked. Anybody can generate
        such a token, so the task emits a warning.
      - Has no effect with O(trust_anchors).
    type: bool
    default: false
    version_added: 0.3.0
  reference_values:
    description:
      - Files with reference values. The measurements of the realm must match one of them.
      - The files are JSON documents with C(realm.reference-values), which holds C(rim), C(rems) and C(hash-algo).
      - No realm matches an empty list.
    type: list
    elements: path
  lifecycle:
    description:
      - The accepted lifecycle states of the platform.
    type: list
    elements: str
    choices:
      - unknown
      - assembly_and_test
      - platform_rot_provisioning
      - secured
      - non_platform_rot_debug
      - recoverable_platform_rot_debug
      - decommissioned
    default:
      - secured
"""

EXAMPLES = r"""
- name: Show the claims of a token
  attested.registry.cca_token_info:
    path: /var/tmp/token.bin
  register: shown

- name: Verify the platform signature and the measurements of a token
  attested.registry.cca_token_info:
    path: /var/tmp/token.bin
    trust_anchors:
      - /etc/attested/cpak.pem
    reference_values:
      - /etc/attested/app.json
  register: checked
  failed_when: checked is failed or not checked.valid

- name: Show only the realm initial measurement (RIM)
  attested.registry.cca_token_info:
    path: /var/tmp/token.bin
    query: token.realm.rim
"""

RETURN = r"""
token:
  description:
    - The claims of the token. Byte strings are in hexadecimal.
  returned: success, unless O(query) is given
  type: dict
  contains:
    digest:
      description:
        - The digest of the token.
      type: str
      sample: sha256:0e5d509e4f80ea2aee1e5fe56e4874aa85d9198f016bbe798f43938d234c13b6
    size:
      description:
        - The size of the token in bytes.
      type: int
      sample: 1086
    simulated:
      description:
        - Whether the token declares itself as that of a simulated realm. A forged token may lack the declaration.
      type: bool
      sample: false
    platform:
      description:
        - The claims of the platform, with C(signature_algorithm), C(lifecycle_state) and C(unknown_claims), which are
          the labels of claims that the module does not know and ignores.
      type: dict
      sample: {"lifecycle": 12288, "lifecycle_state": "secured", "signature_algorithm": "ES384"}
    realm:
      description:
        - The claims of the realm, with C(signature_algorithm) and C(unknown_claims). C(rim) is the initial measurement,
          C(rems) are the four extensible measurements.
      type: dict
      sample: {"hash_algorithm": "sha-256", "signature_algorithm": "ES384"}
checks:
  description:
    - The outcome of each check. C(passed) is V(null) if the check was not requested. C(reason) explains the outcome.
  returned: success, unless O(query) is given
  type: dict
  contains:
    realm_signature:
      description:
        - Whether the realm token is signed with the key that it contains.
      type: dict
      sample: {"passed": true, "reason": "the realm token is signed with the key that it contains"}
    key_binding:
      description:
        - Whether the challenge of the platform token is the hash of the realm's key.
      type: dict
      sample: {"passed": true, "reason": "the platform token is bound to the key of the realm"}
    challenge:
      description:
        - Whether the token contains O(challenge).
      type: dict
      sample: {"passed": null, "reason": "not requested (challenge)"}
    platform_signature:
      description:
        - Whether the platform token is signed with one of the O(trust_anchors).
      type: dict
      sample: {"passed": null, "reason": "not requested (trust_anchors)"}
    lifecycle:
      description:
        - Whether the lifecycle state of the platform is one of O(lifecycle).
      type: dict
      sample: {"passed": true, "reason": "the platform is in the state secured"}
    reference_values:
      description:
        - Whether the measurements of the realm match one of the O(reference_values).
      type: dict
      sample: {"passed": null, "reason": "not requested (reference_values)"}
valid:
  description:
    - V(true) if all requested checks passed, V(false) if one failed.
    - V(null) if no check failed but the signature of the platform was not checked, because O(trust_anchors) is not
      set. The origin of the token is then unknown. With O(allow_unauthenticated_evidence=true), it is V(true) in that
      case.
  returned: success, unless O(query) is given
  type: bool
  sample: true
query_result:
  description:
    - The outcome of O(query). The other return values are then omitted.
  returned: if O(query) is given
  type: raw
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.attested.registry.plugins.module_utils._base.crypto import require_cryptography
from ansible_collections.attested.registry.plugins.module_utils._module.cca_token import (
    describe,
    is_valid,
    run_checks,
    token_bytes,
)
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import QUERY, merge
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cbor import require_cbor2
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.lifecycle import LIFECYCLE_STATES

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import Options
    from ansible_collections.attested.registry.plugins.module_utils._module.query import Results

OPTIONS: t.Final[Options] = {
    "path": {"type": "path", "aliases": ["src"]},
    "content": {"type": "str"},
    "challenge": {"type": "str"},
    "trust_anchors": {"type": "list", "elements": "path"},
    "allow_unauthenticated_evidence": {"type": "bool", "default": False},
    "reference_values": {"type": "list", "elements": "path"},
    "lifecycle": {"type": "list", "elements": "str", "choices": list(LIFECYCLE_STATES), "default": ["secured"]},
}


def run(module: AnsibleModule) -> Results:
    """Verify the token and return the results of the module."""
    query = Query(module, module.params["query"])
    require_cryptography()
    require_cbor2()
    data = token_bytes(module.params)
    token = parse_token(data)
    checks = run_checks(token, module.params)
    valid = is_valid(checks, unauthenticated=module.params["allow_unauthenticated_evidence"])
    if checks["platform_signature"]["passed"] is None:
        module.warn(
            "The signature of the platform was not checked, because trust_anchors is not set: anybody can generate "
            "such a token."
        )
    return query.apply_to({"token": describe(token, size=len(data)), "checks": checks, "valid": valid})


def main() -> t.NoReturn:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=merge(QUERY, OPTIONS),
        required_one_of=[("path", "content")],
        mutually_exclusive=[("path", "content")],
        supports_check_mode=True,
    )
    with reported_errors(module, doing="reading a CCA token"):
        results = run(module)
    module.exit_json(changed=False, **results)


if __name__ == "__main__":
    main()
