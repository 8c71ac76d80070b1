# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Ask a registry for the digest of a manifest by one HEAD request, with nothing but a socket.

The client (client.py) does this and everything else: it follows redirects, logs in, retries, and says what is wrong.
Its libraries take 0.1 s to load, and http.client alone takes 12 ms. So _module/image/probe.py, for which the usual
answer is enough, asks with this file, and leaves every other answer to the client. _module/image/kept_answer.py makes
the request from what the client sends, so it is the same one.
"""

from __future__ import annotations

import re
import socket
import time
import typing as t

# Bytes of the status line and the headers.
_MAX_HEAD: t.Final = 64 * 1024
_CHUNK: t.Final = 16 * 1024

# Seconds in which a usual registry has answered; the client, which asks next, has the patience that the task wants.
_PATIENCE: t.Final = 5.0

_STATUS: t.Final = re.compile(r"HTTP/1\.[01] 200(?: [ -~]*)?")
# RFC 9110, 5.5, without obs-text and obs-fold. The white space around a value is removed afterwards: an expression for
# it would take minutes for 60,000 spaces.
_HEADER: t.Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~]*)")

DIGEST: t.Final = "docker-content-digest"
# The client warns of the first, and checks the second.
_UNUSUAL: t.Final = ("warning", "transfer-encoding")


class PlainHead(t.NamedTuple):
    """A HEAD request: where to send it, and all headers. ca_path is the option; scheme is http or https."""

    scheme: str
    host: str
    port: int
    target: str
    headers: t.Sequence[t.Sequence[str]]


class SentHead:
    """A HEAD request that was sent, and its connection. A context manager.

    The caller may work between sending and digest(), while the registry answers. Both take at most _PATIENCE seconds,
    or seconds if that is less. Raises OSError, ssl.SSLError and ValueError.
    """

    def __init__(self, head: PlainHead, *, ca_path: str | None, seconds: float) -> None:
        self._seconds = min(seconds, _PATIENCE)
        deadline = time.monotonic() + self._seconds
        lines = [f"HEAD {head.target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.headers)]
        self._socket = _connect(head.host, head.port, deadline)
        try:
            if head.scheme != "http":
                self._wait_until(deadline)
                self._socket = _secure(self._socket, head.host, ca_path)
            self._wait_until(deadline)
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> SentHead:
        return self

    def __exit__(self, *dummy: object) -> None:
        self._socket.close()

    def digest(self) -> str | None:
        """Return the digest that the registry states, None if the answer is not a usual one. Raises OSError."""
        deadline = time.monotonic() + self._seconds
        data = b""
        while b"\r\n\r\n" not in data and len(data) <= _MAX_HEAD:
            self._wait_until(deadline)
            piece = self._socket.recv(_CHUNK)
            if not piece:
                return None
            data += piece
        return stated_digest(data)

    def _wait_until(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._socket.settimeout(left)


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """Connect to the first address of a host that accepts; all together have until the deadline. Raises OSError."""
    failure = OSError("the host has no address")
    for family, kind, protocol, dummy, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            sock.connect(address)
        except OSError as exc:
            sock.close()
            failure = exc
        else:
            return sock
        if time.monotonic() >= deadline:
            break
    raise failure


def _secure(sock: socket.socket, host: str, ca_path: str | None) -> socket.socket:
    from .transport.trust import make_trusting_context

    context = make_trusting_context(ca_path, system_too=False)
    context.hostname_checks_common_name = False  # as urllib3 does
    return context.wrap_socket(sock, server_hostname=host)


def stated_digest(data: bytes) -> str | None:
    """Return the Docker-Content-Digest in the head of an answer 200, None if anything in it is unusual. Total.

    What this accepts, http.client reads in the same way. Unusual are line ends other than CR LF, headers that span
    lines or have characters outside of ASCII, a digest that is stated twice, warnings, and bytes after the head.
    """
    try:
        head, dummy, rest = data.decode("ascii").partition("\r\n\r\n")
    except UnicodeDecodeError:
        return None
    status, *lines = head.split("\r\n")
    headers = [_HEADER.fullmatch(line) for line in lines]
    if not dummy or rest or len(head) > _MAX_HEAD or len(lines) > 100 or not _STATUS.fullmatch(status):
        return None
    digests = []
    for found in headers:
        if found is None or found[1].lower() in _UNUSUAL:
            return None
        if found[1].lower() == DIGEST:
            digests.append(found[2].strip(" \t"))
    return digests[0] if len(digests) == 1 else None


__all__ = ("PlainHead", "SentHead", "stated_digest")
