# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client that sends requests to web_service all the time, and counts those that were not answered.

    python -m ansible_collections.attested.registry.tests.support.servers.steady_client HOST:PORT...

Several threads for each address open a connection for each request. At SIGTERM it prints one line for each address.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import typing as t
from collections import Counter

_THREADS: t.Final = 4
# Between two requests of a thread, to leave some of the processor to others.
_PAUSE: t.Final = 0.1
_TIMEOUT: t.Final = 60.0


class Client:
    """The requests to one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []

    def send_until(self, end: threading.Event) -> None:
        """Send one request after the other."""
        while not end.wait(_PAUSE):
            try:
                version = self._ask()
            except (OSError, ValueError) as exc:
                self.failures.append(repr(exc))
            else:
                self.answers[version] += 1

    def _ask(self) -> str:
        """Return the version in the answer to a request. Raises OSError or ValueError."""
        host, dummy, port = self.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=_TIMEOUT) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode())
            answer = b""
            while data := connection.recv(4096):
                answer += data
        head, dummy_line, version = answer.decode().partition("\r\n\r\n")
        if not head.startswith("HTTP/1.1 200 ") or not version:
            raise ValueError(answer)
        return version

    def __str__(self) -> str:
        sent = self.answers.total() + len(self.failures)
        versions = ", ".join(f"{name}: {count}" for name, count in sorted(self.answers.items()))
        first = f"; the first: {self.failures[0]}" if self.failures else ""
        return f"{self.address}: requests sent {sent}, failed {len(self.failures)} ({versions}){first}"


def main(addresses: t.Sequence[str]) -> None:
    """Send requests until SIGTERM."""
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, dummy_frame: end.set())
    clients = [Client(address) for address in addresses]
    threads = [
        threading.Thread(target=client.send_until, args=(end,)) for client in clients for dummy in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        print(client)


if __name__ == "__main__":
    main(sys.argv[1:])
