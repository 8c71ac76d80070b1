# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Forking of child processes that run a part of the server. Called by loader.py and fleet.py."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import typing as t

from .errors import ServerError

_LOG: t.Final = logging.getLogger("attested.registry")
_HANDLED: t.Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_OF_PARENT: t.Final = (signal.SIGTERM, signal.SIGINT)
_STANDARD_FDS: t.Final = (0, 1, 2)


def fork(run: t.Callable[[], int], *, keep: t.Iterable[int]) -> int:
    """Call run in a child process and return the process ID of the child. Raises OSError.

    This process must have no threads. The child has the default signal handlers, and ignores SIGINT and SIGTERM:
    terminals and service managers send these to all processes, and the parent decides when its children end. The child
    keeps only the standard descriptors and those in keep. Must be called outside of asyncio tasks, because the child
    could not run tasks of its own otherwise.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # until the child has its own handlers, a signal would reach the event loop of the parent through a shared socket
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            _run_child(run, keep, before)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_child(run: t.Callable[[], int], keep: t.Iterable[int], mask: t.Iterable[int]) -> t.NoReturn:
    code = 1
    try:
        asyncio._set_running_loop(None)
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_IGN if number in _OF_PARENT else signal.SIG_DFL)
        _release_descriptors({*keep, *_STANDARD_FDS})
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = run()
    except ServerError as exc:
        _LOG.error("%s", exc.message)
        code = exc.exit_code
    except BaseException:
        _LOG.critical("a process of the server failed", exc_info=True)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _release_descriptors(keep: set[int]) -> None:
    """Release the inherited descriptors, above all connections of the parent.

    They are redirected to /dev/null, not closed: inherited objects close them again later, when their numbers could
    belong to other files.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd not in keep and fd != nothing:
            _redirect(nothing, fd)


def _redirect(nothing: int, fd: int) -> None:
    try:
        os.fstat(fd)
    except OSError:
        # the descriptor of the listing itself, which is closed by now
        return
    os.dup2(nothing, fd, inheritable=False)


def ending(status: int) -> str:
    """Describe the status from os.waitpid in words."""
    if os.WIFSIGNALED(status):
        return f"was killed by signal {os.WTERMSIG(status)}"
    return f"exited with code {os.WEXITSTATUS(status)}"


async def outside_of_tasks(function: t.Callable[[], t.Any]) -> t.Any:
    """Call a function from the event loop, outside of any task, and return its result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[t.Any] = loop.create_future()

    def call() -> None:
        try:
            result = function()
        except Exception as exc:
            future.set_exception(exc)
        else:
            future.set_result(result)

    loop.call_soon(call)
    return await asyncio.shield(future)


__all__ = ("ending", "fork", "outside_of_tasks")
