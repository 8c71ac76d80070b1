# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The challenge of RA-TLS, which binds a token to one connection and one key.

A server makes a Challenge for each connection. A client finds it in certificate_authorities (RFC 8446, 4.2.4), and the
token carries the realm challenge that is derived from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import typing as t

from .errors import ChallengeInvalid, TokenUntrusted

CHALLENGE_SIZE: t.Final = 64
_AUTHORITY_SIZE: t.Final = 88  # 64 bytes in base64 with padding


class Challenge:
    """The challenge of one connection: 64 random bytes, good for one answer.

    authority is the only entry of certificate_authorities: the bytes in base64 with padding, in place of a DER name.
    """

    def __init__(self) -> None:
        self._value: bytes | None = secrets.token_bytes(CHALLENGE_SIZE)
        self.authority: t.Final = base64.b64encode(self._value)

    def __repr__(self) -> str:
        return f"<Challenge, {'used' if self._value is None else 'not used yet'}>"

    def answer_for(self, public_key: bytes) -> bytes:
        """Use the challenge up and return the realm challenge that the token must contain.

        public_key is the SubjectPublicKeyInfo of the certificate. Raises ChallengeInvalid on every call but the first.
        """
        value, self._value = self._value, None
        if value is None:
            raise ChallengeInvalid(
                "Checking an attestation failed: the challenge of this connection was used before; connect again."
            )
        return realm_challenge(value, public_key)


def realm_challenge(challenge: bytes, public_key: bytes) -> bytes:
    """Return the required claim 10 of the realm token: SHA-512 over the challenge and the DER SubjectPublicKeyInfo."""
    return hashlib.sha512(challenge + public_key).digest()


def challenge_of(authorities: t.Sequence[bytes]) -> bytes:
    """Extract the challenge from the certificate_authorities of a CertificateRequest.

    Raises ChallengeInvalid unless there is exactly one entry and it is a challenge.
    """
    if len(authorities) != 1:
        raise _challenge_error(f"it lists {len(authorities)} certificate authorities in place of one challenge")
    text = bytes(authorities[0])
    try:
        value = base64.b64decode(text, validate=True) if len(text) == _AUTHORITY_SIZE else b""
    except binascii.Error:
        value = b""
    if len(value) != CHALLENGE_SIZE or base64.b64encode(value) != text:
        raise _challenge_error("its certificate authority is not 64 bytes in base64")
    return value


def check_answer(expected: bytes, claimed: bytes) -> None:
    """Compare the realm challenge of a token with the expected one in constant time. Raises TokenUntrusted."""
    if not hmac.compare_digest(expected, claimed):
        raise TokenUntrusted(
            "Checking the CCA token failed: its challenge is not the one of this connection and key, so it was made "
            "for another connection; a static token cannot pass, use a source that makes one for every connection.",
            check="challenge",
        )


def _challenge_error(why: str) -> ChallengeInvalid:
    return ChallengeInvalid(
        f"Answering the server's request for a certificate failed: {why}; check that the server speaks RA-TLS."
    )


__all__ = ("CHALLENGE_SIZE", "Challenge", "challenge_of", "check_answer", "realm_challenge")
