# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server as a process: passwords, rules, client certificates, listeners, logs and --check-config."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import typing as t

import bcrypt
import pytest
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.servers.peers import free_port

from .config.test_cli import ENVIRONMENT, IMAGE, PACKAGE, run, running
from .conftest import Certificate


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("app", "team/web"):
        images.write_layout(tmp_path / "root" / name, {"1": IMAGE})
    return tmp_path / "root"


class Answer(t.NamedTuple):
    """Status, headers and body of a response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def port_of(line: str) -> int:
    return int(line.partition(" ")[0].rpartition(":")[2])


def ask(
    port: int, path: str, *, tls: ssl.SSLContext | None = None, user: str | None = None, host: str = "127.0.0.1"
) -> Answer:
    headers = {} if user is None else {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
    connection = (
        http.client.HTTPConnection(host, port, timeout=30)
        if tls is None
        else http.client.HTTPSConnection(host, port, timeout=30, context=tls)
    )
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def config(folder: pathlib.Path, **values: t.Any) -> pathlib.Path:
    # JSON is YAML
    (folder / "config.yml").write_text(json.dumps({"port": 0, "access_log": "none", **values}))
    return folder / "config.yml"


def test_passwords_and_rules(tmp_path: pathlib.Path, root: pathlib.Path) -> None:
    lines = [f"{user}:{bcrypt.hashpw(user.encode(), bcrypt.gensalt(4)).decode()}\n" for user in ("joe", "jim")]
    (tmp_path / "htpasswd").write_text("".join(lines))
    made = config(
        tmp_path,
        root=str(root),
        htpasswd=str(tmp_path / "htpasswd"),
        realm="ours",
        allow=[{"repositories": ["team/*"], "users": ["joe"]}, {"repositories": "app", "networks": "127.0.0.0/8"}],
    )
    with running("--config", made) as (dummy, line):
        port = port_of(line)
        for user in (None, "joe:wrong", "nobody:joe"):
            for path in ("/v2/", "/v2/app/tags/list", "/v2/nowhere/tags/list"):
                answer = ask(port, path, user=user)
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (
                    401,
                    'Basic realm="ours", charset="UTF-8"',
                )
        assert ask(port, "/v2/team/web/manifests/1", user="joe:joe").body == IMAGE.data
        hidden, missing = (ask(port, f"/v2/{name}/tags/list", user="jim:jim") for name in ("team/web", "team/xyz"))
        assert hidden.status == missing.status == 404
        assert hidden.body.replace(b"web", b"xyz") == missing.body
        assert ask(port, "/v2/app/manifests/1", user="jim:jim").status == 200


@pytest.mark.parametrize("wanted", ["optional", "required"])
def test_client_certificates(tmp_path: pathlib.Path, root: pathlib.Path, wanted: str) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    server = ours.server()
    made = config(
        tmp_path,
        root=str(root),
        tls="tls",
        cert=str(server.cert),
        key=str(server.key),
        client_ca=str(ours.path),
        client_auth=wanted,
        allow=[{"subjects": ["CN=host1"]}],
    )

    def trust(certificate: t.Any = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(ours.path))
        if certificate is not None:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context

    with running("--config", made) as (dummy, line):
        port = port_of(line)
        assert ask(port, "/v2/app/manifests/1", tls=trust(ours.client("host1"))).status == 200
        assert ask(port, "/v2/app/manifests/1", tls=trust(ours.client("host2"))).status == 404
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            ask(port, "/v2/", tls=trust(others.client("host1")))
        if wanted == "optional":
            assert ask(port, "/v2/app/manifests/1", tls=trust()).status == 404
        else:
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                ask(port, "/v2/", tls=trust())


def test_a_handshake_that_takes_too_long(root: pathlib.Path, certificate: Certificate) -> None:
    words = ("--tls", "tls", "--cert", certificate.cert, "--key", certificate.key, "--handshake-seconds", 1)
    with running("--root", root, "--port", 0, *words) as (dummy, line):
        sock = socket.create_connection(("127.0.0.1", port_of(line)), timeout=9)
        with sock:
            assert sock.recv(1) == b""


def test_several_listeners(tmp_path: pathlib.Path, root: pathlib.Path) -> None:
    path = tmp_path / "socket"
    listen = ["127.0.0.1:0", f"unix:{path}"] + (["[::1]:0"] if socket.has_dualstack_ipv6() else [])
    made = config(tmp_path, root=str(root), listen=listen, unix_mode="0600")
    with running("--config", made) as (process, line):
        urls = line.split(" serves ")[0].split(" ")
        assert len(urls) == len(listen)
        assert urls[1] == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        assert ask(port_of(urls[0]), "/v2/").status == 200
        if len(urls) > 2:
            assert ask(port_of(urls[2]), "/v2/", host="::1").status == 200
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(str(path))
            sock.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.0 200")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not path.exists()


def test_the_second_listener(root: pathlib.Path) -> None:
    port = free_port()
    (root / "broken").mkdir()
    with running("--root", root, "--port", 0, "--admin", f"127.0.0.1:{port}", "--access-log", "none") as (dummy, line):
        served = port_of(line)
        assert ask(served, "/v2/app/manifests/1").status == 200
        assert ask(served, "/healthz").status == ask(served, "/metrics").status == 404
        assert (ask(port, "/healthz").status, ask(port, "/readyz").status) == (200, 200)
        assert ask(port, "/readyz").body == b"ready; left out 1: broken\n"
        assert ask(port, "/v2/").status == 404
        text = ask(port, "/metrics").body.decode()
        assert 'attested_registry_requests_total{method="GET",status="200"} 1.0' in text
        assert 'attested_registry_requests_total{method="GET",status="404"} 2.0' in text
        assert "attested_registry_repositories 2.0" in text
        assert "attested_registry_tags 2.0" in text
        assert "attested_registry_last_reload_successful 1.0" in text
        assert "attested_registry_certificate" not in text


def test_json_lines_on_standard_output(root: pathlib.Path) -> None:
    with running("--root", root, "--port", 0, "--access-log", "json") as (process, line):
        ask(port_of(line), "/v2/team/web/manifests/1")
        process.send_signal(signal.SIGTERM)
        out = process.communicate(timeout=30)[0]
    (found,) = (json.loads(line) for line in out.splitlines())
    assert (found["repository"], found["reference"], found["digest"]) == ("team/web", "1", IMAGE.digest)
    assert (found["status"], found["bytes"], found["user"]) == (200, IMAGE.size, None)


def test_check_config(tmp_path: pathlib.Path, root: pathlib.Path) -> None:
    assert run("--root", root, "--check-config") == (0, "The configuration is valid.\n", "")
    (tmp_path / "htpasswd").write_text("joe:secret\n")
    for words in (
        ["--root", root, "--htpasswd", tmp_path / "htpasswd"],
        ["--root", root / "nowhere"],
        ["--root", root, "--tls", "tls", "--cert", tmp_path / "htpasswd", "--key", tmp_path / "htpasswd"],
        ["--config", tmp_path / "nowhere"],
        ["--root", root, "--listen", "nowhere"],
        ["--root", root, "--accel", "x y"],
    ):
        code, out, err = run(*words, "--check-config")
        assert (code, out, err.count("\n")) == (1, "", 1), words
        assert "secret" not in err


def test_the_entry_of_checkouts(root: pathlib.Path) -> None:
    command = [sys.executable, "-m", PACKAGE, "--root", str(root), "--check-config"]
    assert subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0


def test_version_and_switches() -> None:
    code, out, err = run("--version")
    assert (code, out.split(" ")[0], err) == (0, "attested.registry", "")
