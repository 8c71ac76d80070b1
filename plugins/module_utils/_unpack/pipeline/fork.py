# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Run a function in a forked process.

layers.py, writer_process.py and _module/image/child_result.py call this.
"""

from __future__ import annotations

import os
import threading
import typing as t


def is_worth_it() -> bool:
    """Return whether a forked process is faster and safe: there is a second core, and this process has one thread.

    With more threads the child would inherit their locks in whatever state they are.
    """
    return threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1


def fork(run: t.Callable[[], None]) -> int:
    """Call run in a forked process, which ends when run returns or raises; return the process id.

    Nothing of the parent is cleaned up, flushed or printed in the child. Raises OSError.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        run()
    finally:
        os._exit(0)


def wait(pid: int) -> int | None:
    """Wait for the end of a process that fork() made; return its status.

    Return None if the kernel did not keep the status, because SIGCHLD was ignored by the process that started this one.
    """
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return None


__all__ = ("fork", "is_worth_it", "wait")
