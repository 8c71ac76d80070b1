# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""System calls that Python's os module lacks, through ctypes: renameat2(2), syncfs(2), fchmodat2(2).

reach.py, _destination/publish.py and _destination/destination.py call them.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import typing as t

_RENAME_EXCHANGE: t.Final = 2
# The same on every architecture but alpha.
_FCHMODAT2: t.Final = 452
_AT_EMPTY_PATH: t.Final = 0x1000

# System call numbers of renameat2 for C libraries without a wrapper (glibc before 2.28, musl).
_RENAMEAT2: t.Final = {
    "x86_64": 316,
    "aarch64": 276,
    "riscv64": 276,
    "armv7l": 382,
    "i686": 353,
    "ppc64le": 357,
    "s390x": 347,
}

_Function = t.Callable[..., int]


def exchange(dir_a: int, name_a: str, dir_b: int, name_b: str) -> None:
    """Exchange two names of one file system atomically: renameat2(2), RENAME_EXCHANGE.

    Raises OSError; ENOSYS, EINVAL or EPERM if the kernel, the file system or a seccomp filter does not support it.
    """
    function = _renameat2()
    if function(dir_a, os.fsencode(name_a), dir_b, os.fsencode(name_b), _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name_a)


def sync_filesystem(fd: int) -> None:
    """Write all data of the file system of fd to its device: syncfs(2). Raises OSError."""
    function = _function("syncfs")
    if function is None:
        os.sync()
    elif function(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def change_mode_of_open(fd: int, mode: int) -> None:
    """Set the mode of the file open as fd, possibly with O_PATH: fchmodat2(2), Linux 6.6. Raises OSError, ENOSYS."""
    function = _function("syscall")
    if (function or _fail_with_enosys)(_FCHMODAT2, fd, b"", mode, _AT_EMPTY_PATH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@functools.cache
def _function(name: str) -> _Function | None:
    return t.cast(t.Optional[_Function], getattr(ctypes.CDLL(None, use_errno=True), name, None))


@functools.cache
def _renameat2() -> _Function:
    function = _function("renameat2")
    if function is not None:
        return function
    syscall = _function("syscall")
    number = _RENAMEAT2.get(platform.machine())
    if syscall is None or number is None:
        return _fail_with_enosys
    return functools.partial(syscall, number)


def _fail_with_enosys(*dummy: object) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return -1


__all__ = ("change_mode_of_open", "exchange", "sync_filesystem")
