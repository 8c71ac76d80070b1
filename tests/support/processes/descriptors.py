# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The open file descriptors and the child processes, so that tests can check that none is left."""

from __future__ import annotations

import contextlib
import os
import socket


def open_descriptors() -> frozenset[str]:
    """Return the open descriptors of this process.

    Compare with <=: what earlier tests left to the garbage collector may be closed at any moment.
    """
    return frozenset(os.listdir("/proc/self/fd"))


def open_below(directory: str | os.PathLike[str]) -> int:
    """Return how many descriptors of this process are of a directory or of what is below it."""
    top = os.path.realpath(directory)
    return sum(os.path.commonpath((top, target)) == top for target in map(_target, open_descriptors()) if target)


def _target(name: str) -> str:
    """Return the path that a descriptor was opened at; an empty string if it has none, or is closed by now."""
    try:
        target = os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:
        return ""
    return target if target.startswith("/") else ""


def child_processes() -> frozenset[int]:
    """Return the children of this process, zombies included. Compare with <=, for the same reason."""
    while True:
        # A thread that ends meanwhile leaves its children to another one, whose file may be read already.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return frozenset(pid for task in os.listdir("/proc/self/task") for pid in _children_of(task))


def _children_of(task: str) -> list[int]:
    with open(f"/proc/self/task/{task}/children") as children:
        return [int(pid) for pid in children.read().split()]


def connections_to(port: int) -> frozenset[str]:
    """Return the open descriptors of this process whose other end is a port of an IP address."""
    return frozenset(name for name in os.listdir("/proc/self/fd") if _peer_port(name) == port)


def _peer_port(name: str) -> int | None:
    with contextlib.suppress(OSError):  # closed meanwhile, or not connected
        if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
            with socket.socket(fileno=os.dup(int(name))) as sock:
                peer = sock.getpeername()
                return int(peer[1]) if isinstance(peer, tuple) else None
    return None
