# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options of a task as the user wrote them, before AnsibleModule fills in defaults and converts types.

Uses a private name of Ansible: `basic._load_params`, whose docstring offers it to modules. The only other one is the
method of AnsibleModule with that name, in argument_spec.py.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils import basic


def given_options() -> dict[str, t.Any]:
    """Return the options set by the task or module_defaults, under the names used there, without null values.

    Must be called after AnsibleModule has been constructed, because AnsibleModule has to read the options first.
    """
    params = basic._load_params()
    return {name: value for name, value in params.items() if value is not None and not name.startswith("_ansible_")}


__all__ = ("given_options",)
