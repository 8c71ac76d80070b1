# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images are verified as cosign and ir-sign sign them, and every signature that lies is refused with its reason."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.document import parse_document
from ansible_collections.attested.registry.plugins.module_utils._oci.manifest import Manifest
from ansible_collections.attested.registry.plugins.module_utils._trust.cosign import MAX_EXAMINED
from ansible_collections.attested.registry.plugins.module_utils._trust.errors import (
    PolicyInvalid,
    Refused,
    SignatureInvalid,
)
from ansible_collections.attested.registry.plugins.module_utils._trust.keys import parse_public_key
from ansible_collections.attested.registry.plugins.module_utils._trust.policy import (
    Policy,
    SignedImage,
    SignedManifest,
    Verified,
)
from ansible_collections.attested.registry.plugins.module_utils._trust.verify import verify_signature
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    BUNDLE_TYPE,
    ISLET,
    OLD_REFERRER_TYPE,
    PAYLOAD_TYPE,
    SIGNATURE,
    SigningKey,
    bundle,
    bundle_document,
    bundle_of,
    islet_annotations,
    message_document,
    payload,
    referrer,
    signature_tag,
    signatures,
    signed_payload,
    simple_signing,
    statement,
)
from cryptography.hazmat.primitives import hashes

NAME = "registry.example.com/team/app"
APP = images.image([images.layer([images.file("app", b"1")])])
OTHER = images.image([images.layer([images.file("app", b"2")])])
INDEX = images.index([APP, OTHER])
KEY, SECOND = SigningKey.make("p256"), SigningKey.make("p384")
STRANGER = SigningKey.make("p256", "stranger")


@dataclass
class Store:
    """Contents in memory, as a repository has them; reads counts what was read."""

    listed: dict[str, list[Descriptor]] = field(default_factory=dict)
    tags: dict[str, images.Content] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    reads: int = 0
    failure: CollectionError | None = None

    def attach(self, subject: images.Content, *documents: images.Content, kind: str | None = BUNDLE_TYPE) -> Store:
        for one in documents:
            self.contents.update(one.blobs())
            found = Descriptor(one.media_type, Digest.parse(one.digest), one.size, artifact_type=kind)
            self.listed.setdefault(subject.digest, []).append(found)
        return self

    def tag(self, subject: images.Content, document: images.Content) -> Store:
        self.contents.update(document.blobs())
        self.tags[signature_tag(subject.digest)] = document
        return self

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        if self.failure is not None:
            raise self.failure
        return tuple(self.listed.get(str(digest), []))

    def tagged(self, tag: str) -> list[t.Callable[[], bytes | None]]:
        return [lambda: self.tags[tag].data if tag in self.tags else None]

    def manifest(self, digest: Digest) -> bytes:
        return self._read(str(digest))

    def blob(self, descriptor: Descriptor) -> bytes:
        return self._read(str(descriptor.digest))

    def _read(self, digest: str) -> bytes:
        self.reads += 1
        if digest not in self.contents:
            raise Refused(f"{digest} is not there")
        return self.contents[digest]


def policy(*keys: SigningKey, form: t.Any = "cosign", **options: t.Any) -> Policy:
    return Policy(form, tuple(parse_public_key(key.spki, path=f"{key.kind}.pub") for key in keys), **options)


def asked(*contents: images.Content, name: str | None = NAME, tag: str | None = "1.0") -> SignedImage:
    digests = tuple(Digest.parse(content.digest) for content in contents or (APP,))
    return SignedImage("team/app (1.0)", digests, name=name, tag=tag)


def verify(store: Store, *keys: SigningKey, image: SignedImage | None = None, **options: t.Any) -> Verified:
    return verify_signature(policy(*(keys or (KEY,)), **options), image or asked(), store)


def refused(store: Store, *keys: SigningKey, image: SignedImage | None = None, **options: t.Any) -> str:
    with pytest.raises(SignatureInvalid) as caught:
        verify(store, *keys, image=image, **options)
    assert caught.value.kind == "signature_invalid"
    return caught.value.message


def tagged(*layers: images.Content) -> Store:
    return Store().tag(APP, signatures(layers))


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa", "rsa-pss"])
@pytest.mark.parametrize("form", ["tag", "referrer", "bundle", "message"])
def test_every_kind_of_key_signs_in_every_form(kind: t.Any, form: str) -> None:
    key = SigningKey.make(kind)
    layer = simple_signing(key, APP.digest, NAME)
    if form == "tag":
        store = tagged(layer)
    elif form == "referrer":
        store = Store().attach(APP, signatures([layer], subject=APP), kind=OLD_REFERRER_TYPE)
    else:
        file = bundle(key, APP.digest) if form == "bundle" else bundle_of(message_document(key, APP.data))
        store = Store().attach(APP, referrer(APP, file))
    store.contents[APP.digest] = APP.data
    found = verify(store, STRANGER, key)
    assert (found.format, found.keys, str(found.digest)) == ("cosign", (key.fingerprint,), APP.digest)


def test_a_signature_of_the_index_or_of_the_manifest_counts() -> None:
    for content in (INDEX, APP):
        store = Store().tag(content, signatures([simple_signing(KEY, content.digest, NAME)]))
        assert str(verify(store, image=asked(INDEX, APP)).digest) == content.digest


def test_a_list_without_artifact_types_is_read_and_other_artifacts_are_not() -> None:
    store = Store().attach(APP, referrer(APP, bundle(KEY, APP.digest)), kind=None)
    assert verify(store).keys == (KEY.fingerprint,)
    sbom = Store().attach(APP, images.artifact("application/spdx+json", []), kind="application/spdx+json")
    assert "there are no signatures" in refused(sbom)
    assert sbom.reads == 0


def test_no_more_is_read_than_is_needed() -> None:
    store = tagged(*(simple_signing(KEY, APP.digest, f"{NAME}:{number}") for number in range(9)))
    verify(store)
    assert store.reads == 1


def test_so_many_distinct_keys_must_have_signed() -> None:
    both = tagged(simple_signing(KEY, APP.digest, NAME), simple_signing(SECOND, APP.digest, NAME))
    found = verify(both, SECOND, KEY, signatures=2)
    assert found.keys == (SECOND.fingerprint, KEY.fingerprint)
    twice = tagged(simple_signing(KEY, APP.digest, NAME), simple_signing(KEY, APP.digest, f"{NAME}:1.0"))
    assert "and 1 did" in refused(twice, KEY, SECOND, signatures=2)


def test_the_keys_may_sign_index_and_manifest_in_any_form() -> None:
    store = Store().tag(INDEX, signatures([simple_signing(KEY, INDEX.digest, NAME)]))
    store.attach(APP, referrer(APP, bundle(SECOND, APP.digest)))
    assert len(verify(store, KEY, SECOND, signatures=2, image=asked(INDEX, APP)).keys) == 2


VALID = simple_signing(KEY, APP.digest, NAME)


def with_signature(text: str) -> images.Content:
    return images.Content(VALID.data, PAYLOAD_TYPE, {SIGNATURE: text})


LIES: list[tuple[images.Content, str]] = [
    (simple_signing(KEY, OTHER.digest, NAME), f"a signature of {OTHER.digest}, not of {APP.digest}"),
    (simple_signing(KEY, INDEX.digest, NAME), f"a signature of {INDEX.digest}"),
    (simple_signing(STRANGER, APP.digest, NAME), "made with another key"),
    (simple_signing(SigningKey.make("p521"), APP.digest, NAME), "made with another key"),
    (images.Content(payload(OTHER.digest, NAME), PAYLOAD_TYPE, VALID.annotations), "made with another key"),
    (signed_payload(KEY, b"no json"), "not JSON"),
    (signed_payload(KEY, VALID.data.replace(b"{", b'{"critical":{},', 1)), "given twice"),
    (signed_payload(KEY, payload(APP.digest, NAME, type="something else")), "type of its payload"),
    (images.Content(VALID.data, PAYLOAD_TYPE), f"no annotation {SIGNATURE}"),
    (with_signature(""), "not base64"),
    (with_signature(VALID.annotations[SIGNATURE] + "\n"), "not base64"),
    (with_signature("-" + VALID.annotations[SIGNATURE]), "not base64"),
    (with_signature("A" * 8193), "is the limit"),
    (signed_payload(KEY, b" " * 65537), "65537 bytes, and 65536 is the limit"),
    (simple_signing(KEY, APP.digest, NAME, **{"dev.sigstore.cosign/certificate": "-----"}), "keyless"),
    (bundle(STRANGER, APP.digest), "made with another key"),
    (bundle(KEY, OTHER.digest), f"a signature of {OTHER.digest}"),
    (bundle_of(bundle_document(KEY, statement(APP.digest, predicateType="https://x.example/"))), "attestation"),
    (bundle_of({**bundle_document(KEY, b"{}"), "verificationMaterial": {"certificate": {}}}), "keyless"),
    (
        bundle_of(
            {
                **bundle_document(KEY, statement(APP.digest)),
                "verificationMaterial": bundle_document(STRANGER, b"{}")["verificationMaterial"],
            }
        ),
        "the bundle names the key",
    ),
    (bundle_of(message_document(KEY, OTHER.data)), f"a signature of {OTHER.digest}"),
    (bundle_of(message_document(STRANGER, APP.data)), "made with another key"),
]


@pytest.mark.parametrize(("layer", "why"), LIES)
@pytest.mark.parametrize("place", ["tag", "referrer"])
def test_a_signature_that_lies_is_refused(layer: images.Content, why: str, place: str) -> None:
    manifest = signatures([layer], subject=APP)
    store = Store().tag(APP, manifest) if place == "tag" else Store().attach(APP, manifest)
    store.contents[APP.digest] = APP.data
    assert why in refused(store)
    # it hides no valid one
    assert verify(store.tag(APP, signatures([layer, VALID]))).keys == (KEY.fingerprint,)


def test_ed25519ph_is_named() -> None:
    key = SigningKey.make("ed25519")
    document = bundle_document(key, statement(APP.digest))
    document["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    assert "Ed25519ph, which is not supported" in refused(Store().attach(APP, referrer(APP, bundle_of(document))), key)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a manifest of signatures"),
        (b"{}", "not a manifest of signatures"),
        (INDEX.data, "it is an index"),
        (signatures([VALID]).data.replace(b'"layers"', b'"manifests":[],"layers"'), "not a manifest of signatures"),
        (signatures([VALID] * 10_000).data, "10000 layers"),
    ],
)
def test_what_is_no_manifest_of_signatures_is_refused(data: bytes, why: str) -> None:
    document = images.Content(data, images.OCI_MANIFEST)
    for store in (Store().tag(APP, document), Store().attach(APP, document)):
        assert why in refused(store)


def test_only_so_many_signatures_are_examined() -> None:
    layers = [simple_signing(STRANGER, APP.digest, f"{NAME}:{number}") for number in range(MAX_EXAMINED + 9)]
    store = tagged(*layers)
    assert "and 124 more" in refused(store)
    assert store.reads == MAX_EXAMINED
    listed = Store().attach(APP, *(signatures([layer], subject=APP) for layer in layers), kind=OLD_REFERRER_TYPE)
    refused(listed)
    assert listed.reads <= MAX_EXAMINED


def test_what_is_missing_is_refused() -> None:
    store = tagged(VALID)
    del store.contents[VALID.digest]
    assert f"{VALID.digest} is not there" in refused(store)
    lost = Store().attach(APP, referrer(APP, bundle(KEY, APP.digest)))
    lost.contents.clear()
    assert "is not there" in refused(lost)


def test_a_store_that_fails_is_the_error_unless_the_signature_is_elsewhere() -> None:
    store = tagged(VALID)
    store.failure = CollectionError("no answer")
    assert verify(store).keys == (KEY.fingerprint,)
    store.tags.clear()
    with pytest.raises(CollectionError, match="no answer"):
        verify(store)


def test_the_message_names_the_keys_and_what_was_found() -> None:
    layers = [simple_signing(STRANGER, APP.digest, f"{NAME}:{number}") for number in range(7)]
    with pytest.raises(SignatureInvalid) as caught:
        verify(tagged(*layers), KEY, SECOND)
    error = caught.value
    assert "team/app (1.0)" in error.message
    assert "p256.pub, p384.pub" in error.message
    assert "layer 1: it was made with another key" in error.message
    assert "and 2 more" in error.message
    fields = {"digest": APP.digest, "format": "cosign", "required": 1, "valid": 0, "examined": 7}
    assert error.as_result() == {**fields, "keys": "p256.pub, p384.pub", "kind": "signature_invalid"}


# --- identity --------------------------------------------------------------------------------------------------------


def test_a_replay_in_another_repository_is_refused_with_identity_exact() -> None:
    store = tagged(simple_signing(KEY, APP.digest, "registry.example.com/team/other"))
    assert "not for registry.example.com/team/app" in refused(store, identity="exact")
    assert verify(store, identity="none").identity is None


def test_identity_exact_is_in_the_outcome() -> None:
    assert verify(tagged(VALID), identity="exact").identity == f"{NAME}:1.0"
    by_digest = asked(tag=None)
    assert verify(tagged(VALID), image=by_digest, identity="exact").identity == NAME


def test_a_bundle_has_no_name_and_is_not_even_read_with_identity_exact() -> None:
    store = Store().attach(APP, referrer(APP, bundle(KEY, APP.digest)))
    assert "needs signature.identity=none" in refused(store, identity="exact")
    assert store.reads == 0
    unlisted = Store().attach(APP, referrer(APP, bundle(KEY, APP.digest)), kind=None)
    assert "needs signature.identity=none" in refused(unlisted, identity="exact")


def test_identity_exact_needs_a_name() -> None:
    with pytest.raises(PolicyInvalid, match=r"set signature\.identity=none"):
        verify(tagged(VALID), image=asked(name=None), identity="exact")


# --- islet -----------------------------------------------------------------------------------------------------------

ROOT_KEY, VENDOR = SigningKey.make("p384", "root"), SigningKey.make("p384", "vendor")
GOOD = islet_annotations(ROOT_KEY, VENDOR, APP.config.data)


def islet_image(annotations: t.Mapping[str, str] | None = None, config: bytes = APP.config.data) -> SignedImage:
    made = images.image(APP.layers, annotations=GOOD if annotations is None else annotations)
    manifest = parse_document(made.data, media_type=None)
    assert isinstance(manifest, Manifest)
    digest = Digest.parse(made.digest)
    return SignedImage("team/app (1.0)", (digest,), (SignedManifest(digest, manifest, config),))


def verify_islet(image: SignedImage, *keys: SigningKey) -> Verified:
    return verify(Store(), *(keys or (ROOT_KEY,)), image=image, form="islet")


def test_islet_is_verified() -> None:
    image = islet_image()
    found = verify_islet(image, SECOND, ROOT_KEY)
    assert (found.format, found.keys, found.digest) == ("islet", (ROOT_KEY.fingerprint,), image.digests[0])


# made by ir-sign 0.1.0
REAL_ROOT = (
    "3076301006072a8648ce3d020106052b8104002203620004da3be6f6908a0536dfc13e3b66906656bc18461bc4ea9097a7a5"
    "ded18aeee9055db72ecda5887294ded791d4b2f2103cb51e57890c1260b7dc4fb25c070b935adb6ee29229e748d9201b1d15"
    "8ba281b05e38612ffa6b6f6a9a179da71d244c12"
)
REAL_CONFIG = (
    b'{"created":"2024-07-19T13:44:56Z","architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/bi'
    b'n:/bin"],"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:1e799dec7d16f577b08b6e0b1b'
    b'f48a289c3ea09ba3f32cd64b48353bfcf51250"]},"history":[{"created":"2024-07-19T13:44:56Z","created_by":'
    b'"layer 1"}]}'
)
REAL_ANNOTATIONS = {
    f"{ISLET}signature": (
        "3064023022002ea218b89c81d59d756ff7a7a6cda190424a75e677f83c976fe1b2e553931b7cdeb204e3e1359ccc4af37aef"
        "360c02304e29598bdcbcbc05afe3d34a943d89bfed99a4c5dde771a580439725b4d09b7eee34b467966aef232cd9a660379a"
        "21d9"
    ),
    f"{ISLET}vendorpub": (
        "3076301006072a8648ce3d020106052b810400220362000483e785ccdc620303951645c106369743e2fa71c457a73d1c0ec5"
        "ed03ed209d8fb2c30209c21dce0efd4268cf3c76850f2700adc0bdc787487629863c0962d0e894646278eda345ac6ab399c4"
        "54e9cbe59325b02bf63e4a7db917f6ccba06b74e"
    ),
    f"{ISLET}vendorpub.signature": (
        "3065023100b55040051072c213b09b02d2911a670d15117856986ce18363c03b0429533653e35ba2128e1e002ccaa3b02d4f"
        "406ed902304309cc7799523300517c527549895b048d553e6fd6a0c88fa1e89b9c194756bbb34b9e28953cebbaf39a1be7df"
        "c35210"
    ),
}


def test_what_ir_sign_has_signed_is_verified() -> None:
    key = parse_public_key(bytes.fromhex(REAL_ROOT), path="root.pub")
    found = verify_signature(Policy("islet", (key,)), islet_image(REAL_ANNOTATIONS, REAL_CONFIG), Store())
    assert found.keys == (key.fingerprint,)


def islet_with(**changes: str | None) -> dict[str, str]:
    changed = {**GOOD, **{f"{ISLET}{name.replace('__', '.')}": value for name, value in changes.items()}}
    return {name: value for name, value in changed.items() if value is not None}


def vouched_for(key: SigningKey) -> dict[str, str]:
    return islet_annotations(ROOT_KEY, key, APP.config.data)


@pytest.mark.parametrize(
    ("annotations", "why"),
    [
        ({}, f"no annotation {ISLET}vendorpub"),
        (islet_with(signature=None), f"no annotation {ISLET}signature"),
        (islet_with(vendorpub__signature=None), f"no annotation {ISLET}vendorpub.signature"),
        (islet_with(vendorpub="xx"), "not hexadecimal"),
        (islet_with(signature="0" * 1025), "is the limit"),
        (islet_with(vendorpub="0" * 1026), "is the limit"),
        (islet_annotations(SECOND, VENDOR, APP.config.data), "signed by another root key"),
        (islet_annotations(ROOT_KEY, VENDOR, OTHER.config.data), "config was signed with another key"),
        (islet_with(signature=vouched_for(SECOND)[f"{ISLET}signature"]), "config was signed with another key"),
        (islet_with(vendorpub=SECOND.spki.hex()), "signed by another root key"),
        (vouched_for(SigningKey.make("p256")), "algorithm ECDSA P-256, not ECDSA P-384"),
        (vouched_for(SigningKey.make("rsa")), "algorithm RSA, not ECDSA P-384"),
        (vouched_for(SigningKey.make("p521")), "cannot be used: it is a key on the curve secp521r1"),
        (
            islet_with(vendorpub="00", vendorpub__signature=ROOT_KEY.sign(b"\0", algorithm=hashes.SHA384()).hex()),
            "cannot be used: it is not a public key",
        ),
        (islet_with(signature=VENDOR.sign(APP.config.data).hex()), "config was signed with another key"),
    ],
)
def test_an_annotation_that_lies_is_refused(annotations: dict[str, str], why: str) -> None:
    with pytest.raises(SignatureInvalid, match=why):
        verify_islet(islet_image(annotations))


def test_the_signature_of_another_config_is_refused() -> None:
    with pytest.raises(SignatureInvalid, match="config was signed with another key"):
        verify_islet(islet_image(config=APP.config.data + b" "))


def test_islet_does_not_cover_artifacts() -> None:
    image = islet_image()
    bare = SignedManifest(image.manifests[0].digest, image.manifests[0].manifest, None)
    with pytest.raises(SignatureInvalid, match="its files are not covered"):
        verify_islet(SignedImage("x", image.digests, (bare,)))
    with pytest.raises(SignatureInvalid, match="cover images alone"):
        verify_islet(SignedImage("x", image.digests))


def test_every_manifest_of_an_index_must_be_signed() -> None:
    good, bad = islet_image(), islet_image({})
    both = SignedImage("x", good.digests, (*good.manifests, *bad.manifests))
    with pytest.raises(SignatureInvalid, match=str(bad.digests[0])):
        verify_islet(both)
    second = islet_image(islet_annotations(SECOND, VENDOR, APP.config.data))
    mixed = SignedImage("x", good.digests, (*good.manifests, *second.manifests))
    with pytest.raises(SignatureInvalid, match="the same root key"):
        verify_islet(mixed, ROOT_KEY, SECOND)


# --- policies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"signatures": 0}, "at least one signature"),
        ({"signatures": 2}, "no more than there are keys"),
        ({"form": "islet"}, "islet uses ECDSA P-384 alone"),
        ({"form": "islet", "identity": "exact"}, "one signature, which contains no name"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(options: t.Any, why: str) -> None:
    with pytest.raises(PolicyInvalid, match=why):
        policy(KEY, **options)


def test_the_identity_is_exact_unless_the_task_says_otherwise(tmp_path: Path) -> None:
    path = KEY.write(tmp_path / "cosign.pub")
    assert Policy.read("cosign", keys=[path]).identity == "exact"
    assert Policy.read("cosign", keys=[path], identity="none").identity == "none"
    assert Policy.read("islet", keys=[ROOT_KEY.write(tmp_path / "root.pub")]).identity == "none"


def test_an_earlier_outcome_satisfies_the_same_or_a_weaker_demand() -> None:
    store = tagged(VALID, simple_signing(SECOND, APP.digest, NAME))
    earlier = verify(store, KEY, SECOND, signatures=2, identity="exact")
    kept = Verified.from_record(json.loads(json.dumps(earlier.as_dict())))
    assert kept == earlier
    name = f"{NAME}:1.0"
    assert earlier.satisfies(policy(KEY, identity="exact"), identity=name)
    assert earlier.satisfies(policy(KEY), identity="another")
    assert not earlier.satisfies(policy(KEY, identity="exact"), identity="another")
    unnamed = verify(store, identity="none")
    assert not unnamed.satisfies(policy(KEY, identity="exact"), identity=None)
    assert not earlier.satisfies(policy(STRANGER), identity=name)
    assert not earlier.satisfies(policy(KEY, STRANGER, signatures=2), identity=name)
    assert not earlier.satisfies(policy(ROOT_KEY, form="islet"), identity=name)


@pytest.mark.parametrize("change", [{"format": "x"}, {"keys": []}, {"keys": [1]}, {"digest": "x"}, {"identity": 1}])
def test_a_record_that_is_damaged_counts_as_none(change: t.Any) -> None:
    assert Verified.from_record({**verify(tagged(VALID)).as_dict(), **change}) is None
