# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service manager is notified as sd_notify(3) and sd_watchdog_enabled(3) describe."""

from __future__ import annotations

import os
import pathlib
import socket

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.processes import notify


def test_the_messages_to_the_service_manager(tmp_path: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "socket"))
        manager.settimeout(30)
        notifier = notify.Notifier({"NOTIFY_SOCKET": str(tmp_path / "socket"), "WATCHDOG_USEC": "2500000"})
        notifier.ready("works\nREADY=0")
        assert manager.recv(1000) == b"READY=1\nSTATUS=works READY=0"
        notifier.reloading()
        assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        notifier.working("loading", seconds=30)
        assert manager.recv(1000) == b"STATUS=loading\nEXTEND_TIMEOUT_USEC=30000000"
        notifier.stopping("ends")
        assert manager.recv(1000) == b"STOPPING=1\nSTATUS=ends"
        assert notifier.watchdog_seconds == 2.5


def test_an_abstract_address() -> None:
    name = f"attested.registry-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(30)
        notify.Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert manager.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_a_notification_without_listener_is_ignored(address: str) -> None:
    notify.Notifier({"NOTIFY_SOCKET": address}).ready("works")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "9" * 30},
        {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"},
    ],
)
def test_no_watchdog(environment: dict[str, str]) -> None:
    assert notify.Notifier(environment).watchdog_seconds is None
