# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The base of the action plugins: each runs the module of its name, as ansible.builtin.normal does.

Used by progress.py and probe.py.
"""

from __future__ import annotations

import typing as t

from ansible.plugins.action.normal import ActionModule as NormalAction

Results = dict[str, t.Any]


class ModuleAction(NormalAction):
    """Runs the module of the same name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        """Run the module and return its results. Raises what ansible.builtin.normal raises."""
        results: Results = super().run(tmp, task_vars)  # type: ignore[no-untyped-call]
        return results

    def run_before(self, module: str, task_vars: dict[str, t.Any] | None) -> Results:
        """Run another module with the options of the task, on its host and as its user, and return the results.

        Either run() or end() must be called afterwards. Raises what ansible.builtin.normal raises.
        """
        options = dict(self._task.args)  # Ansible adds its own
        results: Results = self._execute_module(module_name=module, module_args=options, task_vars=task_vars)
        return results

    def end(self) -> None:
        """Remove the temporary directory on the host, which run() does otherwise."""
        self._remove_tmp_path(self._connection._shell.tmpdir)  # type: ignore[no-untyped-call]


__all__ = ("ModuleAction", "Results")
