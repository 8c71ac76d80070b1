# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Runs the loading of a snapshot in a child process, one at a time. Called by supervisor.py."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import typing as t

from ..errors import ServerError
from ..fork import fork, outside_of_tasks
from .handover import pack, unpack
from .loading import load_snapshot

if t.TYPE_CHECKING:
    from ..config.settings import Settings
    from .snapshot import Snapshot

_LOG: t.Final = logging.getLogger("attested.registry")
_READ: t.Final = 1024 * 1024
_POLL_SECONDS: t.Final = 0.01


class Loader:
    """Loader of snapshots in a child process, one at a time. pid is the process ID of the child, None without one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.pid: int | None = None

    async def load(self, previous: Snapshot | None) -> Snapshot:
        """Load all content. previous spares reading unchanged blobs again, unless verify is full (see load_snapshot).

        Raises RootError and other ServerErrors. When cancelled, the child is killed.
        """
        try:
            return await self._load(previous)
        except OSError as exc:
            raise ServerError(
                f"Starting the loader process failed: {exc.strerror}; check the limits of memory and open files."
            ) from None

    async def _load(self, previous: Snapshot | None) -> Snapshot:
        reader, writer = os.pipe()
        try:
            self.pid = await outside_of_tasks(lambda: fork(lambda: self._run(writer, previous), keep=[writer]))
            os.close(writer)
            writer = -1
            data = await _read(reader)
            # wait for the child to exit, so that its log lines come before an error about missing data
            while self.pid is not None:
                # SIGCHLD may have come before the process ID was known
                self.reap()
                await asyncio.sleep(_POLL_SECONDS)
            return unpack(data, previous=previous)
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)
            self._kill_child()

    def _kill_child(self) -> None:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None

    def reap(self) -> None:
        """Collect the child if it has ended. Called after SIGCHLD."""
        if self.pid is not None and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = None

    def _run(self, writer: int, previous: Snapshot | None) -> int:
        settings = self._settings
        try:
            result: Snapshot | ServerError = load_snapshot(
                settings.root,
                cache=settings.cache,
                verify=settings.verify,
                progress=_log_progress,
                previous=previous,
                signatures=settings.signatures,
            )
        except ServerError as exc:
            result = exc
        with open(writer, "wb") as pipe:
            pipe.write(pack(result, previous=previous))
        return 0


def _log_progress(text: str) -> None:
    _LOG.info("%s", text)


async def _read(fd: int) -> bytes:
    """Read a pipe to its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    parts: list[bytes] = []

    def take() -> None:
        part = os.read(fd, _READ)
        if part:
            parts.append(part)
        elif not done.done():
            done.set_result(None)

    loop.add_reader(fd, take)
    try:
        await done
    finally:
        loop.remove_reader(fd)
    return b"".join(parts)


__all__ = ("Loader",)
