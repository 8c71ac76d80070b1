# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start real peers on the loopback interface: Debian's docker-registry, nginx, and this collection's server.

Also runs the tools of the peers: skopeo, openssl, htpasswd.
"""

from __future__ import annotations

import contextlib
import http.client
import json
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

_READY_SECONDS: t.Final = 30.0


class PeerError(Exception):
    """A peer could not be started or a tool failed; the message contains its output."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and return its standard output. Raises PeerError with both outputs if it fails."""
    answer = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if answer.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise PeerError(f"{words} failed with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
    return answer.stdout


def skopeo_copy(source: str, destination: str, *options: str) -> None:
    """Copy an image between transports of skopeo; the options set the TLS checks."""
    run("skopeo", "copy", "--quiet", "--insecure-policy", *options, source, destination)


def find_program(name: str) -> str | None:
    """Return the path of a program on PATH or in the directory of `go install`; None if it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], os.path.expanduser("~/go/bin")]))


def free_port() -> int:
    """Return a TCP port of the loopback interface that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Tls:
    """A certificate authority for one test, and the certificate that it signed for localhost and 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path


def make_tls(directory: Path, *, rsa: bool = False) -> Tls:
    """Make a certificate authority and a server certificate with openssl, on P-256 or with RSA of 2048 bits."""
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
    """Write a password file with one bcrypt entry; return its path."""
    path.write_text(run("htpasswd", "-nbB", username, password).strip() + "\n")
    return path


@dataclass(frozen=True)
class TokenAuth:
    """What a registry has to know about its token service; bundle are the certificates that may sign tokens."""

    realm: str
    service: str
    issuer: str
    bundle: Path


@dataclass(frozen=True)
class DockerRegistry:
    """The settings of a docker-registry. Several registries may serve one storage directory.

    With remote, the URL of another registry, it is a pull-through cache of that registry. With token, clients need
    tokens of that service. program is Debian's, version 2 of distribution; "registry" is that of a later version.
    """

    storage: Path
    work: Path
    tls: Tls | None = None
    htpasswd: Path | None = None
    remote: str | None = None
    token: TokenAuth | None = None
    program: str = "docker-registry"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[str]:
        """Start it on a free port, yield "127.0.0.1:PORT" once it answers, and stop it at the end."""
        address = f"127.0.0.1:{free_port()}"
        self.work.mkdir(parents=True, exist_ok=True)
        self.storage.mkdir(parents=True, exist_ok=True)
        config = self.work / "config.yml"
        config.write_text(self._config(address))
        program = find_program(self.program)
        if program is None:
            raise PeerError(f"{self.program} is not installed; install Debian's package docker-registry.")
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
        if self.token:
            lines.append(f"auth: {{token: {{realm: {self.token.realm}, service: {self.token.service},")
            lines.append(f"  issuer: {self.token.issuer}, rootcertbundle: {self.token.bundle}}}}}")
        if self.remote:
            lines.append(f"proxy: {{remoteurl: {self.remote}}}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class DockerAuth:
    """The settings of docker_auth (github.com/cesanta/docker_auth), a token service: passwords and actions of users.

    It signs with the certificate of tls.
    """

    work: Path
    tls: Tls
    users: t.Mapping[str, str]
    actions: t.Mapping[str, t.Collection[str]]

    @staticmethod
    def program() -> str | None:
        """Return the path of the program, None if it is not installed."""
        return shutil.which("docker_auth")

    @contextlib.contextmanager
    def running(self) -> t.Iterator[TokenAuth]:
        """Start it on a free port and yield what a registry has to be told about it."""
        import bcrypt

        address = f"127.0.0.1:{free_port()}"
        self.work.mkdir(parents=True, exist_ok=True)
        hashed = {name: bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode() for name, word in self.users.items()}
        token = {"issuer": "docker_auth", "expiration": 300}
        keys = {"certificate": str(self.tls.certificate), "key": str(self.tls.key)}
        config = {
            "server": {"addr": address},
            "token": {**token, **keys},
            "users": {name: {"password": word} for name, word in hashed.items()},
            "acl": [{"match": {"account": name}, "actions": list(found)} for name, found in self.actions.items()],
        }
        (self.work / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        command = [str(self.program()), "-logtostderr", str(self.work / "config.yml")]
        with _serving(command, address, log=self.work / "log", tls=None, environment=os.environ, path="/"):
            yield TokenAuth(f"http://{address}/auth", "registry", "docker_auth", self.tls.certificate)


@dataclass(frozen=True)
class CraneRegistry:
    """The registry that crane starts, which keeps manifests in memory and blobs in the directory work."""

    work: Path

    @contextlib.contextmanager
    def running(self) -> t.Iterator[str]:
        """Start it on a free port, yield "127.0.0.1:PORT" once it answers, and stop it at the end."""
        address = f"127.0.0.1:{free_port()}"
        self.work.mkdir(parents=True, exist_ok=True)
        program = find_program("crane")
        if program is None:
            raise PeerError("crane is not installed; see tests/README.md.")
        command = [program, "registry", "serve", "--address", address, "--disk", str(self.work)]
        with _serving(command, address, log=self.work / "log", tls=None, environment=os.environ):
            yield address


_HARBOR_LIKE: t.Final = """
daemon off; master_process off; pid {work}/pid; error_log {work}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi; uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  server {{
    listen {address} ssl; ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};
    location /v2/{prefix}/ {{
      auth_basic harbor; auth_basic_user_file {htpasswd};
      proxy_pass http://{backend}/v2/; proxy_http_version 1.1; proxy_set_header Authorization "";
    }}
    location / {{
      default_type text/html; return 200 "<!doctype html><html><title>Portal</title></html>";
    }}
  }}
}}
"""


@dataclass(frozen=True)
class HarborLikeFront:
    """An nginx that stands in for a proxy cache such as Harbor's.

    It has the images of another registry, host:port, below a prefix for those who log in. To all other requests it
    answers 200 with a web page.
    """

    backend: str
    prefix: str
    work: Path
    tls: Tls
    htpasswd: Path

    @contextlib.contextmanager
    def running(self) -> t.Iterator[str]:
        """Start it on a free port, yield "127.0.0.1:PORT" once it answers, and stop it at the end."""
        address = f"127.0.0.1:{free_port()}"
        self.work.mkdir(parents=True, exist_ok=True)
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise PeerError("nginx is not installed; install Debian's package of that name.")
        config = self.work / "nginx.conf"
        config.write_text(_HARBOR_LIKE.format(address=address, **vars(self)))
        command = [program, "-p", str(self.work), "-c", str(config)]
        with _serving(command, address, log=self.work / "log", tls=self.tls, environment=os.environ):
            yield address


@dataclass(frozen=True)
class OwnServer:
    """This collection's server, started as users start it. attestation has the switches for RA-TLS."""

    root: Path
    work: Path
    tls: Tls | None = None
    attestation: t.Sequence[str | Path] = ()

    @property
    def log(self) -> Path:
        """The file with all output of the server."""
        return self.work / "log"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[str]:
        """Start it on a free port, yield "127.0.0.1:PORT" once it answers, and stop it at the end."""
        port = free_port()
        self.work.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ansible_collections.attested.registry.plugins.module_utils._server"]
        command += ["--root", str(self.root), "--host", "127.0.0.1", "--port", str(port)]
        address = f"127.0.0.1:{port}"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # the same packages as here
        if self.tls:
            mode = "ra-tls" if self.attestation else "tls"
            command += ["--tls", mode, "--cert", str(self.tls.certificate), "--key", str(self.tls.key)]
        asked, tls, path = address, self.tls, "/v2/"
        if self.attestation:
            # http.client cannot attest itself, so readiness is asked for on the admin port
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
    """Run a server during the with block; enter the block once the server answers a request for path."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        with ended(process):
            _wait_until_ready(address, process, tls=tls, log=log, path=path)
            yield


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> t.Iterator[subprocess.Popen[bytes]]:
    """Yield a running process and terminate it at the end; kill it if it does not end by itself."""
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
