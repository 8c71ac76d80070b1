# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real peers on the loopback interface: Debian's docker-registry, plain or with TLS and passwords; skopeo; umoci."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

_READY_SECONDS = 30.0


class PeerError(Exception):
    """A peer could not be started or a tool failed; the message holds its output."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """The standard output of a command. Raises PeerError with both outputs when it fails."""
    answer = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if answer.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise PeerError(f"{words} failed with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
    return answer.stdout


def skopeo_copy(source: str, destination: str, *options: str) -> None:
    """Copies an image between transports of skopeo; what it checks of TLS is said by the options."""
    run("skopeo", "copy", "--quiet", "--insecure-policy", *options, source, destination)


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Tls:
    """A certificate authority made for the occasion, and what it signed for localhost and 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path


def make_tls(directory: Path, *, rsa: bool = False) -> Tls:
    """Mints a certificate authority and a server certificate with openssl, on P-256 or with RSA of 2048 bits."""
    directory.mkdir(parents=True, exist_ok=True)
    tls = Tls(directory / "ca.crt", directory / "server.crt", directory / "server.key")
    ca_key, request, extensions = directory / "ca.key", directory / "server.csr", directory / "server.ext"
    kind = ("rsa:2048",) if rsa else ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    new_key = ("-newkey", *kind, "-nodes")
    run("openssl", "req", "-x509", *new_key, "-keyout", ca_key, "-out", tls.ca, "-days", "30", "-subj", "/CN=Test CA")
    run("openssl", "req", *new_key, "-keyout", tls.key, "-out", request, "-subj", "/CN=localhost")
    extensions.write_text(
        "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
    )
    signer = ("-CA", tls.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30", "-extfile", extensions)
    run("openssl", "x509", "-req", "-in", request, "-out", tls.certificate, *signer)
    return tls


def make_htpasswd(path: Path, username: str, password: str) -> Path:
    """A password file with one bcrypt entry."""
    path.write_text(run("htpasswd", "-nbB", username, password).strip() + "\n")
    return path


@dataclass(frozen=True)
class DockerRegistry:
    """What docker-registry is started with. Several may serve one storage directory."""

    storage: Path
    work: Path
    tls: Tls | None = None
    htpasswd: Path | None = None

    @contextlib.contextmanager
    def running(self) -> t.Iterator[str]:
        """Starts it on a free port and yields "127.0.0.1:PORT" once it answers; ends it afterwards."""
        address = f"127.0.0.1:{free_port()}"
        self.work.mkdir(parents=True, exist_ok=True)
        self.storage.mkdir(parents=True, exist_ok=True)
        config = self.work / "config.yml"
        config.write_text(self._config(address))
        program = shutil.which("docker-registry")
        if program is None:
            raise PeerError("docker-registry is not installed; it comes with Debian's package of that name.")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "OTEL_"))}
        with _serving([program, "serve", str(config)], address, log=self.work / "log", tls=self.tls, environment=kept):
            yield address

    def _config(self, address: str) -> str:
        lines = [
            "version: 0.1",
            "log: {level: info, accesslog: {disabled: false}}",
            f"storage: {{filesystem: {{rootdirectory: {self.storage}}}, delete: {{enabled: true}}}}",
            "http:",
            f"  addr: {address}",
        ]
        if self.tls:
            lines.append(f"  tls: {{certificate: {self.tls.certificate}, key: {self.tls.key}}}")
        if self.htpasswd:
            lines.append(f"auth: {{htpasswd: {{realm: test, path: {self.htpasswd}}}}}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class OwnServer:
    """The collection's own server, started as its users start it. attestation are the switches that RA-TLS needs."""

    root: Path
    work: Path
    tls: Tls | None = None
    attestation: t.Sequence[str | Path] = ()

    @property
    def log(self) -> Path:
        """Everything that it prints."""
        return self.work / "log"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[str]:
        """Starts it on a free port and yields "127.0.0.1:PORT" once it answers; ends it afterwards."""
        port = free_port()
        self.work.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ansible_collections.attested.registry.plugins.module_utils._server"]
        command += ["--root", str(self.root), "--host", "127.0.0.1", "--port", str(port)]
        address = f"127.0.0.1:{port}"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # it finds what we found
        if self.tls:
            mode = "ra-tls" if self.attestation else "tls"
            command += ["--tls", mode, "--cert", str(self.tls.certificate), "--key", str(self.tls.key)]
        asked, tls, path = address, self.tls, "/v2/"
        if self.attestation:
            # http.client cannot attest anything
            asked, tls, path = f"127.0.0.1:{free_port()}", None, "/readyz"
            command += ["--admin", asked, *map(str, self.attestation)]
        with _serving(command, asked, log=self.log, tls=tls, environment=environment, path=path):
            yield address


@contextlib.contextmanager
def _serving(
    command: t.Sequence[str],
    address: str,
    *,
    log: Path,
    tls: Tls | None,
    environment: t.Mapping[str, str],
    path: str = "/v2/",
) -> t.Iterator[None]:
    """Runs a server inside the with block; enters the block once it answers a request for path."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        with ended(process):
            _wait_until_ready(address, process, tls=tls, log=log, path=path)
            yield


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> t.Iterator[subprocess.Popen[bytes]]:
    """Yields a running process and ends it afterwards, the hard way when it does not go by itself."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], *, tls: Tls | None, log: Path, path: str) -> None:
    limit = time.monotonic() + _READY_SECONDS
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise PeerError(f"{process.args!r} ended with {process.returncode}:\n{log.read_text()}")
        if _answers(address, tls, path):
            return
        time.sleep(0.05)
    raise PeerError(f"{process.args!r} on {address} did not answer within {_READY_SECONDS:.0f} s:\n{log.read_text()}")


def _answers(address: str, tls: Tls | None, path: str) -> bool:
    connection: http.client.HTTPConnection
    if tls:
        connection = http.client.HTTPSConnection(
            address, timeout=5, context=ssl.create_default_context(cafile=str(tls.ca))
        )
    else:
        connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in (200, 401)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
