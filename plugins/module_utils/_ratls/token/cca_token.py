# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""CCA attestation tokens (draft-ffm-rats-cca-token): parsing, and verification of their signatures.

Both profiles are read. Called by RelyingParty.judge, Attester and the module cca_token_info.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import typing as t
from dataclasses import dataclass

from ..errors import TokenInvalid, TokenUntrusted
from .cbor import TaggedValue
from .cose import Sign1, decode_part, parse_sign1, token_error
from .keys import EcKey, KeyInvalid, from_cose_key, from_point
from .platform_claims import NEW_PROFILE, PlatformClaims, read_platform_claims
from .realm_claims import PUBLIC_KEY, RealmClaims, read_realm_claims

MAX_TOKEN: t.Final = 16 * 1024

TAG: t.Final = 399  # draft-ffm-rats-cca-token: the CCA token collection
PLATFORM_TOKEN: t.Final = 44234
REALM_TOKEN: t.Final = 44241


@dataclass(frozen=True)
class CcaToken:
    """A parsed CCA token. Its structure and claims are valid; verify_realm and verify_platform check its signatures."""

    platform: PlatformClaims
    realm: RealmClaims
    platform_token: Sign1
    realm_token: Sign1
    # sha256:... of the bytes of the token, which identifies it in logs and results
    digest: str

    def realm_key(self) -> EcKey:
        """Return the key in the realm token, in the format of its profile. Raises TokenInvalid."""
        data = self.realm.public_key
        try:
            return from_cose_key(data) if self._has_cose_key() else from_point(data)
        except KeyInvalid as exc:
            raise token_error(
                "the realm token", f"the claim {PUBLIC_KEY} (public key) is not a key: {exc}", claim=PUBLIC_KEY
            ) from None

    def verify_realm(self) -> None:
        """Check that the realm token is signed with the key it contains and that the platform token binds this key.

        This alone proves nothing, because anybody can make such a pair of tokens: the signature of the platform must be
        checked too, with a key that is known from elsewhere. Raises TokenInvalid and TokenUntrusted.
        """
        self.verify_realm_signature()
        self.verify_key_binding()

    def verify_realm_signature(self) -> None:
        """Check the realm's signature, the first half of verify_realm. Raises TokenInvalid and TokenUntrusted."""
        if not self.realm_token.is_signed_by(self.realm_key()):
            raise _trust_error("the realm token is not signed with the key that it holds", check="realm_signature")

    def verify_key_binding(self) -> None:
        """Check the key binding, the second half of verify_realm. Raises TokenUntrusted."""
        # the hash covers the bytes of the claim, in either format of the key
        name = self.realm.public_key_hash_algorithm.replace("-", "")
        if not hmac.compare_digest(hashlib.new(name, self.realm.public_key).digest(), self.platform.challenge):
            raise _trust_error("the platform token was made for another realm key", check="key_binding")

    def verify_platform(self, keys: t.Iterable[EcKey]) -> EcKey:
        """Return the one of these keys that signed the platform token. Raises TokenUntrusted if none did."""
        for key in keys:
            if self.platform_token.is_signed_by(key):
                return key
        raise _trust_error(
            "the platform token is not signed with a key that is trusted for its instance and implementation",
            check="platform_signature",
        )

    def _has_cose_key(self) -> bool:
        return self.realm.profile is not None or self.platform.profile == NEW_PROFILE


def parse_token(data: bytes) -> CcaToken:
    """Parse a CCA token of at most MAX_TOKEN bytes without checking a signature. Raises TokenInvalid."""
    if len(data) > MAX_TOKEN:
        raise TokenInvalid(
            f"Reading the CCA token failed: it has {len(data)} bytes, and {MAX_TOKEN} is the limit; check that it is "
            "a token."
        )
    platform_data, realm_data = _signed_tokens(data)
    platform_token, platform = _read_platform_token(platform_data)
    realm_token = parse_sign1(realm_data, what="the realm token")
    return CcaToken(
        platform=platform,
        realm=read_realm_claims(realm_token.payload),
        platform_token=platform_token,
        realm_token=realm_token,
        digest="sha256:" + hashlib.sha256(data).hexdigest(),
    )


# Firmware has the platform token made once for each start of the machine, so most connections show one that was read
# before; that saves 35 us. A token has at most MAX_TOKEN bytes.
@functools.lru_cache(maxsize=64)
def _read_platform_token(data: bytes) -> tuple[Sign1, PlatformClaims]:
    token = parse_sign1(data, what="the platform token")
    return token, read_platform_claims(token.payload)


def _signed_tokens(data: bytes) -> tuple[bytes, bytes]:
    what = "the collection of tokens"
    value = decode_part(data, what=what)
    if not isinstance(value, TaggedValue) or value.tag != TAG:
        raise token_error(what, f"the tag {TAG} is missing, so it is not a CCA token")
    parts = value.value
    # further entries would not be signed, so none are accepted
    if not isinstance(parts, dict) or parts.keys() != {PLATFORM_TOKEN, REALM_TOKEN}:
        raise token_error(what, "there is not exactly one platform token and one realm token")
    platform, realm = parts[PLATFORM_TOKEN], parts[REALM_TOKEN]
    if not isinstance(platform, bytes) or not isinstance(realm, bytes):
        raise token_error(what, "the platform token and the realm token are not byte strings")
    return platform, realm


def _trust_error(why: str, *, check: str) -> TokenUntrusted:
    return TokenUntrusted(
        f"Checking the CCA token failed: {why}; do not trust the realm, and find out where its token comes from.",
        check=check,
    )


__all__ = ("MAX_TOKEN", "PLATFORM_TOKEN", "REALM_TOKEN", "TAG", "CcaToken", "parse_token")
