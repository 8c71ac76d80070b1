# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server with tls: ra-tls as a process: switches, log, metrics, reloads of its files, and stopping."""

from __future__ import annotations

import contextlib
import json
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import typing as t
import urllib.request

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.signing import SigningKey
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.jwk import encode_base64url
from ansible_collections.attested.registry.plugins.module_utils._server.config.cli import parse_command
from ansible_collections.attested.registry.plugins.module_utils._server.processes.credentials import AccessFiles
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import AlertReceived
from ansible_collections.attested.registry.tests.support.attestation.attested_clients import (
    AttestedHttp,
    attested,
    make_realm,
    shake_hands,
)
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.servers.peers import free_port

from .config.test_cli import ENVIRONMENT, IMAGE, command, running
from .conftest import Answer, Certificate, mint, read_answer


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("app", "team/web"):
        images.write_layout(tmp_path / "root" / name, {"1": IMAGE})
    return tmp_path / "root"


def port_of(line: str) -> int:
    return int(line.partition(" ")[0].rpartition(":")[2])


def ask(port: int, path: str, *, realm: pathlib.Path, trust: pathlib.Path) -> Answer:
    with contextlib.closing(AttestedHttp("127.0.0.1", port, answer=attested(realm), trust=trust)) as connection:
        connection.request("GET", path)
        return read_answer(connection.getresponse())


def ra_tls(certificate: Certificate) -> tuple[t.Any, ...]:
    return ("-p", 0, "-t", "ra-tls", "-c", certificate.cert, "-k", certificate.key)


def jwk_of(key: SigningKey) -> str:
    """The public key as JWK."""
    size, point = key.public.algorithm.size, key.public.point
    x, y = (encode_base64url(part) for part in (point[1 : 1 + size], point[1 + size :]))
    return json.dumps({"kty": "EC", "crv": key.public.algorithm.curve, "x": x, "y": y})


def until(process: t.Any, text: str) -> str:
    """The lines of its log up to one that holds this text."""
    seen = ""
    while text not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    return seen


def refused(port: int, realm: pathlib.Path, trust: pathlib.Path, *, alert: str = "certificate_unknown") -> bool:
    try:
        ask(port, "/v2/", realm=realm, trust=trust)
    except AlertReceived as exc:
        return exc.fields["alert"] == alert
    return False


def test_the_old_switches(tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate) -> None:
    realm, other = make_realm(tmp_path / "realm"), make_realm(tmp_path / "other", "--name", "other")
    words = (*ra_tls(certificate), "-j", realm / "reference.json", "--allow-unauthenticated-evidence")
    with running("-r", root, *words) as (process, line):
        assert line.startswith("https://127.0.0.1:")
        answer = ask(port_of(line), "/v2/app/manifests/1", realm=realm, trust=certificate.cert)
        assert (answer.status, answer.body) == (200, IMAGE.data)
        assert answer.headers["cache-control"] == "private, no-cache"
        assert refused(port_of(line), other, certificate.cert)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert "WARNING ra-tls: The signature of the platform was not checked" in err
    assert " platform=not_authenticated warning=unauthenticated,simulated\n" in err
    (request,) = (line for line in err.splitlines() if " GET " in line)
    assert request.endswith(" warning=unauthenticated,simulated")
    assert "attestation refused: peer=127.0.0.1 kind=appraisal_failed appraiser=reference_values token=sha256:" in err
    assert "Traceback" not in err


def test_trust_anchors_and_the_json_log(tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate) -> None:
    realm, other = make_realm(tmp_path / "realm"), make_realm(tmp_path / "other")
    words = (*ra_tls(certificate), "--trust-anchors", realm / "cpak.pem", "--access-log", "json")
    with running("-r", root, *words) as (process, line):
        assert ask(port_of(line), "/v2/team/web/tags/list", realm=realm, trust=certificate.cert).status == 200
        assert refused(port_of(line), other, certificate.cert)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    found = json.loads(out)
    assert (found["repository"], found["status"]) == ("team/web", 200)
    attestation = found["attestation"]
    assert attestation.keys() == {"token", "rim", "profile", "instance", "platform", "warnings"}
    assert attestation["token"].startswith("sha256:")
    assert (attestation["platform"], attestation["warnings"]) == ("authenticated", ["simulated"])
    assert f"token={attestation['token']} rim={attestation['rim']}" in err
    assert "kind=token_untrusted" in err


def test_a_unix_socket(tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate) -> None:
    realm, other = make_realm(tmp_path / "realm"), make_realm(tmp_path / "other")
    path = tmp_path / "socket"
    words = (*ra_tls(certificate), "--listen", f"unix:{path}", "--trust-anchors", realm / "cpak.pem")

    def get(folder: pathlib.Path) -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30)
            sock.connect(str(path))
            with shake_hands(sock, "127.0.0.1", answer=attested(folder), trust=certificate.cert) as connection:
                connection.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
                return connection.recv(12)

    with running("-r", root, *words) as (process, dummy):
        assert get(realm) == b"HTTP/1.0 200"
        with pytest.raises(AlertReceived):
            get(other)
        assert "attestation refused: peer=- kind=token_untrusted" in until(process, "attestation refused")


def test_metrics(tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate) -> None:
    realm, other = make_realm(tmp_path / "realm"), make_realm(tmp_path / "other")
    port = free_port()
    words = (*ra_tls(certificate), "--trust-anchors", realm / "cpak.pem", "--admin", f"127.0.0.1:{port}")
    with running("-r", root, *words) as (dummy, line):
        assert ask(port_of(line), "/v2/", realm=realm, trust=certificate.cert).status == 200
        assert refused(port_of(line), other, certificate.cert)
        socket.create_connection(("127.0.0.1", port_of(line)), timeout=30).close()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    assert 'attested_registry_attestations_total{result="accepted"} 1.0' in text
    assert 'attested_registry_attestations_total{result="rejected"} 1.0' in text
    assert 'attested_registry_attestations_total{result="busy"} 0.0' in text
    assert "attested_registry_attestation_seconds_count 2.0" in text


def test_without_an_answer_of_veraison_no_client_is_admitted(
    tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate
) -> None:
    realm = make_realm(tmp_path / "realm")
    key = jwk_of(SigningKey.generate("P-256"))
    (tmp_path / "pkey.jwk").write_text(key)
    words = ("-u", f"http://127.0.0.1:{free_port()}", "-v", tmp_path / "pkey.jwk", "-j", realm / "reference.json")
    with running("-r", root, *ra_tls(certificate), *words) as (process, line):
        assert refused(port_of(line), realm, certificate.cert, alert="internal_error")
        assert "kind=veraison_failed" in until(process, "attestation refused")


def test_new_files_take_effect_and_broken_ones_do_not(
    tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate
) -> None:
    realm, other = make_realm(tmp_path / "realm"), make_realm(tmp_path / "other", "--name", "other")
    names = ("cpak.pem", "reference.json", "server.crt", "server.key")
    anchors, reference, cert, key = (tmp_path / name for name in names)
    for source, target in (
        (realm / "cpak.pem", anchors),
        (realm / "reference.json", reference),
        (certificate.cert, cert),
        (certificate.key, key),
    ):
        shutil.copy(source, target)
    words = ("-p", 0, "-t", "ra-tls", "-c", cert, "-k", key, "--trust-anchors", anchors, "-j", reference)

    def now(accepted: pathlib.Path, rejected: pathlib.Path, trust: pathlib.Path) -> bool:
        return not refused(port_of(line), accepted, trust) and refused(port_of(line), rejected, trust)

    with running("-r", root, *words) as (process, line):
        assert now(realm, other, cert)
        anchors.write_bytes((other / "cpak.pem").read_bytes())
        reference.write_text("{")
        key.write_text("nonsense")
        process.send_signal(signal.SIGHUP)
        seen = until(process, "The previous state stays in use.")
        seen += until(process, "The previous state stays in use.")
        assert str(reference) in seen
        assert str(key) in seen
        assert now(realm, other, certificate.cert)
        shutil.copy(other / "reference.json", reference)
        new = mint(tmp_path)
        assert (new.cert, new.key) == (cert, key)
        process.send_signal(signal.SIGHUP)
        until(process, "reloaded:")
        assert now(other, realm, new.cert)


def test_unchanged_files_give_equal_access_files(
    tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate
) -> None:
    realm = make_realm(tmp_path / "realm")
    settings = parse_command([str(word) for word in ("-r", root, *ra_tls(certificate), *trusting(realm))]).settings
    before = AccessFiles.read(settings)
    problems: list[str] = []
    assert before.renewed(settings, problems) == before
    assert before == AccessFiles.read(settings)
    (realm / "reference.json").write_bytes((make_realm(tmp_path / "x", "--name", "x") / "reference.json").read_bytes())
    after = before.renewed(settings, problems)
    assert after != before
    assert after.certificate is before.certificate
    assert not problems


def trusting(realm: pathlib.Path) -> tuple[t.Any, ...]:
    return ("--trust-anchors", realm / "cpak.pem", "-j", realm / "reference.json")


def check_config(libraries: pathlib.Path, *words: t.Any) -> tuple[int, str]:
    """The exit code and the standard error of the server with these libraries in front of those that are installed."""
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{libraries}:{ENVIRONMENT['PYTHONPATH']}"}
    done = subprocess.run(
        command(*words, "--check-config"), env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("library", ["cryptography", "cbor2"])
def test_without_a_library_of_attestation(
    tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate, library: str
) -> None:
    (tmp_path / f"{library}.py").write_text("raise ImportError('not here')\n")
    assert check_config(tmp_path, "-r", root, "-p", 0) == (0, "")
    code, line = check_config(tmp_path, "-r", root, *ra_tls(certificate), "--trust-anchors", "/nowhere")
    assert (code, line.count("\n"), library in line) == (1, 1, True)


def test_an_old_cbor2_is_named_and_never_called(
    tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate
) -> None:
    (tmp_path / "cbor2").mkdir()
    (tmp_path / "cbor2/__init__.py").write_text("import os\nloads = dumps = CBORDecoder = lambda *a, **b: os.abort()\n")
    (tmp_path / "cbor2-5.3.0.dist-info").mkdir()
    (tmp_path / "cbor2-5.3.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: cbor2\nVersion: 5.3.0\n")
    assert check_config(tmp_path, "-r", root, "-p", 0) == (0, "")
    realm = make_realm(tmp_path / "realm")
    code, line = check_config(tmp_path, "-r", root, *ra_tls(certificate), *trusting(realm))
    assert (code, line.count("\n")) == (1, 1)
    assert f"cbor2 >= 5.4.0 and 5.3.0 was found in {tmp_path}; upgrade it, with " in line
    assert f"{sys.executable} -m pip install 'cbor2>=5.4.0'." in line


def test_a_server_that_stops_lets_answers_end(
    tmp_path: pathlib.Path, root: pathlib.Path, certificate: Certificate
) -> None:
    huge = images.Content(random.Random(1).randbytes(3_000_000), "text/plain")
    images.write_layout(root / "huge", {"1": images.artifact("a/b", [huge])})
    realm = make_realm(tmp_path / "realm")
    with running("-r", root, *ra_tls(certificate), *trusting(realm)) as (process, line):
        answer = attested(realm)
        with contextlib.closing(
            AttestedHttp("127.0.0.1", port_of(line), answer=answer, trust=certificate.cert)
        ) as busy:
            busy.request("GET", f"/v2/huge/blobs/{huge.digest}")
            response = busy.getresponse()
            begin = response.read(1000)
            process.send_signal(signal.SIGTERM)
            until(process, "stopping")
            assert begin + response.read() == huge.data
        assert process.wait(30) == 0
