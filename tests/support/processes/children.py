# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a function in a forked process: as another user, with a mount namespace, or to be killed.

interruptions.py and many tests use it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import traceback
import typing as t

NOBODY: t.Final = 65534
_CLONE_NEWNS: t.Final = 0x00020000
_MS_BIND: t.Final = 0x1000
_MS_REC_PRIVATE: t.Final = 0x4000 | 0x40000


class ChildFailed(AssertionError):
    """The function raised an exception; the message is its traceback."""


class Child:
    """A running child process."""

    def __init__(self, pid: int, answer_fd: int) -> None:
        self.pid = pid
        self.status: int
        self._answer_fd = answer_fd

    def result(self) -> t.Any:
        """Wait, and return the result of the function; None if the process was killed. Raises ChildFailed."""
        with open(self._answer_fd, "rb") as pipe:
            answer = pipe.read()
        dummy, self.status = os.waitpid(self.pid, 0)
        if not answer:
            assert os.WIFSIGNALED(self.status), "the child ended without an answer"
            return None
        failed, value = pickle.loads(answer)
        if failed:
            raise ChildFailed(value)
        return value

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended the process; known after result()."""
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL


def start(function: t.Callable[[], t.Any], *, uid: int = 0, own_mounts: bool = False) -> Child:
    """Start function in a forked process. Its result must be picklable."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        return Child(pid, read_end)
    try:
        os.close(read_end)
        answer = pickle.dumps((False, _call_prepared(function, uid, own_mounts)))
    except BaseException:
        answer = pickle.dumps((True, traceback.format_exc()))
    with contextlib.suppress(OSError), open(write_end, "wb") as pipe:
        pipe.write(answer)
    os._exit(0)


def run(function: t.Callable[[], t.Any], *, uid: int = 0, own_mounts: bool = False) -> t.Any:
    """Run function in a forked process and return its result, None if it was killed. Raises ChildFailed."""
    return start(function, uid=uid, own_mounts=own_mounts).result()


def _call_prepared(function: t.Callable[[], t.Any], uid: int, own_mounts: bool) -> t.Any:
    if own_mounts:
        _call("unshare", _CLONE_NEWNS)
        _call("mount", None, b"/", None, _MS_REC_PRIVATE, None)
    if uid:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    return function()


def mount_tmpfs(where: os.PathLike[str] | str, options: str = "") -> None:
    """Mount a file system in memory; only for processes with own_mounts."""
    _call("mount", b"tmpfs", os.fsencode(where), b"tmpfs", 0, options.encode())


def bind(source: os.PathLike[str] | str, where: os.PathLike[str] | str) -> None:
    """Mount a file or directory at a second place; only for processes with own_mounts."""
    _call("mount", os.fsencode(source), os.fsencode(where), None, _MS_BIND, None)


def _call(name: str, *arguments: t.Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def may_mount() -> bool:
    """Return whether this user may have a mount namespace."""
    try:
        return bool(run(lambda: True, own_mounts=True))
    except ChildFailed:
        return False
