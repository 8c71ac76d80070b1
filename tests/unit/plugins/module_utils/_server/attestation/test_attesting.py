# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only clients with an accepted token for their own connection are admitted; the log says why others are not."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import logging
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import challenge_of, realm_challenge
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.certificate import make_certificate
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.client_key import (
    ClientKey,
    make_client_key,
)
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.keys import CertifiedKey
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens
from ansible_collections.attested.registry.tests.support.attestation.attested_clients import (
    Answer,
    attested,
    make_realm,
)
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.tls13 import tls13_peers

from ..attested import AttestedServer, relying_party
from ..conftest import Certificate

IMAGE = images.image([images.layer([images.file("a", b"1")])])
KEY: ClientKey = make_client_key("ec-p256")

Start = t.Callable[..., AttestedServer]


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("app", "team/web"):
        images.write_layout(tmp_path / "root" / name, {"1": IMAGE})
    return tmp_path / "root"


@pytest.fixture
def start(root: pathlib.Path, certificate: Certificate) -> t.Iterator[Start]:
    """Starts servers, which end with the test; options are those of read_relying_party."""
    with contextlib.ExitStack() as stack:

        def begin(**values: t.Any) -> AttestedServer:
            return stack.enter_context(
                contextlib.closing(AttestedServer(root, certificate, relying_party(**values), at_once=2))
            )

        yield begin


@pytest.fixture
def realm(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_realm(tmp_path / "realm")


def trusting(realm: pathlib.Path) -> dict[str, t.Any]:
    """Settings that let this realm in."""
    return {"trust_anchors": [str(realm / "cpak.pem")], "reference_values": [str(realm / "reference.json")]}


def token_for(authorities: t.Sequence[bytes], **options: t.Any) -> bytes:
    """A token that was made for this connection."""
    claims = {10: realm_challenge(challenge_of(authorities), KEY.public_key), **options.pop("realm", {})}
    return ratls_tokens.token(realm=claims, **options)


def showing(token: t.Callable[[t.Sequence[bytes]], bytes]) -> Answer:
    """A client that shows any token."""
    return lambda authorities: CertifiedKey((make_certificate(KEY, token(authorities)),), t.cast("t.Any", KEY.private))


@pytest.fixture
def anchors(tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """Settings that let the realm of ratls_tokens in."""
    (tmp_path / "cpak.pem").write_bytes(ratls_tokens.platform_key().public_pem())
    return {"trust_anchors": [str(tmp_path / "cpak.pem")], "policies": [{"repositories": ["*"], "realms": [RIM]}]}


RIM = {"rim": ratls_tokens.RIM.hex()}


def test_an_attested_client(start: Start, realm: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "attested.registry")
    server = start(**trusting(realm))
    answer = server.get("/v2/app/manifests/1", attested(realm))
    assert (answer.status, answer.body) == (200, IMAGE.data)
    server.running.close_listener()
    assert server.counted() == {"accepted": 1}
    accepted, request = (record.getMessage() for record in caplog.records)
    facts = dict(word.split("=", 1) for word in accepted.removeprefix("attestation accepted: ").split(" "))
    rim = json.loads((realm / "reference.json").read_text())["realm"]["reference-values"]["rim"]
    assert (facts["peer"], facts["rim"], facts["platform"]) == ("127.0.0.1", rim, "authenticated")
    assert facts["warning"] == "simulated"
    assert request.endswith(f' "-" token={facts["token"][:23]} warning=simulated')


def test_every_connection_attests_anew(start: Start, realm: pathlib.Path) -> None:
    server = start(**trusting(realm))
    for dummy in range(3):
        assert server.get("/v2/", attested(realm)).status == 200
    assert server.counted() == {"accepted": 3}


def test_several_requests_on_a_connection_cost_one_attestation(start: Start, realm: pathlib.Path) -> None:
    server = start(**trusting(realm))
    with contextlib.closing(server.http(attested(realm))) as connection:
        for path in ("/v2/", "/v2/app/tags/list", "/v2/app/manifests/1"):
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (200, True)
    assert server.counted() == {"accepted": 1}


def _old(authorities: t.Sequence[bytes]) -> bytes:
    return ratls_tokens.token(realm={10: bytes(64)})


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


REFUSED: dict[str, tuple[Answer, str, str]] = {
    "other measurements": (
        showing(lambda authorities: token_for(authorities, realm={44238: b"\x12" * 32})),
        "kind=appraisal_failed",
        "no reference value has the measurements of the realm, whose RIM is 1212",
    ),
    "another platform": (
        showing(lambda authorities: token_for(authorities, signer=ratls_tokens.realm_key())),
        "kind=token_untrusted",
        "token=sha256:",
    ),
    "a platform that is not secured": (
        showing(lambda authorities: token_for(authorities, platform={2395: 0x4000})),
        "kind=appraisal_failed",
        "non_platform_rot_debug",
    ),
    "a token of another connection": (showing(_old), "kind=token_untrusted", "made for another connection"),
    "no token": (showing(lambda authorities: b""), "kind=token_invalid", ""),
    "what is no token": (showing(lambda authorities: b"nonsense\n\x1b[0m"), "kind=token_invalid", ""),
    "a certificate without a token": (
        lambda authorities: tls13_peers.certified_key("ec-p256"),
        "kind=certificate_invalid",
        "it has no token extension",
    ),
}


@pytest.mark.parametrize(("answer", "kind", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(
    start: Start,
    anchors: dict[str, t.Any],
    tmp_path: pathlib.Path,
    answer: Answer,
    kind: str,
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "attested.registry")
    reference = {"rim": ratls_tokens.RIM.hex(), "rems": [["00" * 32] * 4], "hash-algo": "sha-256"}
    (tmp_path / "reference.json").write_text(json.dumps({"realm": {"reference-values": reference}}))
    server = start(**anchors, reference_values=[str(tmp_path / "reference.json")])
    asked: list[bytes] = []

    def remember(authorities: t.Sequence[bytes]) -> CertifiedKey | None:
        asked.extend(authorities)
        return answer(authorities)

    assert server.get("/v2/", showing(token_for)).status == 200
    server.settle()
    caplog.clear()
    assert server.alert(remember) == "certificate_unknown"
    server.until_open(0)
    (line,) = (record.getMessage() for record in caplog.records if record.name == "attested.registry")
    assert line.startswith(f"attestation refused: peer=127.0.0.1 {kind}")
    assert why in line
    assert line.isprintable()
    secret = base64.b64decode(asked[0])
    assert not any(text in line for text in (asked[0].decode(), secret.hex(), repr(secret)))
    assert server.counted() == {"accepted": 1, "rejected": 1}


def test_no_certificate(start: Start, realm: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    server = start(**trusting(realm))
    assert server.alert(lambda authorities: None) == "certificate_required"
    server.until_open(0)
    assert "has no certificate" in caplog.text
    assert server.counted() == {"rejected": 1}


def test_the_challenge_of_another_connection(start: Start, realm: pathlib.Path) -> None:
    server = start(**trusting(realm))
    seen: list[t.Sequence[bytes]] = []
    good = attested(realm)

    def remember(authorities: t.Sequence[bytes]) -> CertifiedKey | None:
        seen.append(authorities)
        return good(authorities)

    # the first connection is still there when the second one shows its token
    with contextlib.closing(server.connect(remember)):
        assert server.alert(lambda authorities: good(seen[0])) == "certificate_unknown"
    assert len({authorities[0] for authorities in seen}) == 1


def test_a_certificate_is_not_accepted_a_second_time(start: Start, realm: pathlib.Path) -> None:
    server = start(**trusting(realm))
    kept: list[CertifiedKey | None] = []

    def keep(authorities: t.Sequence[bytes]) -> CertifiedKey | None:
        kept.append(attested(realm)(authorities))
        return kept[0]

    assert server.get("/v2/", keep).status == 200
    # an attacker with copies of the certificate and its key
    assert server.alert(lambda authorities: kept[0]) == "certificate_unknown"
    # an attacker with a copy of the certificate only
    stolen = CertifiedKey(t.cast(CertifiedKey, kept[0]).chain, tls13_peers.private_key("ec-p256"))
    assert server.alert(lambda authorities: stolen) == "decrypt_error"
    assert server.counted() == {"accepted": 1, "rejected": 2}


def test_clients_without_tls(start: Start, realm: pathlib.Path) -> None:
    server = start(**trusting(realm))
    assert b"200" not in server.running.raw(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
    server.until_open(0)
    assert server.counted() == {"handshake_failures": 1}


def test_policies_by_repository(start: Start, realm: pathlib.Path, tmp_path: pathlib.Path) -> None:
    other = make_realm(tmp_path / "other", "--name", "other")
    policies = [
        {"repositories": ["app"], "reference_values": [str(realm / "reference.json")]},
        {"repositories": ["team/*"], "reference_values": [str(other / "reference.json")]},
    ]
    both = [str(folder / "cpak.pem") for folder in (realm, other)]
    server = start(trust_anchors=both, policies=policies)
    blob = IMAGE.layers[0].digest
    for folder, seen, hidden in ((realm, "app", "team/web"), (other, "team/web", "app")):
        with contextlib.closing(server.http(attested(folder))) as connection:

            def ask(path: str, connection: t.Any = connection) -> tuple[int, bytes]:
                connection.request("GET", path)
                response = connection.getresponse()
                assert "public" not in response.headers["Cache-Control"]
                return response.status, response.read()

            for path in ("tags/list", "manifests/1", f"manifests/{IMAGE.digest}", f"blobs/{blob}", f"referrers/{blob}"):
                assert ask(f"/v2/{seen}/{path}")[0] == 200
                status, body = ask(f"/v2/{hidden}/{path}")
                missing = ask(f"/v2/{hidden}x/{path}")
                assert (status, body) == (404, missing[1].replace(f"{hidden}x".encode(), hidden.encode()))
            assert json.loads(ask("/v2/_catalog")[1]) == {"repositories": [seen]}


def test_a_realm_that_no_policy_is_for_sees_nothing(start: Start, realm: pathlib.Path) -> None:
    policies = [{"repositories": ["*"], "realms": [RIM]}]
    server = start(trust_anchors=[str(realm / "cpak.pem")], policies=policies)
    assert json.loads(server.get("/v2/_catalog", attested(realm)).body) == {"repositories": []}
    assert server.get("/v2/app/manifests/1", attested(realm)).status == 404
