# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import ctypes
import errno
import os
import stat
import typing as t

from .descent import DIRECTORY, Descent

MAXIMUM_LINKS = 40
"""Linux follows as many symbolic links in one path."""

_OPENAT2 = 437
"""The system call's number, the same on every architecture but alpha."""

_RESOLVE_IN_ROOT = 0x10
_RESOLVE_NO_MAGICLINKS = 0x02
_RETRIES = 128
"""openat2 gives up with EAGAIN when something is renamed meanwhile; as often as filepath-securejoin tries."""


class Resolver(t.Protocol):
    """Opens the directory that path names inside the root, as a process would see it whose root directory that is.

    Symbolic links are followed: absolute ones start at the root, and .. never leads out of it. The caller closes
    what is returned. OSError is raised where the path leads nowhere (ENOENT), to something else (ENOTDIR) or in
    circles (ELOOP).
    """

    def __call__(self, root: int, path: bytes) -> int: ...


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def kernel_resolver() -> Resolver | None:
    """Returns the kernel's own resolver (openat2 with RESOLVE_IN_ROOT, Linux 5.6), or none where there is none."""
    libc = ctypes.CDLL(None, use_errno=True)

    def resolve(root: int, path: bytes) -> int:
        how = _OpenHow(os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        for dummy in range(_RETRIES):
            descriptor = libc.syscall(_OPENAT2, root, path or b".", ctypes.byref(how), ctypes.sizeof(how))
            if descriptor >= 0:
                return t.cast(int, descriptor)
            if ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR):
                break
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)

    probe = os.open("/", DIRECTORY)
    try:
        os.close(resolve(probe, b"."))
    except OSError:  # an old kernel (ENOSYS), or a sandbox that refuses the system call (EPERM, EACCES)
        return None
    finally:
        os.close(probe)
    return resolve


def walk(root: int, path: bytes, *, make: t.Callable[[int, bytes], None] | None = None) -> int:
    """Resolves as Resolver says, component by component, each relative to the open directory before it.

    The kernel is never asked for more than one component or for a symbolic link, and after .. the directory must be
    the one that led there, so that nothing that is renamed meanwhile leads out of the root (ESTALE). With make, a
    directory that is missing is made by it (given the descriptor of the one that it belongs into, and its name)
    wherever the path needs one: also as target of a dangling link.
    """
    return _Walk(root, make).open(path)


class _Walk:
    def __init__(self, root: int, make: t.Callable[[int, bytes], None] | None) -> None:
        self._root = root
        self._here = Descent(root)
        self._depth = 0
        self._make = make
        self._links = 0

    def open(self, path: bytes) -> int:
        try:
            todo = _components(path)
            while todo:
                todo.extend(self._step(todo.pop()))
            return os.dup(self._here.descriptor)
        finally:
            self._here.close()

    def _step(self, name: bytes) -> list[bytes]:
        """Goes one component further; returns those of a link's target, which are to be gone instead."""
        if name == b"..":
            if self._depth:
                self._here.leave()
                self._depth -= 1
            return []
        try:
            self._enter(name)
        except NotADirectoryError:
            return self._follow(self._here.descriptor, name)
        return []

    def _enter(self, name: bytes) -> None:
        try:
            self._here.enter(name)
        except FileNotFoundError:
            if self._make is None:
                raise
            self._make(self._here.descriptor, name)
            self._here.enter(name)
        self._depth += 1

    def _follow(self, here: int, name: bytes) -> list[bytes]:
        if not stat.S_ISLNK(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
        self._links += 1
        if self._links > MAXIMUM_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        target = os.readlink(name, dir_fd=here)
        if target.startswith(b"/"):
            self._restart()
        return _components(target)

    def _restart(self) -> None:
        left, self._here, self._depth = self._here, Descent(self._root), 0
        left.close()


def _components(path: bytes) -> list[bytes]:
    """The components of a path, last first."""
    return [name for name in reversed(path.split(b"/")) if name not in (b"", b".")]


def choose_resolver() -> Resolver:
    """Returns the kernel's resolver where there is one, else the walk."""
    return kernel_resolver() or walk


__all__ = ("DIRECTORY", "MAXIMUM_LINKS", "Resolver", "choose_resolver", "kernel_resolver", "walk")
