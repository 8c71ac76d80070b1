# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The key schedule (RFC 8446, section 7) and the transcript hash (section 4.4.1)."""

from __future__ import annotations

import functools
import hashlib
import hmac
import typing as t
from dataclasses import dataclass, field

from ..names import HandshakeType
from ..wire import number, vector
from .suites import IV_LENGTH, Suite


def extract(suite: Suite, salt: bytes, secret: bytes) -> bytes:
    """Compute HKDF-Extract (RFC 5869, section 2.2) with the hash of suite."""
    return hmac.digest(salt, secret, suite.hash)


def expand_label(suite: Suite, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """Compute HKDF-Expand-Label (RFC 8446, section 7.1).

    length is at most that of the hash, as everywhere in TLS 1.3 except in exporters: one block of HKDF-Expand (RFC
    5869, section 2.3) is enough.
    """
    info = _label_start(label, length) + vector(context, 1) + b"\x01"
    return hmac.digest(secret, info, suite.hash)[:length]


@functools.cache
def _label_start(label: str, length: int) -> bytes:
    """Return the HkdfLabel up to its context. There are 10 labels, and 32 calls in a handshake with both its ends."""
    return number(length, 2) + vector(b"tls13 " + label.encode("ascii"), 1)


@dataclass(frozen=True)
class TrafficKeys:
    """The key and IV that protect the records of one direction (RFC 8446, section 7.3)."""

    suite: Suite
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)

    @classmethod
    def derive(cls, suite: Suite, secret: bytes) -> TrafficKeys:
        """Derive the keys from a traffic secret."""
        key = expand_label(suite, secret, "key", b"", suite.key_length)
        return cls(suite, key, expand_label(suite, secret, "iv", b"", IV_LENGTH))


class Secrets(t.NamedTuple):
    """The traffic secrets of both directions in one epoch."""

    client: bytes
    server: bytes

    def __repr__(self) -> str:
        return "Secrets(...)"


class KeySchedule:
    """The key schedule without PSK (RFC 8446, section 7.1). Each method is called once, in the order given here."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._secret = b""

    def enter_handshake(self, shared: bytes, hello_hash: bytes) -> Secrets:
        """Return the handshake traffic secrets for the (EC)DHE secret and the hash of ClientHello..ServerHello."""
        self._secret = extract(self._suite, _early_salt(self._suite), shared)
        return self._pair("hs", hello_hash)

    def enter_application(self, finished_hash: bytes) -> Secrets:
        """Return the first application traffic secrets; finished_hash is that of ClientHello..server Finished."""
        salt = _derived(self._suite, self._secret)
        self._secret = extract(self._suite, salt, bytes(self._suite.hash_length))
        secrets = self._pair("ap", finished_hash)
        self._secret = b""
        return secrets

    def _pair(self, epoch: str, transcript_hash: bytes) -> Secrets:
        length = self._suite.hash_length
        return Secrets(
            expand_label(self._suite, self._secret, f"c {epoch} traffic", transcript_hash, length),
            expand_label(self._suite, self._secret, f"s {epoch} traffic", transcript_hash, length),
        )


def _derived(suite: Suite, secret: bytes) -> bytes:
    """Return the salt of the next HKDF-Extract."""
    return expand_label(suite, secret, "derived", _empty_hash(suite.hash), suite.hash_length)


@functools.cache
def _empty_hash(name: str) -> bytes:
    return hashlib.new(name).digest()


@functools.cache
def _early_salt(suite: Suite) -> bytes:
    """Return the salt for the (EC)DHE secret. Without a PSK it is not secret: every connection of the suite has it."""
    zeros = bytes(suite.hash_length)
    return _derived(suite, extract(suite, zeros, zeros))


def next_secret(suite: Suite, secret: bytes) -> bytes:
    """Return the application traffic secret after a KeyUpdate (RFC 8446, section 7.2)."""
    return expand_label(suite, secret, "traffic upd", b"", suite.hash_length)


def finished_mac(suite: Suite, secret: bytes, transcript_hash: bytes) -> bytes:
    """Return the verify_data of a Finished (RFC 8446, section 4.4.4); secret is its sender's traffic secret."""
    key = expand_label(suite, secret, "finished", b"", suite.hash_length)
    return hmac.digest(key, transcript_hash, suite.hash)


class Transcript:
    """The transcript hash (RFC 8446, section 4.4.1). Messages are buffered until the hash algorithm is known."""

    def __init__(self) -> None:
        self._held = b""
        self._suite: Suite | None = None
        self._hash: t.Any = None

    def add(self, message: bytes) -> None:
        """Add a whole handshake message with its header."""
        if self._suite is None:
            self._held += message
        else:
            self._hash.update(message)

    def start(self, suite: Suite) -> None:
        """Choose the hash of suite. A second call, after a HelloRetryRequest, has the same suite and no effect."""
        if self._suite is None:
            self._suite = suite
            self._hash = hashlib.new(suite.hash, self._held)
            self._held = b""

    def retry(self) -> None:
        """Replace the first ClientHello by its message_hash."""
        digest = self.digest()
        header = bytes([HandshakeType.MESSAGE_HASH]) + number(len(digest), 3)
        self._hash = hashlib.new(self._hash.name, header + digest)

    def digest(self) -> bytes:
        """Return the hash of all messages so far."""
        return t.cast(bytes, self._hash.digest())


__all__ = (
    "KeySchedule",
    "Secrets",
    "TrafficKeys",
    "Transcript",
    "expand_label",
    "extract",
    "finished_mac",
    "next_secret",
)
