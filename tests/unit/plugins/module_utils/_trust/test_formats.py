# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a signature says: payloads of simple signing, statements and bundles, and every way in which they are wrong."""

from __future__ import annotations

import base64
import contextlib
import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._trust.bundle import (
    MAX_BUNDLE,
    parse_bundle,
    parse_statement,
)
from ansible_collections.attested.registry.plugins.module_utils._trust.encoding import decode_base64, decode_hex
from ansible_collections.attested.registry.plugins.module_utils._trust.errors import Refused
from ansible_collections.attested.registry.plugins.module_utils._trust.keys import parse_public_key
from ansible_collections.attested.registry.plugins.module_utils._trust.payload import MAX_PAYLOAD, parse_payload
from ansible_collections.attested.registry.plugins.module_utils._trust.policy import SignedImage
from ansible_collections.attested.registry.tests.support.images.images import digest_of, to_json
from ansible_collections.attested.registry.tests.support.images.signatures import (
    SigningKey,
    bundle_document,
    message_document,
    payload,
    statement,
)
from hypothesis import given
from hypothesis import strategies as st

DIGEST = digest_of(b"an image")
NAME = "registry.example.com/team/app"
KEY = SigningKey.make("p256")

# made by cosign 3.1.3
REAL_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEb03Nyc29fn8dQ0GuLgusvxDexrZA
DHH7lMbnlElmSqLtCvvIzRarKgIXV2zj8XvbT/avtxxrAcj6RYpNVH5Cug==
-----END PUBLIC KEY-----
"""
REAL_DIGEST = "sha256:8c0e36cdbaaf456c0e6b2754c19a0aec53c4a4705e78dbf07c382887a41cf7c1"
REAL_BUNDLE = {
    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "verificationMaterial": {"publicKey": {"hint": "Qh17VotXHDJR6iXHTLAqtNFfudhNIqetsZGpftIqSkk="}},
    "dsseEnvelope": {
        "payload": (
            "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCAic3ViamVjdCI6W3siZGlnZXN0Ijp7InNoYTI1NiI6Ijhj"
            "MGUzNmNkYmFhZjQ1NmMwZTZiMjc1NGMxOWEwYWVjNTNjNGE0NzA1ZTc4ZGJmMDdjMzgyODg3YTQxY2Y3YzEifSwgImFubm90YXRpb25z"
            "Ijp7fX1dLCAicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2Nvc2lnbi9zaWduL3YxIiwgInByZWRpY2F0ZSI6e319"
        ),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [
            {
                "sig": (
                    "MEYCIQDg8O6bi0vsbW88Y/kkTmw6h/AEqjhkpQU1hispEFiYKQIhAOUAultaFT0O9yLYJxQzRY9g3CNFGRIoipPCrc2so4hP"
                )
            }
        ],
    },
}


def test_a_payload_says_digest_and_name() -> None:
    found = parse_payload(payload(DIGEST, NAME))
    assert (str(found.digest), found.reference) == (DIGEST, NAME)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"not json", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "critical in its payload is missing"),
        (payload(DIGEST, NAME)[:-1], "not JSON"),
        (payload(DIGEST, NAME).replace(b'"type"', b'"identity":{},"type"'), "given twice"),
        (payload(DIGEST, NAME).replace(b'"critical"', b'"Critical":{},"critical"'), "differ only in case"),
        (payload(DIGEST, NAME, image={"Docker-manifest-digest": DIGEST}), "digest in its payload is missing"),
        (payload(DIGEST, NAME, type="atomic container signature"), 'not "cosign container image signature"'),
        (payload(DIGEST, NAME, expires="never"), 'critical member "expires"'),
        (payload(DIGEST, NAME, identity=None), "identity in its payload is missing"),
        (payload(DIGEST, NAME, identity={"docker-reference": 1}), "not a string"),
        (payload("sha256:0", NAME), "not a digest"),
        (payload(DIGEST, NAME) + b" " * MAX_PAYLOAD, "is the limit"),
        (b'{"critical":' + b"[" * 64, "cannot be read"),
        (b'{"critical":' * 40 + b"{}" + b"}" * 40, "nested more than"),
    ],
)
def test_a_payload_that_is_wrong_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_payload(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.binary(max_size=64) | JSON.map(to_json))
@pytest.mark.parametrize("parse", [parse_payload, parse_bundle, parse_statement])
def test_reading_is_total(parse: t.Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(Refused):
        parse(data)


def mutate(document: t.Any, path: list[t.Any], value: t.Any) -> t.Any:
    """Return a document whose member at a path has another value."""
    copy = json.loads(json.dumps(document))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copy


def places(document: t.Any, path: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    listed = enumerate(document) if isinstance(document, list) else ()
    for name, value in document.items() if isinstance(document, dict) else listed:
        yield (*path, name)
        yield from places(value, (*path, name))


VALID: list[tuple[t.Callable[[bytes], object], bytes]] = [
    (parse_payload, payload(DIGEST, NAME)),
    (parse_statement, statement(DIGEST)),
    (parse_bundle, to_json(bundle_document(KEY, statement(DIGEST)))),
    (parse_bundle, to_json(message_document(KEY, b"manifest"))),
]


@pytest.mark.parametrize(("parse", "data"), VALID)
@given(value=JSON)
def test_reading_is_total_wherever_a_value_is_another(
    parse: t.Callable[[bytes], object], data: bytes, value: t.Any
) -> None:
    document = json.loads(data)
    for path in places(document):
        with contextlib.suppress(Refused):  # and no other error
            parse(to_json(mutate(document, list(path), value)))


@pytest.mark.parametrize(("parse", "data"), VALID)
def test_what_is_cut_is_refused(parse: t.Callable[[bytes], object], data: bytes) -> None:
    parse(data)
    for length in range(len(data)):
        with pytest.raises(Refused):
            parse(data[:length])


@pytest.mark.parametrize(
    ("signed", "asked", "tag", "why"),
    [
        (NAME, NAME, "1.0", None),
        (f"{NAME}:1.0", NAME, "1.0", None),
        (f"{NAME}:1.0", NAME, None, None),
        (f"{NAME}@{DIGEST}", NAME, "1.0", None),
        ("index.docker.io/library/debian", "docker.io/library/debian", "12", None),
        ("debian", "docker.io/library/debian", "12", None),
        (f"{NAME}:1.1", NAME, "1.0", "for the tag 1.1, not for 1.0"),
        (f"{NAME}-evil", NAME, "1.0", "not for registry.example.com/team/app"),
        ("registry.example.com:443/team/app", NAME, "1.0", "not for"),
        ("team/app", NAME, "1.0", "not for"),
        (f"{NAME}@sha256:{'0' * 64}", NAME, "1.0", "contradict"),
        ("", NAME, "1.0", "not a valid name"),
        ("Not A Name", NAME, "1.0", "not a valid name"),
    ],
)
def test_the_signed_name_is_compared(signed: str, asked: str, tag: str | None, why: str | None) -> None:
    found = parse_payload(payload(DIGEST, signed))
    image = SignedImage("the image", (Digest.parse(DIGEST),), name=asked, tag=tag)
    if why is None:
        found.check_identity(image)
        return
    with pytest.raises(Refused, match=why):
        found.check_identity(image)


def test_a_bundle_of_cosign_is_read_and_verified() -> None:
    bundle, key = parse_bundle(to_json(REAL_BUNDLE)), parse_public_key(REAL_KEY)
    assert bundle.message is not None
    assert key.verifies(bundle.signature, bundle.message)
    assert bundle.hint == key.fingerprint
    assert str(bundle.signed_digest()) == REAL_DIGEST


ENVELOPE = bundle_document(KEY, statement(DIGEST))
MESSAGE = message_document(KEY, b"manifest")
CERTIFICATE = {"certificate": {"rawBytes": "AAAA"}}
CHAIN = {"x509CertificateChain": {"certificates": [{"rawBytes": "AAAA"}]}}
ONE = ENVELOPE["dsseEnvelope"]["signatures"][0]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({**ENVELOPE, "mediaType": "application/json"}, "media type of the bundle"),
        ({**ENVELOPE, "verificationMaterial": CERTIFICATE}, "keyless.*not supported"),
        ({**ENVELOPE, "verificationMaterial": CHAIN}, "keyless.*not supported"),
        ({**ENVELOPE, "verificationMaterial": {**ENVELOPE["verificationMaterial"], **CERTIFICATE}}, "keyless"),
        ({**ENVELOPE, "verificationMaterial": {}}, "key of the bundle is missing"),
        ({**ENVELOPE, "messageSignature": MESSAGE["messageSignature"]}, "exactly one of"),
        ({**ENVELOPE, "dsseEnvelope": None}, "exactly one of"),
        (bundle_document(KEY, statement(DIGEST), kind="text/plain"), "payload type"),
        (mutate(ENVELOPE, ["dsseEnvelope", "signatures"], [ONE, ONE]), "2 signatures"),
        (mutate(ENVELOPE, ["dsseEnvelope", "signatures"], []), "0 signatures"),
        (mutate(ENVELOPE, ["dsseEnvelope", "payload"], "e30"), "not base64"),
        (mutate(ENVELOPE, ["dsseEnvelope", "payload"], "e30=\n"), "not base64"),
        (mutate(ENVELOPE, ["dsseEnvelope", "payload"], "e3!0="), "not base64"),
        (mutate(ENVELOPE, ["dsseEnvelope", "signatures", 0, "sig"], "A" * 9000), "is the limit"),
        (mutate(MESSAGE, ["messageSignature", "messageDigest", "algorithm"], "SHA2_512"), "SHA2_256"),
        (mutate(MESSAGE, ["messageSignature", "messageDigest", "digest"], "AAAA"), "not one of SHA-256"),
        ({**ENVELOPE, "padding": "x" * MAX_BUNDLE}, "is the limit"),
    ],
)
def test_a_bundle_that_is_wrong_is_refused(document: t.Any, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_bundle(to_json(document))


SUBJECT = json.loads(statement(DIGEST))["subject"][0]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"_type": "https://example.com/"}, "type of the statement"),
        ({"predicateType": "https://slsa.dev/provenance/v1"}, "attestation.*not a signature"),
        ({"subject": []}, "0 subjects"),
        ({"subject": [SUBJECT, SUBJECT]}, "2 subjects"),
        ({"subject": [{"digest": {}}]}, "0 digests"),
        ({"subject": [{"digest": {"sha256": "0" * 64, "sha512": "0" * 128}}]}, "2 digests"),
        ({"subject": [{"digest": {"md5": "0" * 32}}]}, "not a digest"),
        ({"subject": [{"digest": {"sha256": "0"}}]}, "not a digest"),
    ],
)
def test_a_statement_that_signs_no_image_is_refused(members: t.Any, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_statement(statement(DIGEST, **members))


@given(data=st.binary(min_size=1, max_size=64), at=st.integers(0, 90), junk=st.sampled_from("\n -_!=\0ä"))
def test_base64_has_one_form(data: bytes, at: int, junk: str) -> None:
    text = base64.b64encode(data).decode()
    assert decode_base64(text, what="it", limit=100) == data
    with pytest.raises(Refused, match="it is not base64"):
        decode_base64(text[:at] + junk + text[at:], what="it", limit=200)


@pytest.mark.parametrize("text", ["", "0", "0g", "00 00", "0x00", "00\n", "٠٠"])
def test_hexadecimal_is_digits_alone(text: str) -> None:
    with pytest.raises(Refused, match="not hexadecimal"):
        decode_hex(text, what="it", limit=10)
