# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of an image: an HTTP server that takes its socket from systemd and finishes its requests before it ends.

It answers each request with its version, the content of /srv/version. The version "exits" ends at once, and "sick"
answers /healthz with 503. Each start adds a line to /data/starts, if there is a /data. It imports few modules, because
service_images.py puts all of them into an image.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time

# How long an answer takes, so that each restart meets some that are not finished.
_SECONDS = 0.03


def main() -> None:
    """Serve until SIGTERM."""
    with open("/srv/version", encoding="utf-8") as file:
        version = file.read()
    if version == "exits":
        sys.exit("this version ends at once")
    if os.path.isdir("/data"):
        with open("/data/starts", "a", encoding="utf-8") as file:
            file.write(f"{version}\n")
    listening = _listening()
    listening.setblocking(False)
    waking, woken = os.pipe()
    signal.signal(signal.SIGTERM, lambda number, frame: os.close(woken))
    print(f"version {version} serves", flush=True)
    while True:
        ready = select.select([listening.fileno(), waking], [], [])[0]
        # what is not accepted is for the next process
        if waking in ready:
            return
        try:
            connection = listening.accept()[0]
        except BlockingIOError:
            continue
        # Python waits for these threads when it ends
        threading.Thread(target=_answer, args=(connection, version)).start()


def _listening() -> socket.socket:
    """Return the socket that systemd passed, or one of the port in the environment."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=3)
    return socket.create_server(("", int(os.environ["PORT"])))


def _answer(connection: socket.socket, version: str) -> None:
    connection.setblocking(True)
    # a client may have given up while its request waited in the socket
    with contextlib.suppress(ConnectionError), connection:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                return
            head += data
        time.sleep(_SECONDS)
        is_sick = version == "sick" and head.startswith(b"GET /healthz ")
        status = "503 Service Unavailable" if is_sick else "200 OK"
        answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(version)}\r\nConnection: close\r\n\r\n{version}"
        connection.sendall(answer.encode())


if __name__ == "__main__":
    main()
