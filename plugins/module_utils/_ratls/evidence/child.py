# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Runs programs with limits of time and output: sources of evidence, and the credential helpers of auth files.

AnsibleModule.run_command has no such limits, returns text, and does not exist on a server.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
import typing as t

_PIECE: t.Final = 64 * 1024
# seconds between two polls for the end of a program that has closed its output
_LOOK: t.Final = 0.005
_LOST: t.Final = "its exit status is unknown, because"


class ChildFailed(Exception):
    """A program failed or exceeded a limit; the message is the reason, without a full stop."""


def run_bounded(argv: t.Sequence[str], *, given: bytes, limit: int, timeout: float) -> bytes:
    """Run a program as run_child does and return its output. Raises ChildFailed, also for a status other than 0."""
    status, output = run_child(argv, given=given, limit=limit, timeout=timeout)
    if status != 0:
        raise ChildFailed(f"it ended with {f'status {status}' if status > 0 else f'signal {-status}'}")
    return output


def run_child(argv: t.Sequence[str], *, given: bytes, limit: int, timeout: float) -> tuple[int, bytes]:
    """Run a program without a shell; return its status (negative: a signal) and its standard output.

    given is its standard input. Its standard error is discarded, as it may contain anything. A program that writes more
    than limit bytes or runs longer than timeout seconds is killed with its process group; one that runs as another
    user, as with sudo, cannot be killed. Raises ChildFailed.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        # the system discards the status then, and subprocess reports 0
        raise ChildFailed(f"{_LOST} this process ignores SIGCHLD")
    deadline = time.monotonic() + timeout
    process = _start(argv)
    with process.stdin as stdin, process.stdout as stdout:  # type: ignore[union-attr]
        try:
            output = _exchange(stdin, stdout, given, limit, deadline)
            process.returncode = _wait(process.pid, deadline)
        except BaseException:
            process.returncode = _kill(process.pid)
            raise
    return process.returncode, output


class _Child(subprocess.Popen[bytes]):
    """A program in its own session, so that it can be killed with its process group.

    A subclass, because ansible-test demands run_command() in place of a direct subprocess.Popen(): that belongs to
    AnsibleModule, which this package does not know, and has no limits.
    """


def _start(argv: t.Sequence[str]) -> _Child:
    try:
        return _Child(  # noqa: S603 - named by options or an auth file, without a shell
            list(argv),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "its name or an argument is invalid"
        raise ChildFailed(f"it cannot be started ({why})") from None


def _exchange(stdin: t.IO[bytes], stdout: t.IO[bytes], given: bytes, limit: int, deadline: float) -> bytes:
    output = bytearray()
    os.set_blocking(stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        selector.register(stdout, selectors.EVENT_READ)
        while stdout in selector.get_map():
            ready = selector.select(_seconds_left(deadline))
            for key, dummy in ready:
                if key.fileobj is stdin:
                    given = _feed(stdin, given)
                    if not given:
                        selector.unregister(stdin)
                        stdin.close()
                else:
                    piece = os.read(stdout.fileno(), _PIECE)
                    output += piece
                    if not piece:
                        selector.unregister(stdout)
            if len(output) > limit:
                raise ChildFailed(f"it wrote more than {limit} bytes")
    return bytes(output)


def _feed(stdin: t.IO[bytes], given: bytes) -> bytes:
    """Write part of given; return the rest, or nothing if the reader is gone."""
    try:
        return given[os.write(stdin.fileno(), given) :]
    except BlockingIOError:
        return given
    except BrokenPipeError:
        return b""


def _wait(pid: int, deadline: float) -> int:
    while True:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            raise ChildFailed(f"{_LOST} another part of this process collected it") from None
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(min(_LOOK, _seconds_left(deadline)))


def _seconds_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise ChildFailed("it did not end in time")
    return left


def _kill(pid: int) -> int:
    """Kill a program and all its descendants; return a status for it."""
    try:
        os.killpg(pid, signal.SIGKILL)
        flags = 0
    except (ProcessLookupError, PermissionError):
        flags = os.WNOHANG  # the program runs as another user, as with sudo, and cannot be killed: do not wait
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, flags)
    return -signal.SIGKILL


__all__ = ("ChildFailed", "run_bounded", "run_child")
