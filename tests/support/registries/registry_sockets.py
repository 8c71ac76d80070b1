# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets of a FaultyRegistry: read requests and write replies, faults included; see faulty_registry.py."""

from __future__ import annotations

import http.server
import socket
import socketserver
import ssl
import struct
import threading
import time
import typing as t

from .registry_replies import BodyFault, Reply, Request


class Answerer(t.Protocol):
    """The object that supplies the replies."""

    connections: int
    stopping: threading.Event

    def answer(self, request: Request) -> Reply:
        """Return the reply to a request."""

    def body_fault(self, method: str, target: str) -> BodyFault | None:
        """Return what to do with the body of a request; None to read it."""


class Server(socketserver.ThreadingTCPServer):
    """A server on a loopback address with one thread per connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, registry: Answerer, tls: ssl.SSLContext | None, *, address: str = "127.0.0.1") -> None:
        self.registry = registry
        self.tls = tls
        super().__init__((address, 0), _Handler)

    def process_request_thread(self, request: t.Any, client_address: t.Any) -> None:
        self.registry.connections += 1
        if self.tls is not None:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except (OSError, ValueError):
                request.close()
                return
        super().process_request_thread(request, client_address)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Ignore errors: clients that disconnect are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 0
    server: Server

    def handle_one_request(self) -> None:
        self.close_connection = True
        line = self.rfile.readline(65537)
        if not line:
            return
        self.raw_requestline = line
        if not self.parse_request():
            return
        length = int(self.headers.get("Content-Length") or 0)
        fault = self.server.registry.body_fault(self.command, self.path)
        body = self.rfile.read(length if fault is None else min(fault.count, length)) if length else b""
        request = Request(self.command, self.path, self.headers, body, complete=len(body) == length)
        reply = self.server.registry.answer(request)
        if fault is not None and fault.stall:
            self.server.registry.stopping.wait()
        if fault is None or fault.is_answered:
            self._send(reply, request)
        if fault is not None:
            self.close_connection = True

    def log_message(self, *args: t.Any) -> None:
        """Log nothing: the requests are recorded."""

    def _send(self, reply: Reply, request: Request) -> None:
        registry = self.server.registry
        while reply.hold is not None and not reply.hold.wait(0.02):
            if registry.stopping.is_set():
                return
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            self._finish(reply)
            return
        body = reply.body or b""
        head = self._head(reply, body)
        if reply.drip:
            self._drip(head + body)
            return
        self.wfile.write(head)
        if request.method != "HEAD":
            self._body(reply, body)
        if reply.stall:
            registry.stopping.wait()
        if reply.cut is not None or reply.close or reply.endless:
            self._finish(reply)
        else:
            self.close_connection = False

    def _head(self, reply: Reply, body: bytes) -> bytes:
        pairs = list(reply.headers.items()) if not isinstance(reply.headers, tuple) else list(reply.headers)
        names = [name.lower() for name, dummy in pairs]
        if reply.chunked is not None:
            pairs.append(("Transfer-Encoding", "chunked"))
        elif "content-length" not in names and not reply.endless:
            pairs.append(("Content-Length", str(len(body) if reply.length is None else reply.length)))
        dropped = [name.lower() for name in reply.drop]
        lines = [f"HTTP/1.1 {reply.status or 200} Status"]
        lines += [f"{name}: {value}" for name, value in pairs if name.lower() not in dropped]
        if reply.close or reply.endless or reply.cut is not None or "content-length" in dropped:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _body(self, reply: Reply, body: bytes) -> None:
        shown = body if reply.cut is None else body[: reply.cut]
        if reply.chunked is None:
            self._write(shown)
        while reply.endless and not self.server.registry.stopping.is_set():
            self._write(shown if reply.chunked is None else _chunk(shown))
        if reply.chunked is not None and not reply.endless:
            for start in range(0, len(shown), reply.chunked):
                self._write(_chunk(shown[start : start + reply.chunked]))
            if reply.cut is None:
                self._write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> None:
        self.connection.sendall(data)

    def _drip(self, data: bytes) -> None:
        for number in range(len(data)):
            if self.server.registry.stopping.is_set():
                return
            self._write(data[number : number + 1])
            time.sleep(0.001)

    def _finish(self, reply: Reply) -> None:
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


__all__ = ("Answerer", "Server")
