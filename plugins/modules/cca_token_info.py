#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cca_token_info
short_description: Shows and checks an Arm CCA attestation token
version_added: 0.2.0
description:
  - Reads an attestation token of the Arm Confidential Compute Architecture (CCA), of either profile, shows all that it
    says, and checks it.
  - A token that is malformed fails the task. A check that does not pass does not; see RV(valid) and RV(checks).
  - That the realm has signed its token and that the platform vouches for the key of the realm is always checked. It
    proves nothing by itself, as anybody can make such a token; give O(trust_anchors) to check the signature of the
    platform too. Without it RV(valid) is V(null), see O(allow_unauthenticated_evidence).
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
options:
  path:
    description:
      - The file on the host that holds the token.
      - Exactly one of O(path) and O(content) has to be given.
    type: path
    aliases:
      - src
  content:
    description:
      - The token in base64 text, of either alphabet, with or without padding and line ends.
    type: str
  challenge:
    description:
      - The realm challenge that the token should have been made for, 64 bytes in hexadecimal.
    type: str
  trust_anchors:
    description:
      - Files with public keys of platforms (CPAK), one of which should have signed the platform token.
      - PEM, a JSON Web Key or a set of them, a COSE_Key, or the bare point as SEC 1 has it.
      - An empty list fails the task.
    type: list
    elements: path
  allow_unauthenticated_evidence:
    description:
      - Whether RV(valid) may be V(true) although the signature of the platform was not checked, as anybody can make
        such a token. The result then carries a warning.
      - Has no effect with O(trust_anchors).
    type: bool
    default: false
    version_added: 0.3.0
  reference_values:
    description:
      - Files with reference values, one of which the measurements of the realm should match.
      - They are JSON documents with C(realm.reference-values), which holds C(rim), C(rems) and C(hash-algo).
      - No realm matches an empty list.
    type: list
    elements: path
  lifecycle:
    description:
      - The states that the platform may be in.
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
- name: Show what a token says
  attested.registry.cca_token_info:
    path: /var/tmp/token.bin
  register: shown

- name: Check everything about it
  attested.registry.cca_token_info:
    path: /var/tmp/token.bin
    trust_anchors:
      - /etc/attested/cpak.pem
    reference_values:
      - /etc/attested/app.json
  register: checked
  failed_when: checked is failed or not checked.valid

- name: Show only the initial measurement
  attested.registry.cca_token_info:
    path: /var/tmp/token.bin
    query: token.realm.rim
"""

RETURN = r"""
token:
  description:
    - What the token says. All bytes are in hexadecimal.
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
        - The bytes of the token.
      type: int
      sample: 1086
    simulated:
      description:
        - Whether it says that it is of a simulated realm. A forged token need not say so.
      type: bool
      sample: false
    platform:
      description:
        - The claims of the platform, with C(signature_algorithm), C(lifecycle_state) and C(unknown_claims), the labels
          of the claims that are not known and were ignored.
      type: dict
      sample: {"lifecycle": 12288, "lifecycle_state": "secured", "signature_algorithm": "ES384"}
    realm:
      description:
        - The claims of the realm, with C(signature_algorithm) and C(unknown_claims). C(rim) is the initial measurement,
          C(rems) are the four extensible ones.
      type: dict
      sample: {"hash_algorithm": "sha-256", "signature_algorithm": "ES384"}
checks:
  description:
    - The outcome of each check. C(passed) is V(null) if the check was not asked for; C(reason) says why it came out so.
  returned: success, unless O(query) is given
  type: dict
  contains:
    realm_signature:
      description:
        - Whether the realm token is signed with the key that it holds.
      type: dict
      sample: {"passed": true, "reason": "the realm token is signed with the key that it holds"}
    key_binding:
      description:
        - Whether the platform token is for the key of the realm.
      type: dict
      sample: {"passed": true, "reason": "the platform token is for the key of the realm"}
    challenge:
      description:
        - Whether the token is for O(challenge).
      type: dict
      sample: {"passed": null, "reason": "not asked for (challenge)"}
    platform_signature:
      description:
        - Whether the platform token is signed with one of O(trust_anchors).
      type: dict
      sample: {"passed": null, "reason": "not asked for (trust_anchors)"}
    lifecycle:
      description:
        - Whether the platform is in a state of O(lifecycle).
      type: dict
      sample: {"passed": true, "reason": "the platform is in the state secured"}
    reference_values:
      description:
        - Whether the realm measures what one of O(reference_values) says.
      type: dict
      sample: {"passed": null, "reason": "not asked for (reference_values)"}
valid:
  description:
    - Whether every check passed that was asked for; V(false) as soon as one did not.
    - V(null) if no check failed but the signature of the platform was not checked, because O(trust_anchors) is not
      given. The origin of the token is then unknown. With O(allow_unauthenticated_evidence=true) it is V(true) in that
      case.
  returned: success, unless O(query) is given
  type: bool
  sample: true
query_result:
  description:
    - What O(query) makes of the values that the module returns. They are left out then.
  returned: if O(query) is given
  type: raw
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.attested.registry.plugins.module_utils._module.argument_spec import QUERY, merge
from ansible_collections.attested.registry.plugins.module_utils._module.cca_token import (
    describe,
    is_valid,
    run_checks,
    token_bytes,
)
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query
from ansible_collections.attested.registry.plugins.module_utils._ratls.crypto import require_cryptography
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.lifecycle import LIFECYCLE_STATES

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._module.argument_spec import Options
    from ansible_collections.attested.registry.plugins.module_utils._module.query import Results

OPTIONS: Options = {
    "path": {"type": "path", "aliases": ["src"]},
    "content": {"type": "str"},
    "challenge": {"type": "str"},
    "trust_anchors": {"type": "list", "elements": "path"},
    "allow_unauthenticated_evidence": {"type": "bool", "default": False},
    "reference_values": {"type": "list", "elements": "path"},
    "lifecycle": {"type": "list", "elements": "str", "choices": list(LIFECYCLE_STATES), "default": ["secured"]},
}


def run(module: AnsibleModule) -> Results:
    """Returns what the module returns."""
    query = Query(module, module.params["query"])
    require_cryptography()
    data = token_bytes(module.params)
    token = parse_token(data)
    checks = run_checks(token, module.params)
    valid = is_valid(checks, unauthenticated=module.params["allow_unauthenticated_evidence"])
    if checks["platform_signature"]["passed"] is None:
        module.warn(
            "The signature of the platform was not checked (trust_anchors), so anybody could have made this token."
        )
    return query.apply_to({"token": describe(token, size=len(data)), "checks": checks, "valid": valid})


def main() -> t.NoReturn:
    """Runs the module."""
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
