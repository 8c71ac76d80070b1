# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A front of a real registry that cuts connections while a client uploads, as a bad network does.

    with CuttingFront("127.0.0.1:5000", [100_000]) as front:
        Registry(Endpoint.parse(front.name)) ...

It passes bytes on in both directions. The first connection that carries more bytes to the registry than the first
number is cut at that byte, then one that carries more than the second number, and so on.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import typing as t

_PIECE: t.Final = 16 * 1024
# close() sends a reset
_AT_ONCE: t.Final = struct.pack("ii", 1, 0)


class CuttingFront:
    """The front; see the module docstring. ``name`` is its host:port, ``cuts`` are those still to be made."""

    def __init__(self, backend: str, cuts: t.Sequence[int]) -> None:
        host, dummy, port = backend.rpartition(":")
        self._backend = (host, int(port))
        self.cuts = list(cuts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttingFront:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *dummy: object) -> None:
        # accept() in the thread ends with an error
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._backend)
                threading.Thread(target=self._upload, args=(client, server), daemon=True).start()
                threading.Thread(target=_download, args=(server, client), daemon=True).start()

    def _upload(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what the client sends, up to the next cut."""
        count = 0
        with contextlib.suppress(OSError):
            while data := client.recv(_PIECE):
                if self.cuts and count + len(data) > self.cuts[0]:
                    server.sendall(data[: self.cuts.pop(0) - count])
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    break
                count += len(data)
                server.sendall(data)
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _download(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(_PIECE):
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)


__all__ = ("CuttingFront",)
