# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

# The one place where a program is started. subprocess is not for plugins, and AnsibleModule.run_command has no limits
# of time and size, wants text, and is not there on a server.
import contextlib
import os
import selectors
import signal
import time
import typing as t

_PIECE: t.Final = 64 * 1024
_LOOK: t.Final = 0.005  # seconds between two looks at whether it has ended, when it has closed its output


class ChildFailed(Exception):
    """A program did not do what it should; the message is the reason, without a full stop."""


def run_bounded(argv: t.Sequence[str], *, given: bytes, limit: int, timeout: float) -> bytes:
    """Run a program without a shell and return what it writes to its standard output.

    given is what it reads; its standard error is thrown away, as it may hold anything. If it writes more than limit
    bytes or has not ended after timeout seconds, it is killed with all that it started. Raises ChildFailed, for a
    status other than 0 too.
    """
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        theirs_in, ours_in = _pipe(stack)
        ours_out, theirs_out = _pipe(stack)
        pid = _start(argv, theirs_in.fileno(), theirs_out.fileno())
        try:
            theirs_in.close()
            theirs_out.close()
            output = _exchange(ours_in, ours_out, given, limit, deadline)
            status = _wait(pid, deadline)
        except BaseException:
            _kill(pid)
            raise
    if status != 0:
        raise ChildFailed(f"it ended with {f'status {status}' if status > 0 else f'signal {-status}'}")
    return output


def _pipe(stack: contextlib.ExitStack) -> tuple[t.BinaryIO, t.BinaryIO]:
    reading, writing = os.pipe()
    stack.enter_context(read_end := t.cast(t.BinaryIO, os.fdopen(reading, "rb", 0)))
    stack.enter_context(write_end := t.cast(t.BinaryIO, os.fdopen(writing, "wb", 0)))
    return read_end, write_end


def _start(argv: t.Sequence[str], stdin: int, stdout: int) -> int:
    actions = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    try:
        return os.posix_spawnp(
            argv[0], list(argv), os.environ, file_actions=actions, setpgroup=0, setsigdef=[signal.SIGPIPE]
        )
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "its name or an argument is invalid"
        raise ChildFailed(f"it cannot be started ({why})") from None


def _exchange(stdin: t.BinaryIO, stdout: t.BinaryIO, given: bytes, limit: int, deadline: float) -> bytes:
    output = bytearray()
    os.set_blocking(stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        selector.register(stdout, selectors.EVENT_READ)
        while stdout in selector.get_map():
            ready = selector.select(_left(deadline))
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
                raise ChildFailed(f"it writes more than {limit} bytes")
    return bytes(output)


def _feed(stdin: t.BinaryIO, given: bytes) -> bytes:
    """Write some of it; return what is left, nothing if nobody reads."""
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
            raise ChildFailed("its status cannot be told, as somebody else asked for it") from None
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(min(_LOOK, _left(deadline)))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise ChildFailed("it had not ended when its time was up")
    return left


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
        flags = 0
    except (ProcessLookupError, PermissionError):
        flags = os.WNOHANG  # it is of another user now, as with sudo: there is no use in waiting for it
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, flags)


__all__ = ("ChildFailed", "run_bounded")
