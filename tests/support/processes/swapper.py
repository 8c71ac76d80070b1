# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exchange two entries of a directory continuously as another user, to win a race against a task."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.syscalls import exchange


class Swapper:
    """A thread that exchanges two names in a directory as fast as it can, whenever both are there."""

    def __init__(self, directory: Path, one: str, other: str) -> None:
        self._fd = os.open(directory, os.O_RDONLY)
        self._names = (one, other)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.swapped = 0

    def __enter__(self) -> Swapper:
        self._thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._stopping.set()
        self._thread.join()
        os.close(self._fd)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                exchange(self._fd, self._names[0], self._fd, self._names[1])
                self.swapped += 1


__all__ = ("Swapper",)
