# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module cca_token_info shows a token and reports the result of each check by itself."""

from __future__ import annotations

import base64
import json
import pathlib
import sys
import typing as t

import cbor2
import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import crypto
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import cbor
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens
from ansible_collections.attested.registry.tests.support.attestation.ratls_tokens import platform_key, realm_key, token

RIM = ratls_tokens.RIM.hex()


@pytest.fixture
def files(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "token.bin").write_bytes(token())
    (tmp_path / "cpak.pem").write_bytes(platform_key().public_pem())
    (tmp_path / "other.pem").write_bytes(realm_key().public_pem())
    for name, rim in (("ref.json", RIM), ("other.json", "ff" * 32)):
        values = {"rim": rim, "rems": [["00" * 32] * 4], "hash-algo": "sha-256"}
        (tmp_path / name).write_text(json.dumps({"realm": {"reference-values": values}}))
    return tmp_path


@pytest.fixture
def info(run_module: t.Any, files: pathlib.Path) -> t.Any:
    def run(**options: t.Any) -> t.Any:
        source = {} if "content" in options else {"path": str(files / "token.bin")}
        for name in ("trust_anchors", "reference_values"):
            if name in options:
                options[name] = [str(files / item) for item in options[name]]
        return run_module("cca_token_info", **{**source, **options})

    return run


def passed(run: t.Any) -> dict[str, bool | None]:
    return {name: check["passed"] for name, check in run["checks"].items()}


def test_shows_everything(info: t.Any) -> None:
    run = info()
    assert (run["changed"], run["valid"]) == (False, None)
    platform, realm = run["token"]["platform"], run["token"]["realm"]
    assert run["token"]["size"] == len(token())
    assert run["token"]["digest"].startswith("sha256:")
    assert (realm["rim"], realm["rems"], realm["hash_algorithm"]) == (RIM, ["00" * 32] * 4, "sha-256")
    assert (realm["profile"], realm["signature_algorithm"]) == ("tag:arm.com,2023:realm#1.0.0", "ES384")
    assert (platform["lifecycle"], platform["lifecycle_state"]) == (0x3003, "secured")
    assert platform["instance_id"] == ratls_tokens.INSTANCE_ID.hex()
    assert platform["software_components"][0]["version"] == "1.2.3"
    assert platform["unknown_claims"] == realm["unknown_claims"] == []
    assert run["token"]["simulated"] is False


def test_without_trust_anchors_a_warning_says_what_the_token_is_worth(info: t.Any) -> None:
    run = info()
    assert passed(run) == {
        "realm_signature": True,
        "key_binding": True,
        "challenge": None,
        "platform_signature": None,
        "lifecycle": True,
        "reference_values": None,
    }
    (warning,) = run.warnings
    assert "The signature of the platform was not checked, because trust_anchors is not set: anybody can" in warning


def test_checks_everything(info: t.Any) -> None:
    run = info(
        trust_anchors=["other.pem", "cpak.pem"],
        reference_values=["other.json", "ref.json"],
        challenge=ratls_tokens.CHALLENGE.hex(),
    )
    assert set(passed(run).values()) == {True}
    assert (run["valid"], run.warnings) == (True, [])


@pytest.mark.parametrize(
    ("check", "options"),
    [
        ("platform_signature", {"trust_anchors": ["other.pem"]}),
        ("reference_values", {"reference_values": ["other.json"]}),
        ("challenge", {"challenge": "00" * 64}),
        ("lifecycle", {"lifecycle": ["decommissioned"]}),
    ],
)
def test_each_check_can_fail_by_itself(info: t.Any, check: str, options: dict[str, t.Any]) -> None:
    run = info(**options)
    assert [name for name, outcome in passed(run).items() if outcome is False] == [check]
    assert (run.failed, run["valid"]) == (False, False)
    assert run["checks"][check]["reason"]


def test_without_trust_anchors_a_token_is_valid_only_if_allowed(info: t.Any) -> None:
    """All checks pass that need nothing from elsewhere, and anybody can make a token that passes them."""
    run = info(reference_values=["ref.json"])
    assert (run["valid"], passed(run)["reference_values"]) == (None, True)
    assert "anybody can generate such a token" in run.warnings[0]
    allowed = info(reference_values=["ref.json"], allow_unauthenticated_evidence=True)
    assert allowed["valid"] is True
    assert allowed.warnings == run.warnings
    for options in ({"trust_anchors": ["other.pem"]}, {"lifecycle": ["decommissioned"]}):
        assert info(allow_unauthenticated_evidence=True, **options)["valid"] is False
    assert info(trust_anchors=["cpak.pem"])["valid"] is True


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (platform_key().public_pem(), "it is PEM, not CBOR"),
        (b'{"token": "x"}', "it is text, not CBOR"),
        (base64.b64encode(token()), "it is text, not CBOR"),
        (base64.b64decode(b"".join(platform_key().public_pem().splitlines()[1:-1])), "it is DER, not CBOR"),
        (token() + b"\0", "1 byte follows the end of the CBOR value"),
    ],
    ids=["PEM", "JSON", "base64", "DER", "more"],
)
def test_a_file_that_is_something_else(info: t.Any, files: pathlib.Path, content: bytes, what: str) -> None:
    (files / "token.bin").write_bytes(content)
    assert what in info()["msg"]


def test_an_empty_list_is_no_leave_to_skip_a_check(info: t.Any) -> None:
    run = info(reference_values=[])
    assert (passed(run)["reference_values"], run["valid"]) == (False, False)
    run = info(trust_anchors=[])
    assert run.failed
    assert "There are no trust anchors" in run["msg"]


def test_a_wrong_binding_is_not_valid(info: t.Any) -> None:
    run = info(content=base64.b64encode(token(platform={10: bytes(32)})).decode())
    assert (passed(run)["key_binding"], passed(run)["realm_signature"]) == (False, True)
    assert "made for another realm key" in run["checks"]["key_binding"]["reason"]
    assert run["valid"] is False


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
@pytest.mark.parametrize("strip", ["", "="])
def test_every_variant_of_base64_is_accepted(info: t.Any, files: pathlib.Path, encode: t.Any, strip: str) -> None:
    text = encode((files / "token.bin").read_bytes()).decode().rstrip(strip + "\n" if strip else None)
    assert info(content=text)["token"] == info()["token"]


def test_a_query(info: t.Any) -> None:
    assert info(query="token.realm.rim")["query_result"] == RIM


def test_check_mode_is_the_same(run_module: t.Any, files: pathlib.Path) -> None:
    assert run_module("cca_token_info", check=True, path=str(files / "token.bin"))["valid"] is None


@pytest.mark.parametrize(
    ("options", "message", "kind"),
    [
        ({"content": "!"}, "the option content is not base64 text", "input_invalid"),
        ({"content": ""}, "it ends before its last value", "token_invalid"),
        ({"content": "AAAA"}, "2 bytes follow the end of the CBOR value", "token_invalid"),
        ({"content": "A" * 40000}, "more than 32768 characters", "input_invalid"),
        ({"path": "/nonexistent"}, "No such file or directory; name another file", "input_invalid"),
        ({"trust_anchors": ["absent"]}, "which the option trust_anchors names, failed", "input_invalid"),
        ({"trust_anchors": ["token.bin"]}, "Reading the key file", "ratls_configuration"),
        ({"reference_values": ["absent"]}, "which the option reference_values names, failed", "input_invalid"),
        ({"reference_values": ["cpak.pem"]}, "give a file of reference values", "ratls_configuration"),
        ({"challenge": "00"}, "challenge is not 64 bytes in hexadecimal", "ratls_configuration"),
        ({"query": "["}, "is not a JMESPath expression", "query_invalid"),
    ],
)
def test_what_cannot_be_used(info: t.Any, options: dict[str, t.Any], message: str, kind: str) -> None:
    run = info(**options)
    assert run.failed
    assert message in run["msg"]
    assert run["error"]["kind"] == kind


def test_exactly_one_source(run_module: t.Any, files: pathlib.Path) -> None:
    assert "one of the following is required: path, content" in run_module("cca_token_info")["msg"]
    both = run_module("cca_token_info", path=str(files / "token.bin"), content="AA")
    assert "mutually exclusive: path|content" in both["msg"]


def test_a_simulated_token_is_named(info: t.Any) -> None:
    component = {**ratls_tokens.COMPONENT, 1: "SIMULATED"}
    run = info(content=base64.b64encode(token(platform={2399: (component,)})).decode())
    assert run["token"]["simulated"] is True


def test_a_missing_library_is_named(info: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "IMPORT_ERROR", "Traceback: no module named cryptography")
    run = info()
    assert run.failed
    assert "cryptography >= 38.0.0" in run["msg"]
    assert f"{sys.executable} -m pip install" in run["msg"]
    assert "ansible_python_interpreter" in run["msg"]
    assert run["error"] == {"kind": "dependency_missing", "library": "cryptography >= 38.0.0"}


def test_an_old_library_is_named(info: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_found_version", "37.0.4")
    run = info()
    assert "cryptography >= 38.0.0 and 37.0.4 was found; upgrade it" in run["msg"]
    assert "import" not in run["msg"]
    assert run["error"] == {"kind": "dependency_missing", "library": "cryptography >= 38.0.0"}


def test_a_missing_library_for_cbor_is_named(info: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbor, "IMPORT_ERROR", "Traceback: no module named cbor2")
    run = info()
    assert run.failed
    assert "cbor2 >= 5.4.0, which cannot be imported; install it" in run["msg"]
    assert f"{sys.executable} -m pip install 'cbor2>=5.4.0'" in run["msg"]
    assert "ansible_python_interpreter" in run["msg"]
    assert run["error"] == {"kind": "dependency_missing", "library": "cbor2 >= 5.4.0"}


def test_an_old_library_for_cbor_is_named_with_its_place(info: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbor, "_found_version", lambda: "5.3.0")
    run = info()
    place = pathlib.Path(cbor2.__file__).parents[1]
    assert f"cbor2 >= 5.4.0 and 5.3.0 was found in {place}; upgrade it" in run["msg"]
    assert f"{sys.executable} -m pip install 'cbor2>=5.4.0'" in run["msg"]
    assert run["error"] == {"kind": "dependency_missing", "library": "cbor2 >= 5.4.0"}
