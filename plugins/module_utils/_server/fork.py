# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

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
    """Run something in a child of this process, which must have no threads; gives the child's number. Raises OSError.

    The child has the default signal handlers, but for SIGINT and SIGTERM: terminals and service managers send them to
    all processes, and only the parent knows what to do. Of the open files it has only the standard ones and those to
    keep. To be called outside of asyncio's tasks, of which a child could not run its own.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # until the child has its own handlers, a signal would go to the parent's loop, through a socket that they share
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            _become(run, keep, before)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _become(run: t.Callable[[], int], keep: t.Iterable[int], mask: t.Iterable[int]) -> t.NoReturn:
    code = 1
    try:
        asyncio._set_running_loop(None)
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_IGN if number in _OF_PARENT else signal.SIG_DFL)
        _let_go({*keep, *_STANDARD_FDS})
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


def _let_go(keep: set[int]) -> None:
    """Give up the parent's open files, above all its connections.

    They are not closed but replaced: objects that this process has inherited would close them again later, when their
    numbers may stand for something else.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd not in keep and fd != nothing:
            _replace(nothing, fd)


def _replace(nothing: int, fd: int) -> None:
    try:
        os.fstat(fd)
    except OSError:
        # that of the listing itself, which is closed by now
        return
    os.dup2(nothing, fd, inheritable=False)


def ending(status: int) -> str:
    """What os.waitpid says, in words."""
    if os.WIFSIGNALED(status):
        return f"was ended by signal {os.WTERMSIG(status)}"
    return f"ended with code {os.WEXITSTATUS(status)}"


async def outside_of_tasks(function: t.Callable[[], t.Any]) -> t.Any:
    """Call something from the event loop itself."""
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
