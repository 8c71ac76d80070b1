# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server of the collection in a child process, with any of its options, and clients for each access method.

with serving(root, tmp_path / "log", Way("tls", authority), "--workers", "2") as served:
    served.get("/v2/app/tags/list")
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ..attestation.attested_clients import AttestedHttp, attested, make_realm
from ..attestation.certificates import Authority, Certificate
from .peers import PeerError, ended, make_htpasswd

SERVER: t.Final = "ansible_collections.attested.registry.plugins.module_utils._server"
USERNAME: t.Final = "reader"


@dataclass(frozen=True)
class Answer:
    """An HTTP response, with header names in lower case."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Way:
    """An access method: options of the server, and what clients need to connect and to authenticate."""

    name: t.Literal["plain", "tls", "basic", "certificate", "ra-tls"]
    options: tuple[str | Path, ...] = ()
    authority: Authority | None = None
    password: str | None = field(default=None, repr=False)
    client: Certificate | None = None
    # the directory of the simulated realm that clients attest as
    realm: Path | None = None

    @property
    def trust(self) -> ssl.SSLContext | None:
        """The context of a TLS client, None for plain HTTP."""
        if self.authority is None:
            return None
        context = ssl.create_default_context(cafile=str(self.authority.path))
        if self.client is not None:
            context.load_cert_chain(self.client.cert, self.client.key)
        return context


def make_ways(directory: Path, password: str) -> tuple[Way, ...]:
    """Return the ways plain, TLS, TLS with Basic authentication, and TLS with client certificates."""
    directory.mkdir(parents=True)
    authority = Authority(directory)
    server, client = authority.server(), authority.client("host1")
    passwords = make_htpasswd(directory / "htpasswd", USERNAME, password)
    tls: tuple[str | Path, ...] = ("--tls", "tls", "--cert", server.cert, "--key", server.key)
    required = ("--client-ca", authority.path, "--client-auth", "required")
    return (
        Way("plain"),
        Way("tls", tls, authority),
        Way("basic", (*tls, "--htpasswd", passwords), authority, password),
        Way("certificate", (*tls, *required), authority, client=client),
    )


def make_attested_way(directory: Path) -> Way:
    """Return the way RA-TLS, for a simulated realm whose measurements the server knows."""
    directory.mkdir(parents=True)
    authority, realm = Authority(directory), make_realm(directory / "realm")
    server = authority.server()
    tls: tuple[str | Path, ...] = ("--tls", "ra-tls", "--cert", server.cert, "--key", server.key)
    judged = ("--trust-anchors", realm / "cpak.pem", "--reference-values", realm / "reference.json")
    return Way("ra-tls", (*tls, *judged), authority, realm=realm)


@dataclass(frozen=True)
class Served:
    """A running server. address is "127.0.0.1:PORT"."""

    address: str
    way: Way

    @property
    def url(self) -> str:
        """The URL of the server, without a path."""
        return f"{'http' if self.way.authority is None else 'https'}://{self.address}"

    def connect(self) -> http.client.HTTPConnection:
        """Return a client for several requests."""
        trust, way = self.way.trust, self.way
        if way.realm is not None and way.authority is not None:
            host, dummy, port = self.address.partition(":")
            return AttestedHttp(host, int(port), answer=attested(way.realm), trust=way.authority.path, timeout=60)
        if trust is None:
            return http.client.HTTPConnection(self.address, timeout=60)
        return http.client.HTTPSConnection(self.address, timeout=60, context=trust)

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """Send one request on a new connection. Header names are keyword arguments, with underscores for hyphens."""
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            got = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, got, response.read())


@contextlib.contextmanager
def serving(root: Path, log: Path, way: Way, *options: str | Path) -> t.Iterator[Served]:
    """Start the server on a free port, yield when it accepts connections, and stop it. log receives its error output.

    Raises PeerError if the server exits at once.
    """
    command = [sys.executable, "-m", SERVER, "--root", root, "--host", "127.0.0.1", "--port", "0"]
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [str(word) for word in (*command, *way.options, *options)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
        ) as process,
        ended(process),
    ):
        assert process.stdout is not None
        # the line with the URL, which the server prints when it accepts connections
        url = process.stdout.readline().decode().partition(" ")[0]
        if not url:
            raise PeerError(f"The server ended with {process.wait()}:\n{log.read_text()}")
        yield Served(url.strip().partition("://")[2], way)


__all__ = ("USERNAME", "Answer", "Served", "Way", "make_attested_way", "make_ways", "serving")
