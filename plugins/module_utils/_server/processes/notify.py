# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Notifications to the service manager (sd_notify(3), sd_watchdog_enabled(3)). Called by supervisor.py."""

from __future__ import annotations

import logging
import os
import socket
import time
import typing as t

_LOG: t.Final = logging.getLogger("attested.registry")


class Notifier:
    """Sender of notifications; does nothing without NOTIFY_SOCKET."""

    def __init__(self, environment: t.Mapping[str, str]) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # "@" represents the NUL of the abstract namespace
        self._address = "\0" + path[1:] if path.startswith("@") else path if path.startswith("/") else None
        self.watchdog_seconds = _watchdog_interval(environment)

    def tell(self, *lines: str) -> None:
        """Send assignments, such as READY=1."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
                sock.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
        except OSError as exc:
            _LOG.debug("notifying the service manager failed: %s", exc.strerror)

    def ready(self, status: str) -> None:
        """Report that the start or a reload is complete."""
        self.tell("READY=1", _format_status(status))

    def reloading(self) -> None:
        """Report that a reload begins."""
        self.tell(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}", "STATUS=reloading"
        )

    def stopping(self, status: str) -> None:
        """Report that the service is stopping."""
        self.tell("STOPPING=1", _format_status(status))

    def working(self, status: str, *, seconds: int) -> None:
        """Extend the time limit of the start by so many seconds."""
        self.tell(_format_status(status), f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000}")

    def alive(self) -> None:
        """Report to the watchdog that the service is alive."""
        self.tell("WATCHDOG=1")


def _format_status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"


def _watchdog_interval(environment: t.Mapping[str, str]) -> float | None:
    usec = environment.get("WATCHDOG_USEC", "")
    if not (usec.isascii() and usec.isdigit() and 0 < len(usec) < 19 and int(usec)):
        return None
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 1_000_000


__all__ = ("Notifier",)
