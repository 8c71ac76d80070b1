# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates and their keys are read in pairs; the library is named if it is missing or too old."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import crypto
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.config import ClientConfig
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto import keys
from ansible_collections.attested.registry.plugins.module_utils._tls13.crypto.verify import ServerVerifier
from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import UsageError
from ansible_collections.attested.registry.tests.support.tls13.tls13_peers import KEY_TYPES, KeyType, certificate, pem


@pytest.mark.parametrize("version", ["37.0.4", "odd"])
def test_a_library_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(crypto, "_found_version", version)
    for use in (lambda: ClientEngine(ClientConfig()), lambda: keys.load_certified_key(b"", b"")):
        with pytest.raises(DependencyMissing, match=f"cryptography >= 38.0.0 and {version} was found; upgrade it"):
            use()


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "IMPORT_ERROR", "Traceback")
    for use in (lambda: ClientEngine(ClientConfig()), lambda: keys.load_certified_key(b"", b"")):
        with pytest.raises(DependencyMissing, match=r"cryptography >= 38.0.0, which cannot be imported; install it"):
            use()


@pytest.mark.parametrize("version", ["38.0.4", "43.0.3", "44.0.0"])
def test_the_check_of_a_server_needs_a_newer_one(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(crypto, "_found_version", version)
    crypto.require_cryptography()
    with pytest.raises(DependencyMissing, match=f"cryptography >= 45.0.0 and {version} was found; upgrade it"):
        ServerVerifier(b"")


def test_certificates_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without load_pem_x509_certificates too, which cryptography 38 has not."""
    one, other = pem("ed25519")[0], pem("ec-p256")[0]

    class Old:
        load_pem_x509_certificate = staticmethod(crypto.x509.load_pem_x509_certificate)

    for x509 in (crypto.x509, Old()):
        monkeypatch.setattr(keys, "x509", x509)
        assert len(keys._load_certificates(b"a comment\n" + one + b"\n\n" + other)) == 2
        for bad in (b"", b"nonsense", one[:-40]):
            with pytest.raises(ValueError):  # noqa: PT011 - the library has many texts
                keys._load_certificates(bad)


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_credentials_from_pem(kind: KeyType) -> None:
    chain, key = pem(kind)
    other, dummy = pem("ed25519" if kind != "ed25519" else "ec-p256")
    loaded = keys.load_certified_key(chain + other, key)
    assert loaded.chain[0] == certificate(kind)
    assert len(loaded.chain) == 2
    with pytest.raises(UsageError, match="do not belong together"):
        keys.load_certified_key(other, key)


@pytest.mark.parametrize(("chain", "key"), [(b"", b""), (pem()[0], b"x"), (b"x", pem()[1]), (pem()[0], pem()[0])])
def test_credentials_that_cannot_be_read(chain: bytes, key: bytes) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        keys.load_certified_key(chain, key)


def test_a_password_that_is_not_needed() -> None:
    chain, key = pem()
    with pytest.raises(UsageError, match="the password is right"):
        keys.load_certified_key(chain, key, password=b"secret")
