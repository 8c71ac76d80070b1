# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Listening sockets: binding TCP, unix and systemd sockets, and accepting connections from them.

main.py binds the sockets, worker.py and admin.py accept connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import stat
import typing as t
from dataclasses import dataclass

from ..config.addresses import Address, TcpAddress, UnixAddress
from ..errors import ListenError
from ..throttle import LogThrottle
from .connections import Connections
from .plain_http import is_plain_http, refuse_plain
from .protocol import HttpServer, plain_address
from .tls import tls_context

if t.TYPE_CHECKING:
    from ..api.app import Application
    from ..attestation.attesting import Attesting
    from .connections import Admission

_LOG: t.Final = logging.getLogger("attested.registry")
BACKLOG: t.Final = 1024
_SHORTAGES: t.Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS: t.Final = 0.2
# few, so that several processes share simultaneous connections
_AT_ONCE: t.Final = 4
_FIRST_FD: t.Final = 3
_MAX_FDS: t.Final = 64
# asyncio accepts no timeout of zero
_LEAST_SECONDS: t.Final = 0.1


def bind(host: str, port: int) -> socket.socket:
    """Bind a TCP socket to an IPv4 or IPv6 address or a host name, without listening. Raises ListenError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, dummy, address = found[0]
        sock = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as exc:
        raise _listen_error(host, port, exc) from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as exc:
        sock.close()
        raise _listen_error(host, port, exc) from None
    return sock


def _listen_error(host: str, port: int, exc: OSError | UnicodeError) -> ListenError:
    why = (exc.strerror if isinstance(exc, OSError) else None) or "the host name is malformed"
    return ListenError(f"Listening on {host} port {port} failed: {why}; choose another --host or --port.")


def bind_unix(path: str, mode: int) -> socket.socket:
    """Bind a unix socket, without listening. Replaces a socket without a listener. Raises ListenError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale_socket(path)
        before = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
    except OSError as exc:
        sock.close()
        raise ListenError(f"Listening on unix:{path} failed: {exc.strerror}; choose another path.") from None
    return sock


def _remove_stale_socket(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "a file of that name exists and is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(path) == 0:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        os.unlink(path)


def passed_by_systemd(environment: t.Mapping[str, str]) -> list[socket.socket]:
    """Return the listening stream sockets that systemd passes (sd_listen_fds(3)). Raises ListenError."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        raise ListenError(
            "Listening on sockets of systemd failed: systemd has passed no sockets to this process; "
            "start the server by a socket unit."
        )
    if not 0 < int(count[:4]) <= _MAX_FDS:
        raise ListenError(
            f"Listening on sockets of systemd failed: systemd has passed {count[:4]}; pass 1 to {_MAX_FDS}."
        )
    return [_check_passed_socket(fd) for fd in range(_FIRST_FD, _FIRST_FD + int(count))]


def _check_passed_socket(fd: int) -> socket.socket:
    try:
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        if sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return sock
        why = "it is not a listening stream socket; use ListenStream= and Accept=no"
    except OSError as exc:
        why = str(exc.strerror)
    raise ListenError(f"Listening on the socket {fd} of systemd failed: {why}.")


def bind_all(addresses: t.Sequence[Address], *, unix_mode: int) -> list[socket.socket]:
    """Bind a socket to each address; systemd can pass several. Raises ListenError after closing all of them."""
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        for address in addresses:
            if isinstance(address, TcpAddress):
                found = [bind(address.host, address.port)]
            elif isinstance(address, UnixAddress):
                found = [bind_unix(address.path, unix_mode)]
            else:
                found = passed_by_systemd(os.environ)
            sockets += [stack.enter_context(sock) for sock in found]
        stack.pop_all()
        return sockets


def url_of(sock: socket.socket, *, tls: bool) -> str:
    """Return the URL of a socket; unix:/path for a unix socket."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


class Acceptor:
    """Acceptor of the connections of a listening socket, which other processes may share; passes them to a server.

    The connections are plain, TLS (with tls) or RA-TLS (with attesting).
    """

    def __init__(
        self,
        sock: socket.socket,
        server: HttpServer,
        connections: Connections,
        *,
        tls: ssl.SSLContext | None = None,
        attesting: Attesting | None = None,
    ) -> None:
        self._sock = sock
        self._server = server
        self._connections = connections
        self._tls = tls
        self._attesting = attesting
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._throttle = LogThrottle()
        self._plain = LogThrottle(level=logging.INFO)
        sock.setblocking(False)
        self._start()

    def _start(self) -> None:
        self._timer = None
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        for dummy in range(_AT_ONCE):
            try:
                sock, name = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as exc:
                self._pause(exc)
                break
            address = plain_address(str(name[0])) if isinstance(name, tuple) else None
            admission = self._connections.admit(address)
            if admission is None:
                sock.close()
                continue
            sock.setblocking(False)
            task = self._loop.create_task(self._hand_over(sock, admission))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _make_protocol(self, admission: Admission) -> t.Any:
        if self._attesting is None:
            return self._server.connect(admission)
        from .attested_connection import AttestedConnection

        return AttestedConnection(self._attesting, self._server, admission)

    def _pause(self, exc: OSError) -> None:
        # the connection stays in the queue, so without a pause the loop would spin
        if exc.errno in _SHORTAGES:
            self._connections.counters.add("refused", "descriptors")
        self._throttle.log("accepting a connection failed and will be retried: %s", exc.strerror)
        self._loop.remove_reader(self._sock.fileno())
        self._timer = self._loop.call_later(_PAUSE_SECONDS, self._start)

    async def _hand_over(self, sock: socket.socket, admission: Admission) -> None:
        try:
            handshake = await self._begin_handshake(sock, admission)
            if handshake is None and self._is_encrypted:
                admission.release()
                sock.close()
                return
            await self._loop.connect_accepted_socket(
                lambda: self._make_protocol(admission),
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else handshake,
            )
        except (OSError, asyncio.TimeoutError) as exc:
            # ssl.SSLError is an OSError
            self._connections.counters.add("handshake_failures")
            _LOG.debug("a TLS handshake failed: %s", exc)
            admission.release()
            sock.close()
        except BaseException:
            admission.release()
            sock.close()
            raise

    @property
    def _is_encrypted(self) -> bool:
        return self._tls is not None or self._attesting is not None

    async def _begin_handshake(self, sock: socket.socket, admission: Admission) -> float | None:
        """Wait for the first byte of a handshake and return the seconds that are left for it; None without a handshake.

        A client that sends plain HTTP instead gets an error response. Raises OSError, asyncio.TimeoutError.
        """
        if not self._is_encrypted:
            return None
        seconds = (self._server.limits if self._attesting is None else self._attesting).handshake_seconds
        began = self._loop.time()
        if not await asyncio.wait_for(is_plain_http(sock), seconds):
            return max(began + seconds - self._loop.time(), _LEAST_SECONDS)
        self._connections.counters.add("handshake_failures")
        self._plain.log("refused plain HTTP from %s on a TLS port", admission.address or "-")
        with contextlib.suppress(OSError):
            await refuse_plain(sock)
        return None

    def close(self) -> None:
        """Stop accepting connections; handshakes in progress continue."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def cut(self) -> None:
        """Abort the handshakes in progress."""
        for task in self._tasks:
            task.cancel()
        if self._attesting is not None:
            self._attesting.cut()


@dataclass(frozen=True)
class Listener:
    """An address on which a server accepts requests."""

    url: str
    _acceptor: Acceptor
    _http: HttpServer

    async def close(self, grace: float) -> None:
        """Stop listening, let requests in progress end for up to grace seconds, then abort them."""
        self._acceptor.close()
        await self._http.close(grace)
        self._acceptor.cut()


async def listen(
    application: Application,
    sock: socket.socket,
    *,
    tls: ssl.SSLContext | None = None,
    attesting: Attesting | None = None,
) -> Listener:
    """Serve on a bound socket in this process, without limits on connections. Raises ListenError."""
    encrypted = tls is not None or attesting is not None
    http = HttpServer(application, zero_copy=not encrypted, counters=None if attesting is None else attesting.counters)
    connections = Connections(http.counters, limit=1_000_000, per_address=0)
    start_listening(sock)
    acceptor = Acceptor(sock, http, connections, tls=tls, attesting=attesting)
    return Listener(url_of(sock, tls=encrypted), acceptor, http)


def start_listening(sock: socket.socket) -> None:
    """Start listening on a bound socket. Raises ListenError."""
    try:
        sock.listen(BACKLOG)
    except OSError as exc:
        host, port = sock.getsockname()[:2] if sock.family != socket.AF_UNIX else (sock.getsockname(), 0)
        raise _listen_error(host, port, exc) from None


__all__ = (
    "BACKLOG",
    "Acceptor",
    "Listener",
    "bind",
    "bind_all",
    "bind_unix",
    "listen",
    "passed_by_systemd",
    "start_listening",
    "tls_context",
    "url_of",
)
