# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Resolve a path inside a root directory, as openat2(2) does with RESOLVE_IN_ROOT; by the kernel, or step by step.

tree.py resolves paths that contain symbolic links through it, and missing.py walks to what is missing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import typing as t

from .descent import DIRECTORY, Descent

# Linux follows as many symbolic links in one path.
MAXIMUM_LINKS: t.Final = 40
# The most components of a path with those of the links on it, twice as many as a path can have. An image with links to
# long paths through links could else make each walk take 80,000 system calls.
_MAXIMUM_STEPS: t.Final = 4096

# The number of the system call, the same on every architecture but alpha.
_OPENAT2: t.Final = 437

_RESOLVE_IN_ROOT: t.Final = 0x10
_RESOLVE_NO_MAGICLINKS: t.Final = 0x02
# openat2 fails with EAGAIN when something is renamed meanwhile; filepath-securejoin retries as often.
_RETRIES: t.Final = 128


class PathResolver(t.Protocol):
    """A function that opens a directory inside a root, as a process sees it whose root directory that is.

    Symbolic links are followed: absolute ones start at the root, and .. never leads out of it. The caller closes the
    returned descriptor. Raises OSError where the path leads nowhere (ENOENT), to something else (ENOTDIR) or through a
    loop of links (ELOOP).
    """

    def __call__(self, root: int, path: bytes) -> int: ...


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def kernel_resolver() -> PathResolver | None:
    """Return the kernel's own resolver (openat2 with RESOLVE_IN_ROOT, Linux 5.6), or None if it is not available."""
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
    except OSError:  # kernel before 5.6 (ENOSYS), or a sandbox that refuses the system call (EPERM, EACCES)
        return None
    finally:
        os.close(probe)
    return resolve


def walk(root: int, path: bytes, *, make: t.Callable[[int, bytes], None] | None = None) -> int:
    """Resolve a path as PathResolver says, component by component, each relative to the open directory before it.

    The kernel is never asked for more than one component or for a symbolic link. After .. the directory must be the one
    that the walk came from, so that a rename meanwhile cannot lead out of the root (ESTALE). make, if given, is called
    with the descriptor of the parent and the name for each missing directory that the path needs, also for the target
    of a dangling link.
    """
    return Walk(root, make).open(path)


class Walk:
    """The walk of walk() along one path, which tells where it ended if it failed.

    names lead to the directory that it reached, without symbolic links; rest are the components that are left, the next
    one last; link is the path of the symbolic link whose target the next one belongs to, None if it belongs to the path
    itself.
    """

    def __init__(self, root: int, make: t.Callable[[int, bytes], None] | None = None) -> None:
        self.names: list[bytes] = []
        self.rest: list[bytes] = []
        self._root = root
        self._here = Descent(root)
        self._make = make
        self._links = 0
        self._steps = 0
        # the outermost link that is being followed, and how many components come after its target
        self._followed: tuple[bytes, int] | None = None

    @property
    def link(self) -> bytes | None:
        """The path of the outermost symbolic link whose target has the next component, None without one."""
        if self._followed is None or len(self.rest) <= self._followed[1]:
            return None
        return self._followed[0]

    def open(self, path: bytes) -> int:
        """Return a new descriptor of the directory at path. Raises OSError, and what make raises."""
        try:
            self.rest = _components(path)
            while self.rest:
                self._step(self.rest[-1])
            return os.dup(self._here.descriptor)
        finally:
            self._here.close()

    def _step(self, name: bytes) -> None:
        """Enter one component, or replace a link by the components of its target."""
        self._steps += 1
        if self._steps > _MAXIMUM_STEPS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        if name == b"..":
            if self.names:
                self._here.leave()
                self.names.pop()
        else:
            try:
                self._enter(name)
            except NotADirectoryError:
                self._follow(name)
                return
        self.rest.pop()

    def _enter(self, name: bytes) -> None:
        try:
            self._here.enter(name)
        except FileNotFoundError:
            if self._make is None:
                raise
            self._make(self._here.descriptor, name)
            self._here.enter(name)
        self.names.append(name)

    def _follow(self, name: bytes) -> None:
        here = self._here.descriptor
        if not stat.S_ISLNK(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
        self._links += 1
        if self._links > MAXIMUM_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        target = os.readlink(name, dir_fd=here)
        if self.link is None:
            self._followed = (b"/".join((*self.names, name)), len(self.rest) - 1)
        if target.startswith(b"/"):
            self._restart()
        self.rest.pop()
        self.rest.extend(_components(target))

    def _restart(self) -> None:
        left, self._here = self._here, Descent(self._root)
        self.names.clear()
        left.close()


def _components(path: bytes) -> list[bytes]:
    """Return the components of a path, last first."""
    return [name for name in reversed(path.split(b"/")) if name not in (b"", b".")]


def choose_resolver() -> PathResolver:
    """Return the kernel's resolver if it is available, else walk."""
    return kernel_resolver() or walk


__all__ = ("DIRECTORY", "MAXIMUM_LINKS", "PathResolver", "Walk", "choose_resolver", "kernel_resolver", "walk")
