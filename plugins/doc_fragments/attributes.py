# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This doc fragment is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Documentation fragment: the attributes of the modules, such as check_mode; each module states its support."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of attributes."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description:
      - Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
      - This assumes that the system controlled or queried by the module has not changed in a relevant way.
  platform:
    description:
      - Target OS/families that can be operated against.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: full
    details:
      - This action does not modify state.
"""

    FILES = r"""
options: {}
attributes:
  safe_file_operations:
    description:
      - Uses Ansible's strict file operation functions to ensure proper permissions and avoid data corruption.
"""

    ACTION_PROGRESS = r"""
options: {}
attributes:
  action:
    description:
      - Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
    details:
      - The action plugin shows the progress. The module does everything else, and can be used without the plugin.
  async:
    description:
      - Supports being used with the C(async) keyword.
    support: full
    details:
      - An asynchronous task shows no progress.
"""

    ACTIONGROUP_REGISTRY = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/attested.registry.registry) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - attested.registry.registry
"""


__all__ = ("ModuleDocFragment",)
