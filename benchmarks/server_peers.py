# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers that are measured side by side: ours, Debian's nginx and docker-registry, and a bare one of aiohttp."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.tests.support.servers.peers import DockerRegistry, Tls, ended, free_port, run

_SERVER = "ansible_collections.attested.registry.plugins.module_utils._server.serve"
_READY_SECONDS = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Serving:
    """A server that answers: where, and the process that all of its processes descend from."""

    url: str
    pid: int
    started_in: float = 0.0

    @property
    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        return sum(_cpu_of(pid) for pid in _family(self.pid))

    @property
    def memory_mib(self) -> float:
        """The resident memory of its largest process."""
        return max(_rss_of(pid) for pid in _family(self.pid)) / 1024


@contextlib.contextmanager
def ours(root: Path, work: Path, *options: str, tls: Tls | None = None) -> t.Iterator[Serving]:
    """The collection's server, without an access log, as the others have none."""
    port = free_port()
    if tls:
        options = ("--tls", "tls", "--cert", str(tls.certificate), "--key", str(tls.key), *options)
    url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
    with _started(_command(root, port, options), url, work / "ours.log") as serving:
        yield serving


@contextlib.contextmanager
def attested(root: Path, work: Path, *options: str, tls: Tls) -> t.Iterator[Serving]:
    """The collection's server with RA-TLS, which curl cannot speak: its other listener says when it is ready."""
    port, admin = free_port(), free_port()
    options = ("--tls", "ra-tls", "--cert", str(tls.certificate), "--key", str(tls.key), *options)
    command = _command(root, port, (*options, "--admin", f"127.0.0.1:{admin}"))
    with _started(command, f"http://127.0.0.1:{admin}", work / "attested.log", path="/readyz") as serving:
        yield dataclasses.replace(serving, url=f"https://127.0.0.1:{port}")


def _command(root: Path, port: int, options: t.Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", _SERVER, "--root", str(root), "--port", str(port), "--access-log", "none"]
    return [*command, "--connections-per-address", "0", *options]


@contextlib.contextmanager
def nginx(layout: Path, work: Path, *, tls: Tls | None = None) -> t.Iterator[Serving]:
    """nginx with two workers and sendfile, serving the files of a layout under the addresses of a registry."""
    port = free_port()
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]
    secure = f"ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};" if tls else ""
    config = work / "nginx.conf"
    config.write_text(
        f"""
        user root; worker_processes 2; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; server_tokens off;
            client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
            uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
            server {{
                listen 127.0.0.1:{port} {"ssl" if tls else ""}; {secure}
                types {{ }} default_type application/octet-stream;
                location = /v2/ {{ return 200; }}
                location ~ ^/v2/bench/blobs/sha256:([0-9a-f]+)$ {{ alias {layout}/blobs/sha256/$1; }}
                location = /v2/bench/manifests/latest {{
                    default_type {manifest["mediaType"]};
                    alias {layout}/blobs/sha256/{manifest["digest"].partition(":")[2]};
                }}
            }}
        }}
        """
    )
    command = ["nginx", "-p", str(work), "-c", str(config)]
    with _started(command, f"http{'s' if tls else ''}://127.0.0.1:{port}", work / "nginx.out") as serving:
        yield serving


@contextlib.contextmanager
def bare_aiohttp(layout: Path, work: Path) -> t.Iterator[Serving]:
    """A web.Server of aiohttp in one process, which answers every request with the manifest of the layout."""
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("bare_aiohttp.py")), str(layout), str(port)]
    with _started(command, f"http://127.0.0.1:{port}", work / "aiohttp.log") as serving:
        yield serving


@contextlib.contextmanager
def docker_registry(layout: Path, work: Path, *, tls: Tls | None = None) -> t.Iterator[Serving]:
    """docker-registry with the image of the layout pushed to it."""
    storage = work / "storage"
    if not storage.exists():
        with DockerRegistry(storage, work / "push").running() as address:
            source, target = f"oci:{layout}:latest", f"docker://{address}/bench:latest"
            run(
                "skopeo",
                "copy",
                "--quiet",
                "--insecure-policy",
                "--preserve-digests",
                "--dest-tls-verify=false",
                source,
                target,
            )
    port = free_port()
    config = work / "docker-registry.yml"
    secure = f", tls: {{certificate: {tls.certificate}, key: {tls.key}}}" if tls else ""
    config.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {storage}}}}}\nhttp: {{addr: '127.0.0.1:{port}'{secure}}}\n"
    )
    url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
    with _started(["docker-registry", "serve", str(config)], url, work / "docker-registry.log") as serving:
        yield serving


@contextlib.contextmanager
def _started(command: t.Sequence[str], url: str, log: Path, *, path: str = "/v2/") -> t.Iterator[Serving]:
    begin = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        with ended(process):
            while subprocess.call(["curl", "-skf", "-o", "/dev/null", f"{url}{path}"]) != 0:
                if process.poll() is not None or time.perf_counter() - begin > _READY_SECONDS:
                    sys.exit(f"{' '.join(command)} does not serve:\n{log.read_text()}")
                time.sleep(0.02)
            yield Serving(url, process.pid, time.perf_counter() - begin)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
