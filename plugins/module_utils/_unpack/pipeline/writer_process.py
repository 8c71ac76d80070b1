# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A Writer in a process of its own: it writes on one core while this process downloads, decompresses and hashes.

layers.py uses it where a second core is free. Two threads of one Python process could not do that at the same time.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import traceback
import typing as t

from .. import errors
from ..errors import UnpackError
from ..writer import HashPiece, Unpacked, Writer, no_hash
from .fork import fork, wait
from .ring import Closed, Receiver, Ring, Sender

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._base.text import Warn


class ProcessWriter:
    """A Writer in a forked process.

    open_writer makes the writer there. Its warnings are passed on at the end. If this process ends in any way, that one
    ends too, at the next thing it waits for. Raises OSError if it cannot be forked.
    """

    def __init__(self, open_writer: t.Callable[[Warn], t.ContextManager[Writer]], *, warn: Warn) -> None:
        self._warn = warn
        self._ended = False
        self._hash_piece: HashPiece = no_hash
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

    def __enter__(self) -> ProcessWriter:
        return self

    def __exit__(self, *dummy: object) -> None:
        if not self._ended:
            self._end()

    def apply(self, pieces: t.Iterator[bytes | memoryview], hash_piece: HashPiece) -> None:
        """See Writer."""
        self._hash_piece = hash_piece
        try:
            for piece in pieces:
                self._sender.send(piece, hash_piece)
            self._sender.flush(hash_piece)
            self._sender.end()
        except Closed:
            self._read_result()
            raise

    def wait(self) -> None:
        """See Writer. Raises Closed, which apply() turns into the error of the other process."""
        self._sender.flush(self._hash_piece)
        self._sender.check()

    def finish(self) -> Unpacked:
        """See Writer."""
        return self._read_result()

    def _read_result(self) -> Unpacked:
        """Wait for the end of the process; return its result or raise its error."""
        self._sender.close()
        with open(self._answer, "rb", closefd=False) as answer:
            head = answer.read()
        status = self._end()
        try:
            report = json.loads(head)
        except ValueError:  # killed before it had written its report, or all of it
            raise UnpackError(
                f"The process that writes the files ended early ({_describe_status(status)}); check whether the host"
                " is short of memory, and run the task again."
            ) from None
        for text in report["warnings"]:
            self._warn(text)
        if "error" in report:
            raise _make_error(*report["error"])
        return Unpacked(report["entries"], report["size"])

    def _end(self) -> int | None:
        self._ended = True
        self._sender.close()
        os.close(self._answer)  # before the wait: its report may be larger than a pipe holds
        return wait(self._pid)

    def _run(self, open_writer: t.Callable[[Warn], t.ContextManager[Writer]], ring: Ring, answer: int) -> None:
        """Write layers in the other process."""
        os.close(self._answer)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process handles Ctrl-C
        receiver = Receiver(ring)
        report: Json = {"warnings": []}
        try:
            with open_writer(report["warnings"].append) as writer:
                for pieces in receiver.groups():
                    writer.apply(pieces, no_hash)  # the first process hashes the layer
                unpacked = writer.finish()
            report.update(entries=unpacked.entries, size=unpacked.size)
        except Closed:
            return
        except Exception as exc:
            report["error"] = _describe_error(exc)
        receiver.close()
        with contextlib.suppress(BrokenPipeError), open(answer, "wb") as file:
            file.write(json.dumps(report).encode())


def _describe_status(status: int | None) -> str:
    if status is None:
        return "with a status that the kernel did not keep"
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _make_error(kind: str, message: str, fields: Json) -> Exception:
    if kind == "OSError":
        return OSError(fields["errno"], message, fields["path"])
    found = getattr(errors, kind, None)
    return RuntimeError(message) if found is None else t.cast(UnpackError, found(message, **fields))


def _describe_error(error: Exception) -> tuple[str, str, Json]:
    if isinstance(error, UnpackError):
        return type(error).__name__, error.message, error.fields
    if isinstance(error, OSError):
        return "OSError", os.strerror(error.errno or 0), {"errno": error.errno, "path": error.filename}
    return "", traceback.format_exc(), {}


__all__ = ("ProcessWriter",)
