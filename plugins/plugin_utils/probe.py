# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The action plugin of oci_image_unpack: it runs the module unless a probe tells that nothing would change.

The probe is the module oci_image_unpack_probe, which has a tenth of the code. Its results are those of
oci_image_unpack. All else that it may return, errors and warnings included, is dropped: the module decides then, as
without a probe.

The probe knows only what the last task has kept in a file. A command on the host tells whether there is one: that takes
20 ms, and the probe 350 ms, which the first unpack and tasks behind a login would pay for nothing.

Used by plugins/action/oci_image_unpack.py.
"""

from __future__ import annotations

import posixpath
import typing as t

from ..module_utils._destination.answer import ANSWER
from ..module_utils._module.image.probe import is_answerable
from .progress import ProgressAction

if t.TYPE_CHECKING:
    from .module_action import Results

PROBE: t.Final = "attested.registry.oci_image_unpack_probe"


class ProbeAction(ProgressAction):
    """Asks the probe, and runs the module of the same name if the probe has no answer."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        """Return the results of the probe or of the module. Raises what ansible.builtin.normal raises."""
        # an asynchronous task is left alone: Ansible would have to wait for the probe
        if not self._task.async_val and is_answerable(self._task.args) and self._may_answer():
            found = answer_in(self.run_before(PROBE, task_vars))
            if found is not None:
                self.end()
                return found
        return super().run(tmp, task_vars)

    def _may_answer(self) -> bool:
        """Tell whether the host has a file with an answer, or whether only the probe can tell where it would be."""
        parent, name = posixpath.split(str(self._task.args.get("dest", "")).rstrip("/"))
        state = str(self._task.args.get("state_dir") or posixpath.join(parent, f".{name}.oci"))
        path = posixpath.join(state, ANSWER)
        if not path.startswith("/") or "$" in path:
            return True
        command = f"test -e {self._connection._shell.quote(path)}"
        found = self._low_level_execute_command(command)  # type: ignore[no-untyped-call]
        return bool(found["rc"] == 0)


def answer_in(results: Results) -> Results | None:
    """Return the results of oci_image_unpack in those of the probe; None if there are none, or not these alone."""
    if results.get("unchanged") is not True or results.get("changed") is not False:
        return None
    if any(results.get(name) for name in ("failed", "warnings", "deprecations", "exception")):
        return None
    return {name: value for name, value in results.items() if name != "unchanged"}


__all__ = ("PROBE", "ProbeAction", "answer_in")
