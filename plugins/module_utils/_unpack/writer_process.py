# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import json
import os
import signal
import traceback
import typing as t

from . import errors
from .errors import UnpackError
from .fork import fork, wait
from .ring import Closed, Receiver, Ring, Sender
from .writer import Unpacked, Warn, Writer

Json = dict[str, t.Any]


class ApartWriter:
    """A Writer in a process of its own: while it writes on one core, whoever calls it downloads, decompresses and
    hashes on another one, which two threads of one Python process cannot do at the same time.

    open_writer makes the writer that does the work, in that process. Its warnings are given on in the end. If this
    process ends, however that may be, that one ends too, at the next thing it waits for. Raises OSError when there can
    be no other process.
    """

    def __init__(self, open_writer: t.Callable[[Warn], t.ContextManager[Writer]], *, warn: Warn) -> None:
        self._warn = warn
        self._ended = False
        with contextlib.ExitStack() as stack:
            ring = Ring()
            stack.callback(ring.close)
            self._answer, answer = os.pipe()
            stack.callback(os.close, self._answer)
            stack.callback(os.close, answer)
            self._pid = fork(lambda: self._run(open_writer, ring, answer))
            stack.pop_all()
        os.close(answer)
        self._sender = Sender(ring)

    def __enter__(self) -> ApartWriter:
        return self

    def __exit__(self, *dummy: object) -> None:
        if not self._ended:
            self._end()

    def apply(self, pieces: t.Iterator[bytes]) -> None:
        """See Writer."""
        try:
            for piece in pieces:
                self._sender.send(piece)
            self._sender.end()
        except Closed:
            self._result()
            raise

    def check(self) -> None:
        """See Writer. Raises Closed, which apply makes the error of the other writer."""
        self._sender.check()

    def finish(self) -> Unpacked:
        """See Writer."""
        return self._result()

    def _result(self) -> Unpacked:
        """Waits for the end of the process; returns what it says or raises what it met."""
        self._sender.close()
        with open(self._answer, "rb", closefd=False) as answer:
            head = answer.read()
        status = self._end()
        if not head:
            raise UnpackError(
                f"The process that writes the files ended before its time ({_ending(status)}); see whether the host"
                " is short of memory, and run the task again."
            )
        said = json.loads(head)
        for text in said["warnings"]:
            self._warn(text)
        if "error" in said:
            raise _error(*said["error"])
        return Unpacked(said["entries"], said["size"])

    def _end(self) -> int | None:
        self._ended = True
        self._sender.close()
        os.close(self._answer)  # before the waiting: it may have more to say than a pipe holds
        return wait(self._pid)

    def _run(self, open_writer: t.Callable[[Warn], t.ContextManager[Writer]], ring: Ring, answer: int) -> None:
        """What the other process does."""
        os.close(self._answer)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides what the key means
        receiver = Receiver(ring)
        said: Json = {"warnings": []}
        try:
            with open_writer(said["warnings"].append) as writer:
                for pieces in receiver.groups():
                    writer.apply(pieces)
                unpacked = writer.finish()
            said.update(entries=unpacked.entries, size=unpacked.size)
        except Closed:
            return
        except Exception as exc:
            said["error"] = _described(exc)
        receiver.close()
        with contextlib.suppress(BrokenPipeError), open(answer, "wb") as file:
            file.write(json.dumps(said).encode())


def _ending(status: int | None) -> str:
    if status is None:
        return "with a status that the kernel did not keep"
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _error(kind: str, message: str, fields: Json) -> Exception:
    if kind == "OSError":
        return OSError(fields["errno"], message, fields["path"])
    found = getattr(errors, kind, None)
    return RuntimeError(message) if found is None else t.cast(UnpackError, found(message, **fields))


def _described(error: Exception) -> tuple[str, str, Json]:
    if isinstance(error, UnpackError):
        return type(error).__name__, error.message, error.fields
    if isinstance(error, OSError):
        return "OSError", os.strerror(error.errno or 0), {"errno": error.errno, "path": error.filename}
    return "", traceback.format_exc(), {}


__all__ = ("ApartWriter",)
