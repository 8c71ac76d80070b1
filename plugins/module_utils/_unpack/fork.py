# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import os
import threading
import typing as t


def is_worth_it() -> bool:
    """Tells whether a process of its own is faster, and safe: there is another core for it, and there are no threads,
    whose locks it would inherit as they are at that moment."""
    return threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1


def fork(run: t.Callable[[], None]) -> int:
    """Calls run in a process of its own, which ends with it, whatever run raises; returns the process id.

    Nothing of the parent's is cleaned up, flushed or printed in that process. Raises OSError.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        run()
    finally:
        os._exit(0)


def wait(pid: int) -> int | None:
    """Waits for the end of a process that fork() made; returns its status, None if the kernel did not keep that, as
    where whoever started this process ignores SIGCHLD."""
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return None


__all__ = ("fork", "is_worth_it", "wait")
