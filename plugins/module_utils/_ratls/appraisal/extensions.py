# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reads the extensions of a certificate without interpreting them (RFC 5280, 4.1).

cryptography builds objects of every extension that it knows: 30 KB of names take 14 ms, and unusual ones print warnings
to standard error. The extensions of an untrusted client are therefore split here. Called by peer_certificate.py.
"""

from __future__ import annotations

import typing as t

_EXTENSIONS: t.Final = 0xA3


class CertificateExtension(t.NamedTuple):
    """An extension of a certificate; its value is not parsed."""

    # the content of the DER, without tag and length
    oid: bytes
    critical: bool
    value: bytes


def extensions_of(tbs_certificate: bytes) -> tuple[CertificateExtension, ...]:
    """Return the extensions of a TBSCertificate that cryptography has loaded before, so that its DER is valid."""
    ((dummy, fields),) = _elements(tbs_certificate)
    for tag, content in _elements(fields):
        if tag == _EXTENSIONS:
            ((dummy, items),) = _elements(content)
            return tuple(_extension(item) for dummy, item in _elements(items))
    return ()


def _extension(item: bytes) -> CertificateExtension:
    # between them is critical, which DER omits if it is false
    (dummy, oid), *critical, (dummy, value) = _elements(item)
    return CertificateExtension(oid, bool(critical), value)


def _elements(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of valid DER with one-byte tags."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            start, at = at, at + (length & 0x7F)
            length = int.from_bytes(data[start:at], "big")
        yield tag, data[at : at + length]
        at += length


__all__ = ("CertificateExtension", "extensions_of")
