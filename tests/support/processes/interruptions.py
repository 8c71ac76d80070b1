# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the n-th system call that writes fail, or kill the process there, in a forked process.

The tests of crash recovery run a piece of work once for each of its calls.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import signal
import typing as t

from . import children

# The calls that change anything on disk; os.open counts too where it creates a file.
CALLS: t.Final = (
    "chmod",
    "chown",
    "fchmod",
    "fchown",
    "fsync",
    "ftruncate",
    "link",
    "mkdir",
    "mknod",
    "removexattr",
    "rename",
    "replace",
    "rmdir",
    "sendfile",
    "setxattr",
    "symlink",
    "unlink",
    "utime",
    "write",
)
_MANY: t.Final = 1000


class Interruption(t.NamedTuple):
    """A run that was interrupted at its number-th call, and its result, None if it was killed."""

    number: int
    call: str
    result: t.Any


def interruptions(work: t.Callable[[], t.Any], fault: str, prepare: t.Callable[[], None]) -> t.Iterator[Interruption]:
    """Run work repeatedly, interrupted one call later each time, until it ends without an interruption.

    prepare is called before each run. fault is the name of an error, or "kill".
    """
    for number in itertools.count(1):
        assert number < _MANY, "the work does not come to an end"
        prepare()
        call_read, call_write = os.pipe()
        result = children.run(lambda number=number, fd=call_write: _run_interrupted(work, fault, number, fd))  # type: ignore[misc]
        os.close(call_write)
        with open(call_read, encoding="ascii") as pipe:
            call = pipe.read()
        if not call:
            return
        yield Interruption(number, call, result)


def _run_interrupted(work: t.Callable[[], t.Any], fault: str, number: int, report: int) -> t.Any:
    left = itertools.count(number - 1, -1)
    write = os.write

    def faulty(name: str, call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def counted(*args: t.Any, **options: t.Any) -> t.Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return call(*args, **options)
            if next(left) == 0:
                write(report, name.encode())
                if fault == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(getattr(errno, fault), os.strerror(getattr(errno, fault)))
            return call(*args, **options)

        return counted

    for name in (*CALLS, "open"):
        setattr(os, name, faulty(name, getattr(os, name)))
    fcntl.flock = faulty("flock", fcntl.flock)
    return work()
