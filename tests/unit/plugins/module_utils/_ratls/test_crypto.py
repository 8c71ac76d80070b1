# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that needs cryptography names it if it is missing or too old."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import crypto
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._ratls.appraisal import peer_certificate
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence import certificate, client_key, signing
from ansible_collections.attested.registry.plugins.module_utils._ratls.token import key_file, keys
from ansible_collections.attested.registry.plugins.module_utils._ratls.token.cca_token import parse_token
from ansible_collections.attested.registry.tests.support.attestation import ratls_tokens

KEY = client_key.make_client_key("ec-p256")
TOKEN = parse_token(ratls_tokens.token())
NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)

USES: dict[str, t.Callable[[], object]] = {
    "a key of a client": lambda: client_key.make_client_key("ec-p256"),
    "a certificate": lambda: certificate.make_certificate(KEY, b""),
    "reading a certificate": lambda: peer_certificate.read_certificate(b"", now=NOW),
    "reading a key file": lambda: key_file.read_keys(b"", what="key"),
    "a point": lambda: keys.from_point(ratls_tokens.realm_key().public.point),
    "a COSE_Key": lambda: keys.from_cose_key(signing.cose_key(ratls_tokens.realm_key().public)),
    "checking a token": TOKEN.verify_realm,
    "a signing key": signing.SigningKey.generate,
    "reading a signing key": lambda: signing.SigningKey.from_pem(b"", path="key"),
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


@every_use
def test_a_missing_library_is_named(use: t.Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "IMPORT_ERROR", "Traceback")
    with pytest.raises(DependencyMissing, match="cryptography >= 38.0.0.* cannot be imported; install it.") as caught:
        use()
    assert caught.value.fields == {"library": "cryptography >= 38.0.0"}
    assert caught.value.traceback == "Traceback"


@every_use
@pytest.mark.parametrize("version", ["37.0.4", "3.4.8", "odd"])
def test_an_old_library_is_named(use: t.Callable[[], object], version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_found_version", version)
    with pytest.raises(DependencyMissing, match=f"and {version} was found; upgrade it."):
        use()
