# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A front of a registry that is slow: it passes GET and HEAD on, and sends each large body at an even, low rate.

    with slow_front("127.0.0.1:5000", seconds=25) as address:
        ...

The integration targets use it to make a download last long enough to show its progress.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A body of fewer bytes is sent at once.
LARGE: t.Final = 1_000_000

_PIECES: t.Final = 250


@contextlib.contextmanager
def slow_front(registry: str, *, seconds: float) -> t.Iterator[str]:
    """Yield the address of a front of the registry at HOST:PORT, which takes so many seconds for each large body."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Front", (_Handler,), {"registry": registry, "body": seconds}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: str
    body: float

    def do_GET(self) -> None:
        connection = http.client.HTTPConnection(self.registry, timeout=60)
        with contextlib.closing(connection), contextlib.suppress(OSError):  # the client may leave
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, headers=headers)
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self._send(answer)

    do_HEAD = do_GET  # noqa: N815 - http.server wants this name

    def _send(self, answer: http.client.HTTPResponse) -> None:
        size = answer.length or 0
        pause = self.body / _PIECES if size >= LARGE else 0.0
        piece = max(size // _PIECES, 64 * 1024 if not pause else 1)
        while data := answer.read(piece):
            self.wfile.write(data)
            time.sleep(pause)

    def log_message(self, *args: t.Any) -> None:
        """Write no log."""
