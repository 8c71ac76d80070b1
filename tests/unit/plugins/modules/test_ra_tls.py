# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module that uses a registry works over RA-TLS and returns its attestation."""

from __future__ import annotations

import pathlib
import sys
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import crypto
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.sources import make_source
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor
from ansible_collections.attested.registry.tests.support.attestation.attesting_front import (
    AttestingFront,
    accepting,
    make_realm,
)
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority
from ansible_collections.attested.registry.tests.support.images.images import Image, image, layer
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

SIMULATED = "The evidence is simulated: it proves nothing and is for tests and demonstrations alone."


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return make_realm(tmp_path_factory.mktemp("realms") / "one")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def front(registry: FaultyRegistry, authority: Authority, realm: pathlib.Path) -> t.Iterator[AttestingFront]:
    with AttestingFront(registry.port, authority.server(), accepting(realm)) as server:
        yield server


@pytest.fixture
def options(front: AttestingFront, authority: Authority, realm: pathlib.Path) -> dict[str, t.Any]:
    return {
        "registry": f"127.0.0.1:{front.port}",
        "repository": "app",
        "tls": "ra-tls",
        "ca_path": str(authority.path),
        "ratls": {"evidence": "simulated", "path": str(realm), "key_type": "ec-p256"},
    }


@pytest.fixture
def run(
    run_module: t.Any, registry: FaultyRegistry, options: dict[str, t.Any], new: Image, tmp_path: pathlib.Path
) -> t.Callable[..., t.Any]:
    """Runs one of the modules with what it needs."""
    named = {"org.opencontainers.image.title": "name"}
    files = image([layer(b"content", compression="none", media_type="text/plain", annotations=named)])
    registry.writable = True
    registry.publish("app", {"1.0": new})
    registry.writable = True
    dest = str(tmp_path / "dest")
    platform = {"platform": "linux/amd64"}
    own: dict[str, dict[str, t.Any]] = {
        "oci_tags": {},
        "oci_tag": {"reference": "1.0", "tags": ["new"]},
        "oci_catalog": {},
        "oci_image_info": {"reference": "1.0", **platform},
        "oci_index": {"tag": "many", "manifests": [{"reference": "1.0"}]},
        "oci_manifest": {"reference": "1.0"},
        "oci_referrers": {"reference": "1.0"},
        "oci_blob": {"digest": new.layers[0].digest, "dest": dest},
        "oci_image_unpack": {"reference": "1.0", "dest": dest, "ownership": False, **platform},
        "oci_layout": {"reference": "1.0", "dest": dest},
        "oci_archive": {"reference": "1.0", "dest": dest},
        "oci_image_export": {"reference": "1.0", "dest": dest, "ownership": False, **platform},
        "oci_artifact": {"reference": "files", "dest": dest},
        "oci_runtime_config": {"reference": "1.0", "root": str(tmp_path), "dest": dest, **platform},
        "oci_login": {"username": "u", "password": "hunter2", "auth_file": dest},
    }

    def start(name: str, **changes: t.Any) -> t.Any:
        given = {**options, **own[name], **changes}
        if name == "oci_artifact":
            registry.publish("app", {"files": files})
        if name == "oci_catalog":
            del given["repository"]
        return run_module(name, **given)

    return start


THAT_CHANGE = ["oci_image_unpack", "oci_layout", "oci_archive", "oci_image_export", "oci_artifact"]
MODULES = [
    "oci_tags",
    "oci_tag",
    "oci_catalog",
    "oci_image_info",
    "oci_index",
    "oci_manifest",
    "oci_referrers",
    "oci_blob",
    "oci_runtime_config",
    *THAT_CHANGE,
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_showed(run: t.Any, front: AttestingFront, name: str) -> None:
    done = run(name)
    assert not done.failed, done.results
    shown = {found.token.digest: found.token for found in front.attestations}
    assert done["ratls"] == {
        "evidence": "simulated",
        "rim": shown[done["ratls"]["token"]].realm.initial_measurement.hex(),
        "profile": "tag:arm.com,2023:realm#1.0.0",
        "token": done["ratls"]["token"],
        "simulated": True,
    }
    # oci_runtime_config also names what the tree of the test lacks
    assert sum(SIMULATED in warning for warning in done.warnings) == 1
    assert len(done.warnings) == 1 + (name == "oci_runtime_config")
    assert len(shown) == front.connections


def test_a_login_says_what_it_showed(run: t.Any, front: AttestingFront) -> None:
    done = run("oci_login")
    assert done["ratls"]["token"] in {found.token.digest for found in front.attestations}
    assert any(SIMULATED in warning for warning in done.warnings)


@pytest.mark.parametrize("name", THAT_CHANGE)
def test_the_second_run_is_one_head_over_one_connection(
    run: t.Any, front: AttestingFront, registry: FaultyRegistry, name: str
) -> None:
    assert run(name, check=True)["changed"]
    assert run(name)["changed"]
    registry.clear()
    before = front.connections
    again = run(name)
    assert (again["changed"], again["stats"]["requests"]) == (False, 1)
    assert [request.method for request in registry.requests] == ["HEAD"]
    assert front.connections == before + 1
    assert again["ratls"]["token"] == front.attestations[-1].token.digest
    assert front.connections == len({found.token.digest for found in front.attestations})


def test_a_task_without_requests_returns_no_attestation(run: t.Any, front: AttestingFront) -> None:
    run("oci_blob")
    again = run("oci_blob")
    assert not again["changed"]
    assert "ratls" not in again.results
    assert front.connections == 1


@pytest.mark.parametrize("name", MODULES)
def test_without_ra_tls_there_is_no_such_result(run: t.Any, registry: FaultyRegistry, name: str) -> None:
    done = run(name, registry=registry.name, tls="no-tls", ratls=None)
    assert not done.failed
    assert "ratls" not in done.results


def test_an_rsa_key(run: t.Any, options: dict[str, t.Any]) -> None:
    ratls = {**options["ratls"], "key_type": "rsa-2048"}
    assert run("oci_tags", ratls=ratls)["tags"] == ["1.0"]


def test_a_command(run: t.Any, realm: pathlib.Path) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from ansible_collections.attested.registry.plugins.module_utils._ratls.simulate import main\n"
        f"sys.exit(main(['token', {str(realm)!r}, '--challenge', sys.argv[1]]))"
    )
    done = run("oci_tags", ratls={"evidence": "command", "argv": [sys.executable, "-c", code, "{challenge}"]})
    assert done["tags"] == ["1.0"]
    assert done["ratls"]["evidence"] == "command"


def test_a_token_from_a_file_is_refused(
    run: t.Any, front: AttestingFront, realm: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    token = tmp_path / "token"
    token.write_bytes(make_source("simulated", path=str(realm)).evidence(bytes(64)).token)
    done = run("oci_tags", ratls={"evidence": "file", "path": str(token)})
    assert done.failed
    assert done["error"]["kind"] == "attestation_rejected"
    assert done["error"]["token"] in done["msg"]
    assert "set ratls.evidence to command, rsi or tsm" in done["msg"]
    assert "was not made for this connection" in done.warnings[0]
    assert (front.connections, len(front.refusals)) == (1, 1)


@pytest.mark.parametrize(
    ("ratls", "text"),
    [
        ({"evidence": "file", "path": "/nowhere/token"}, "/nowhere/token cannot be read"),
        ({"evidence": "rsi", "path": "/nowhere/rsi"}, "/nowhere/rsi"),
        ({"evidence": "tsm", "path": "/nowhere/tsm"}, "/nowhere/tsm"),
        ({"evidence": "simulated", "path": "/nowhere/realm"}, "/nowhere/realm"),
        ({"evidence": "command", "argv": ["/nowhere/program"]}, "/nowhere/program"),
        ({"evidence": "command", "argv": ["/bin/sleep", "60"], "timeout": 0.1}, "/bin/sleep"),
    ],
    ids=["file", "rsi", "tsm", "simulated", "command", "slow"],
)
def test_there_is_no_evidence(run: t.Any, front: AttestingFront, ratls: dict[str, t.Any], text: str) -> None:
    done = run("oci_tags", ratls=ratls)
    assert done.failed
    assert done["error"]["kind"] in ("evidence_unavailable", "ratls_configuration")
    assert done["error"]["repository"] == "app"
    assert text in done["msg"]
    assert front.connections == 1


@pytest.mark.parametrize(("ratls", "found"), [(7, "the number 7"), ([], "an array"), (True, "true")])
def test_the_option_is_named_if_it_is_not_a_dictionary(
    run: t.Any, front: AttestingFront, ratls: object, found: str
) -> None:
    done = run("oci_tags", ratls=ratls)
    assert (done["msg"], done["error"]) == (
        f"The option ratls is {found}; give a dictionary with evidence in it.",
        {"kind": "configuration"},
    )
    assert front.connections == 0


@pytest.mark.parametrize("name", MODULES)
def test_options_that_do_not_go_together(run: t.Any, front: AttestingFront, name: str) -> None:
    """Said even where the registry would not be asked."""
    done = run(name, tls="tls")
    assert done.failed
    assert done["error"] == {"kind": "configuration"}
    assert done["msg"].startswith("The option ratls is given without tls=ra-tls")
    assert front.connections == 0


def test_cryptography_is_missing(run: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "IMPORT_ERROR", "Traceback")
    done = run("oci_tags")
    assert done["error"] == {"kind": "dependency_missing", "library": "cryptography >= 45.0.0"}
    assert "cannot be imported; install it" in done["msg"]


@pytest.mark.parametrize("name", MODULES)
def test_the_reader_of_tokens_is_missing(
    run: t.Any, front: AttestingFront, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cbor, "IMPORT_ERROR", "Traceback")
    done = run(name)
    assert {key: done["error"][key] for key in ("kind", "library")} == {
        "kind": "dependency_missing",
        "library": "cbor2 >= 5.4.0",
    }
    assert "cannot be imported; install it" in done["msg"]
    assert front.connections == 0


def test_certificates_that_are_not_checked(run: t.Any, tmp_path: pathlib.Path) -> None:
    other = Authority(tmp_path, "other")
    assert "option ca_path" in run("oci_tags", ca_path=str(other.path))["msg"]
    done = run("oci_tags", ca_path=str(other.path), validate_certs=False)
    assert done["tags"] == ["1.0"]
    assert any("is not verified" in text for text in done.warnings)


def test_neither_the_challenge_nor_the_token_is_shown(run: t.Any, front: AttestingFront) -> None:
    done = run("oci_tags")
    realm = front.attestations[0].token.realm
    assert realm.challenge.hex() not in done.output
    assert realm.personalization_value.hex() not in done.output


def test_a_mirror_is_asked_without_an_attestation(
    run: t.Any, front: AttestingFront, registry: FaultyRegistry, new: Image
) -> None:
    with FaultyRegistry() as mirror:
        mirror.publish("app", {"1.0": new})
        registry.clear()
        done = run("oci_image_info", mirrors=[mirror.name])
    assert not done.failed
    assert mirror.requests
    assert registry.requests == []
    assert "ratls" not in done.results
    assert front.connections == 0
