# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A callback that kills ansible-playbook at the beginning of the task that the environment variable KILLED_AT names."""

from __future__ import annotations

DOCUMENTATION = """
name: killed_at
type: aggregate
short_description: Kill ansible-playbook at the beginning of a task
description:
  - Kills ansible-playbook with SIGKILL at the beginning of the task whose name is in E(KILLED_AT).
"""

import os
import signal
import typing as t

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """The callback."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "killed_at"

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Kill this process at the task."""
        name = os.environ.get("KILLED_AT")
        if name and task.get_name().endswith(f" : {name}"):
            os.kill(os.getpid(), signal.SIGKILL)
