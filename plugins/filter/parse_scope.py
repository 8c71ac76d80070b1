# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter plugin parse_scope: documentation and entry point; _oci/scope.py parses the scopes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_scope
short_description: Parse the scope of a registry token
version_added: 0.3.0
author:
  - attested.registry contributors (@attested-registry)
description:
  - Parses a scope such as V(repository:team/app:pull,push), or several that are separated by spaces. Registries ask for
    scopes in their challenges (C(WWW-Authenticate)), and token services issue tokens for them.
  - The filter fails if the text is not a valid scope. It contacts no registry.
options:
  _input:
    description:
      - The scope or scopes.
    type: str
    required: true
seealso:
  - plugin: attested.registry.parse_reference
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Show what a token for this scope permits
  ansible.builtin.debug:
    # pull, push
    msg: "{{ ('repository:team/app:pull,push' | attested.registry.parse_scope | first).actions | join(', ') }}"
"""

RETURN = r"""
_value:
  description:
    - The scopes in their order.
  type: list
  elements: dict
  contains:
    type:
      description:
        - Type of the resource, such as V(repository) or V(registry).
      type: str
      returned: success
      sample: repository
    class:
      description:
        - Class of the resource, as in V(repository(plugin\):team/app:pull). V(none) if the scope has none.
      type: str
      returned: success
      sample: plugin
    name:
      description:
        - Name of the resource.
      type: str
      returned: success
      sample: team/app
    actions:
      description:
        - The actions, each of them once. V(*) stands for all actions.
      type: list
      elements: str
      returned: success
      sample: [pull, push]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.attested.registry.plugins.module_utils._oci.scope import ScopeInvalid, parse_scopes

if t.TYPE_CHECKING:
    from collections.abc import Callable


def parse_scope(value: str) -> list[dict[str, t.Any]]:
    """Return the scopes as documented in RETURN. Raises AnsibleFilterError if value is not a scope."""
    try:
        scopes = parse_scopes(value)
    except ScopeInvalid as exc:
        raise AnsibleFilterError(exc.message) from exc
    return [
        {"type": one.type, "class": one.resource_class, "name": one.name, "actions": list(one.actions)}
        for one in scopes
    ]


class FilterModule:
    """The filter plugin that ansible-core loads."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, t.Any]]]]:
        """Return the filters by name."""
        return {"parse_scope": parse_scope}
