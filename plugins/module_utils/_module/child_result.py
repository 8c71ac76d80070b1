# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from .._unpack.fork import fork, is_worth_it, wait

Json = dict[str, t.Any]


class ChildResult:
    """Run look in a process of its own, so that it takes no time while this one does something else.

    A context manager. What look returns goes through JSON. Its exceptions are not seen: whoever gets no
    result does the same again in another way, and meets them there. Where a process of its own would not be faster, or
    not safe because there are threads, there is no result either.
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
            os.close(self._answer)  # which ends a child that still has something to say
            wait(self._pid)

    @property
    def is_running(self) -> bool:
        """Whether there is a process, and so may be a result."""
        return self._pid is not None

    def result(self) -> Json | None:
        """Wait for what look returns; None if it returns None, raises something or was not run."""
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
