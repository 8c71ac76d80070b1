# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sign images as cosign, podman and ir-sign do, and in all the ways that must be refused.

    key = SigningKey.make("p256")
    signed = signatures([simple_signing(key, app.digest, "registry.example.com/team/app")])
    registry.publish("team/app", {"1.0": app, signature_tag(app.digest): signed})
    registry.add_content("team/app", referrer(app, bundle(key, app.digest)))
    options = {"signature": {"keys": [key.write(tmp_path / "cosign.pub")]}}

The keys are made once in a process, and are the same for all tests: ``make`` with another name makes another key.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import pathlib
import typing as t
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from . import images
from .images import Content, Image, Json, artifact, digest_of, image, to_json

PAYLOAD_TYPE: t.Final = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE_TYPE: t.Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
OLD_REFERRER_TYPE: t.Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
SIGNATURE: t.Final = "dev.cosignproject.cosign/signature"
PREDICATE: t.Final = "https://sigstore.dev/cosign/sign/v1"
ISLET: t.Final = "com.samsung.islet.image."

KeyKind = t.Literal["p256", "p384", "p521", "ed25519", "rsa", "rsa-pss", "rsa-1024"]


@dataclass(frozen=True)
class SigningKey:
    """A private key, and how its holder signs."""

    kind: KeyKind
    private: t.Any

    @classmethod
    @functools.cache
    def make(cls, kind: KeyKind, name: str = "") -> SigningKey:
        """Make a key; the same arguments give the same key."""
        curves: dict[str, ec.EllipticCurve] = {
            "p256": ec.SECP256R1(),
            "p384": ec.SECP384R1(),
            "p521": ec.SECP521R1(),
        }
        if kind in curves:
            return cls(kind, ec.generate_private_key(curves[kind]))
        if kind == "ed25519":
            return cls(kind, ed25519.Ed25519PrivateKey.generate())
        return cls(kind, rsa.generate_private_key(65537, 1024 if kind == "rsa-1024" else 2048))

    def sign(self, message: bytes, *, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
        """Sign, with SHA-256 unless another hash is given."""
        chosen = algorithm or hashes.SHA256()
        if self.kind == "ed25519":
            return t.cast(bytes, self.private.sign(message))
        if self.kind.startswith("rsa"):
            pss = padding.PSS(mgf=padding.MGF1(chosen), salt_length=padding.PSS.DIGEST_LENGTH)
            chosen_padding = pss if self.kind == "rsa-pss" else padding.PKCS1v15()
            return t.cast(bytes, self.private.sign(message, chosen_padding, chosen))
        return t.cast(bytes, self.private.sign(message, ec.ECDSA(chosen)))

    @property
    def spki(self) -> bytes:
        """The public key in DER."""
        return self._public(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The public key in PEM."""
        return self._public(serialization.Encoding.PEM)

    def _public(self, encoding: serialization.Encoding) -> bytes:
        public = self.private.public_key()
        return t.cast(bytes, public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))

    @property
    def private_pem(self) -> bytes:
        """The private key in PEM."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return t.cast(bytes, self.private.private_bytes(encoding, form, serialization.NoEncryption()))

    @property
    def fingerprint(self) -> str:
        """The fingerprint in results."""
        return digest_of(self.spki)

    def write(self, path: pathlib.Path) -> str:
        """Write the public key in PEM; return the path."""
        path.write_bytes(self.pem)
        return str(path)


# --- cosign, the format of tags --------------------------------------------------------------------------------------


def payload(digest: str, reference: str, **critical: t.Any) -> bytes:
    """Return the document that is signed; ``critical`` are members to set, or to omit if None."""
    members: Json = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
        **critical,
    }
    return to_json({"critical": {key: value for key, value in members.items() if value is not None}, "optional": None})


def signed_payload(key: SigningKey, data: bytes, **annotations: str) -> Content:
    """Sign any bytes; return them as a layer of a manifest of signatures."""
    signature = base64.b64encode(key.sign(data)).decode()
    return Content(data, PAYLOAD_TYPE, {SIGNATURE: signature, **annotations})


def simple_signing(key: SigningKey, digest: str, reference: str, **annotations: str) -> Content:
    """Sign a digest under a name; return the layer."""
    return signed_payload(key, payload(digest, reference), **annotations)


def signatures(layers: t.Sequence[Content], *, subject: Content | None = None) -> Image:
    """Return the manifest of such layers; with ``subject`` as a referrer in the older format."""
    config = Content(b"{}", OLD_REFERRER_TYPE if subject is not None else images.OCI_CONFIG)
    changes = {
        "layers": [layer.descriptor(annotations=dict(layer.annotations)) for layer in layers],
        "subject": None if subject is None else subject.descriptor(),
    }
    made = image([], config_content=config, changes=changes)
    return Image(made.data, made.media_type, children=(config, *layers))


def signature_tag(digest: str) -> str:
    """Return the tag of the signatures of a digest."""
    return digest.replace(":", "-") + ".sig"


# --- cosign, bundles --------------------------------------------------------------------------------------------------


def statement(digest: str, **members: t.Any) -> bytes:
    """Return an in-toto statement as cosign signs it; ``members`` replace its members."""
    algorithm, dummy, encoded = digest.partition(":")
    document: Json = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {algorithm: encoded}, "annotations": {}}],
        "predicateType": PREDICATE,
        "predicate": {},
        **members,
    }
    return to_json(document)


def bundle_document(key: SigningKey, data: bytes, *, kind: str = "application/vnd.in-toto+json") -> Json:
    """Return a bundle with a DSSE envelope of any payload, to be changed and passed to bundle_of()."""
    signature = key.sign(b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(data), data))
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": _base64(hashlib.sha256(key.spki).digest())}},
        "dsseEnvelope": {
            "payload": _base64(data),
            "payloadType": kind,
            "signatures": [{"sig": _base64(signature)}],
        },
    }


def message_document(key: SigningKey, data: bytes) -> Json:
    """Return a bundle with a signature of the bytes themselves."""
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": _base64(hashlib.sha256(data).digest())},
            "signature": _base64(key.sign(data)),
        },
    }


def bundle_of(document: Json) -> Content:
    """Return a bundle as a file of an artifact."""
    return Content(to_json(document), BUNDLE_TYPE)


def bundle(key: SigningKey, digest: str) -> Content:
    """Sign a digest as cosign does from version 3 on."""
    return bundle_of(bundle_document(key, statement(digest)))


def referrer(subject: Content, file: Content) -> Image:
    """Return the manifest of a bundle, which refers to what it signs."""
    return artifact(BUNDLE_TYPE, [file], changes={"subject": subject.descriptor()})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- islet -----------------------------------------------------------------------------------------------------------


def islet_annotations(root: SigningKey, vendor: SigningKey, config: bytes) -> dict[str, str]:
    """Sign a config as ir-sign does; return the annotations of the manifest."""
    algorithm = hashes.SHA384()
    return {
        f"{ISLET}signature": vendor.sign(config, algorithm=algorithm).hex(),
        f"{ISLET}vendorpub": vendor.spki.hex(),
        f"{ISLET}vendorpub.signature": root.sign(vendor.spki, algorithm=algorithm).hex(),
    }


__all__ = (
    "BUNDLE_TYPE",
    "ISLET",
    "OLD_REFERRER_TYPE",
    "PAYLOAD_TYPE",
    "SIGNATURE",
    "SigningKey",
    "bundle",
    "bundle_document",
    "bundle_of",
    "islet_annotations",
    "message_document",
    "payload",
    "referrer",
    "signature_tag",
    "signatures",
    "signed_payload",
    "simple_signing",
    "statement",
)
