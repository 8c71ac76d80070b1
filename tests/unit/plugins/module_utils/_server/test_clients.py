# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""skopeo and curl list, copy and resume what the server serves."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import load_layout
from ansible_collections.attested.registry.tests.support.images import images

from .conftest import Certificate, RunningServer, Serve

GZIP = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n" * 50_000)], compression="none")
ZSTD = images.layer([images.whiteout("etc/motd")], compression="zstd")
IMAGE = images.image([GZIP, ZSTD], platform="linux/amd64", annotations={"org.example": "yes"})
ARM = images.image([GZIP], platform="linux/arm64")
MANY = images.index([IMAGE, ARM])
DOCKER = images.image([images.layer([images.file("a")], docker=True)], docker=True)


def run(*command: t.Any) -> str:
    """Run a client; gives what it writes."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def server(tmp_path: pathlib.Path, serve: Serve) -> RunningServer:
    root = tmp_path / "root"
    images.write_layout(root / "app", {"1.0": IMAGE, "many": MANY})
    images.write_layout(root / "team" / "docker", {"latest": DOCKER})
    return serve(root)


def reference(server: RunningServer, rest: str) -> str:
    return f"docker://127.0.0.1:{server.address[1]}/{rest}"


def test_skopeo_inspect(server: RunningServer) -> None:
    for rest, digest in (("app:1.0", IMAGE.digest), ("app:many", MANY.digest), (f"app@{ARM.digest}", ARM.digest)):
        output = run("skopeo", "inspect", "--tls-verify=false", "--override-arch=amd64", reference(server, rest))
        assert f'"Digest": "{digest}"' in output
        assert GZIP.digest in output


def test_skopeo_list_tags(server: RunningServer) -> None:
    output = run("skopeo", "list-tags", "--tls-verify=false", reference(server, "app"))
    assert '"1.0"' in output
    assert '"many"' in output


def test_skopeo_copies_all_of_an_index(server: RunningServer, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "copy"
    source = reference(server, "app:many")
    run("skopeo", "copy", "--all", "--preserve-digests", "--src-tls-verify=false", source, f"oci:{copy}:many")
    layout = load_layout(str(copy))
    assert {str(digest) for digest in layout.manifests} == {MANY.digest, IMAGE.digest, ARM.digest}
    assert str(layout.tags["many"]) == MANY.digest


def test_skopeo_copies_a_docker_image(server: RunningServer, tmp_path: pathlib.Path) -> None:
    copy = tmp_path / "copy"
    run("skopeo", "copy", "--src-tls-verify=false", reference(server, "team/docker:latest"), f"dir:{copy}")
    assert (copy / "manifest.json").read_bytes() == DOCKER.data
    assert (copy / DOCKER.layers[0].digest[7:]).read_bytes() == DOCKER.layers[0].data


def test_skopeo_over_tls(tmp_path: pathlib.Path, serve: Serve, certificate: Certificate) -> None:
    images.write_layout(tmp_path / "root" / "app", {"1.0": IMAGE})
    server = serve(tmp_path / "root", certificate)
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    shutil.copy(certificate.cert, trusted / "ca.crt")
    source, copy = reference(server, "app:1.0"), tmp_path / "copy"
    run("skopeo", "copy", f"--src-cert-dir={trusted}", "--preserve-digests", source, f"oci:{copy}:1.0")
    assert str(load_layout(str(copy)).tags["1.0"]) == IMAGE.digest


def test_curl_resumes(server: RunningServer, tmp_path: pathlib.Path) -> None:
    partial = tmp_path / "blob"
    partial.write_bytes(GZIP.data[:100_000])
    run("curl", "-sS", "--fail", "-C", "-", "-o", partial, f"{server.url}/v2/app/blobs/{GZIP.digest}")
    assert partial.read_bytes() == GZIP.data
