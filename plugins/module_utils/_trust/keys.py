# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Public keys that signatures are verified with: their files, their fingerprints, and the algorithms of each kind.

The algorithms are those that cosign, podman and the key services behind them sign with. policy.py reads the files;
islet.py reads a key from an annotation.
"""

from __future__ import annotations

import functools
import hashlib
import typing as t
from dataclasses import dataclass, field, replace

from .._base import crypto
from .._base.bounded_file import NotReadable, read_bounded
from .._base.text import visible
from .errors import PolicyInvalid, Refused

MAX_KEY_FILE: t.Final = 64 * 1024
MAX_KEYS: t.Final = 64

Algorithm = t.Literal["ECDSA P-256", "ECDSA P-384", "Ed25519", "RSA"]

_PEM: t.Final = b"-----BEGIN "
# cosign signs with SHA-256 whatever the curve is, and its newer releases on P-384 with SHA-384
_CURVES: t.Final[t.Mapping[str, tuple[Algorithm, tuple[str, ...]]]] = {
    "secp256r1": ("ECDSA P-256", ("SHA256",)),
    "secp384r1": ("ECDSA P-384", ("SHA384", "SHA256")),
}
# cosign uses SHA-256; key services offer the others with the longer keys
_RSA_HASHES: t.Final = ("SHA256", "SHA512", "SHA384")
_RSA_BITS: t.Final = (2048, 8192)
_RSA_EXPONENT: t.Final = 65537
_SUPPORTED: t.Final = "ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits"


@dataclass(frozen=True)
class PublicKey:
    """A public key. fingerprint is "sha256:" and the hash of its SubjectPublicKeyInfo in DER.

    path is its file, the fingerprint for a key that has none.
    """

    fingerprint: str
    algorithm: Algorithm
    hashes: tuple[str, ...] = field(repr=False)
    _key: t.Any = field(repr=False, compare=False)
    path: str = ""

    def verifies(self, signature: bytes, message: bytes, *, only: str | None = None) -> bool:
        """Tell whether the signature of message was made with this key; only names the one hash to accept."""
        return any(only in (None, name) and self._verifies(signature, message, name) for name in self.hashes)

    def _verifies(self, signature: bytes, message: bytes, name: str) -> bool:
        if self.algorithm == "Ed25519":
            return _succeeds(lambda: self._key.verify(signature, message))
        chosen = getattr(crypto.hashes, name)()
        if self.algorithm != "RSA":
            return _succeeds(lambda: self._key.verify(signature, message, crypto.ec.ECDSA(chosen)))
        pss = crypto.padding.PSS(mgf=crypto.padding.MGF1(chosen), salt_length=crypto.padding.PSS.AUTO)
        return any(
            _succeeds(functools.partial(self._key.verify, signature, message, padding, chosen))
            for padding in (crypto.padding.PKCS1v15(), pss)
        )


def _succeeds(verify: t.Callable[[], object]) -> bool:
    try:
        verify()
    except (crypto.InvalidSignature, ValueError):
        return False
    return True


def parse_public_key(data: bytes, *, path: str = "") -> PublicKey:
    """Read a SubjectPublicKeyInfo, as PEM or DER. Raises Refused, DependencyMissing."""
    crypto.require_cryptography(purpose="Verifying signatures")
    if b"PRIVATE KEY-----" in data:
        raise Refused("it is a private key, which verifies nothing and should not be on this host")
    try:
        key = _load(data)
        spki = key.public_bytes(
            crypto.serialization.Encoding.DER, crypto.serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, TypeError, AttributeError, crypto.UnsupportedAlgorithm):
        raise Refused("it is not a public key in PEM or DER") from None
    if not _is_pem(data) and spki != data:
        raise Refused("it is not a public key in PEM or DER")
    algorithm, hashes = _classify(key)
    return PublicKey(f"sha256:{hashlib.sha256(spki).hexdigest()}", algorithm, hashes, key, path)


def _is_pem(data: bytes) -> bool:
    return data.lstrip().startswith(_PEM)


def _load(data: bytes) -> t.Any:
    text = data.strip()
    if not _is_pem(data):
        return crypto.serialization.load_der_public_key(data)
    if text.count(_PEM) != 1 or text.startswith(_PEM + b"CERTIFICATE"):
        raise ValueError
    return crypto.serialization.load_pem_public_key(text)


def _classify(key: t.Any) -> tuple[Algorithm, tuple[str, ...]]:
    if isinstance(key, crypto.ed25519.Ed25519PublicKey):
        return "Ed25519", ("",)
    if isinstance(key, crypto.ec.EllipticCurvePublicKey):
        if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        raise Refused(f"it is a key on the curve {key.curve.name}, not {_SUPPORTED}")
    if isinstance(key, crypto.rsa.RSAPublicKey):
        if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
            raise Refused(f"it is an RSA key of {key.key_size} bits, not {_SUPPORTED}")
        if key.public_numbers().e != _RSA_EXPONENT:
            raise Refused(f"it is an RSA key with another exponent than {_RSA_EXPONENT}")
        return "RSA", _RSA_HASHES
    raise Refused(f"it is a key of another kind than {_SUPPORTED}")


def read_keys(texts: t.Sequence[str], *, where: str) -> tuple[PublicKey, ...]:
    """Read public keys, each the path of a file or a key in PEM itself; a key that is given twice is returned once.

    where names the option in messages. Raises PolicyInvalid, DependencyMissing.
    """
    if not 0 < len(texts) <= MAX_KEYS:
        raise PolicyInvalid(f"The {where} has {len(texts)} keys; give 1 to {MAX_KEYS} public keys.")
    keys: dict[str, PublicKey] = {}
    for text in texts:
        key = _read_text(text, where) if "KEY-----" in text else _read_file(text, where)
        keys.setdefault(key.fingerprint, key)
    return tuple(keys.values())


def _read_text(text: str, where: str) -> PublicKey:
    """Read a key in PEM. No message shows it, since it may be a private one."""
    try:
        data = text.encode("ascii")
        if len(data) > MAX_KEY_FILE:
            raise Refused(f"it has {len(data)} bytes, and {MAX_KEY_FILE} is the limit")
        key = parse_public_key(data)
    except UnicodeEncodeError:
        why = "it is not a public key in PEM"
    except Refused as exc:
        why = str(exc)
    else:
        return replace(key, path=key.fingerprint)
    raise PolicyInvalid(
        f"Reading a key of the {where}, which is given in PEM, failed: {why}; give one public key, or the path of its "
        "file."
    )


def _read_file(path: str, where: str) -> PublicKey:
    try:
        return parse_public_key(read_bounded(path, limit=MAX_KEY_FILE), path=path)
    except NotReadable as exc:
        why = str(exc)
    except Refused as exc:
        why = str(exc)
    raise PolicyInvalid(
        f"Reading the key {visible(path)} of the {where} failed: {why}; give the path of a file with one public key, "
        "such as cosign.pub.",
        path=visible(path),
    )


__all__ = ("MAX_KEYS", "MAX_KEY_FILE", "PublicKey", "parse_public_key", "read_keys")
