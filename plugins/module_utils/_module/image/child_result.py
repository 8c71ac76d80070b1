# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The result of a function that runs in a child process while the parent goes on. Used by quick_check.py."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ..._unpack.pipeline.fork import fork, is_worth_it, wait

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json


class ChildResult:
    """A context manager that runs look in a child process, and passes its result back as JSON.

    Exceptions of look are dropped: without a result the caller takes another path, which raises them again. There is
    also no result where a child process would not be faster, or is unsafe because the parent has threads.
    """

    def __init__(self, look: t.Callable[[], Json | None]) -> None:
        self._look = look
        self._pid: int | None = None
        self._answer = -1

    def __enter__(self) -> ChildResult:
        if is_worth_it():
            self._start()
        return self

    def __exit__(self, *dummy: object) -> None:
        if self._pid is not None:
            os.close(self._answer)  # ends a child that is still writing
            wait(self._pid)

    @property
    def is_running(self) -> bool:
        """Whether a child process was started."""
        return self._pid is not None

    def result(self) -> Json | None:
        """Wait for the child and return what look returned; None if look returned None, raised or was not run."""
        if self._pid is None:
            return None
        with contextlib.suppress(ValueError, OSError), open(self._answer, "rb", closefd=False) as answer:
            found = json.loads(answer.read())
            return found if isinstance(found, dict) else None
        return None

    def _start(self) -> None:
        self._answer, writing = os.pipe()
        self._pid = fork(lambda: self._run(writing))
        os.close(writing)

    def _run(self, writing: int) -> None:
        os.close(self._answer)
        with open(writing, "wb") as answer:
            answer.write(json.dumps(self._look()).encode())


__all__ = ("ChildResult",)
