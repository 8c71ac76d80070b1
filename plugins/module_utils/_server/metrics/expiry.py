# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.
"""Expiry of the certificates of a PEM file (RFC 5280, 4.1.2.5), for the metric. Called by credentials.py.

Plain TLS needs no library for certificates, and Python's ssl does not report the certificate of the server itself.
"""

from __future__ import annotations

import calendar
import re
import ssl
import time
import typing as t

_PEM: t.Final = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL | re.ASCII)
_MAX_BYTES: t.Final = 1024 * 1024
_SEQUENCE: t.Final = 0x30
_VERSION: t.Final = 0xA0
_UTC_TIME: t.Final = 0x17
_GENERALIZED_TIME: t.Final = 0x18


def expiry_of(path: str | None) -> float | None:
    """Return the earliest expiry in the chain of a PEM file, in seconds since 1970.

    Returns None without a path and for an unreadable file. Never raises.
    """
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_BYTES).decode("ascii", "replace")
        return min(not_after(ssl.PEM_cert_to_DER_cert(found)) for found in _PEM.findall(text))
    except (OSError, ValueError):
        return None


def not_after(der: bytes) -> float:
    """Return the end of the validity of a certificate, in seconds since 1970. Raises only ValueError."""
    certificate = _read(der, 0, _SEQUENCE)[0]
    fields = _read(certificate, 0, _SEQUENCE)[0]
    position = _read(fields, 0, _VERSION)[1] if fields[:1] == bytes([_VERSION]) else 0
    # serial number, algorithm, issuer
    for dummy in range(3):
        position = _read(fields, position, None)[1]
    validity = _read(fields, position, _SEQUENCE)[0]
    after = _read(validity, 0, None)[1]
    kind = validity[after] if after < len(validity) else None
    return _parse_time(kind, _read(validity, after, kind)[0].decode("ascii"))


def _parse_time(kind: int | None, text: str) -> float:
    if kind not in (_UTC_TIME, _GENERALIZED_TIME) or not re.fullmatch("[0-9]{12,14}Z", text):
        raise ValueError("not a time")
    if kind == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _read(data: bytes, position: int, kind: int | None) -> tuple[bytes, int]:
    """Return the content of the element at a position, and the position after it (X.690, 8.1)."""
    if position + 2 > len(data) or kind not in (None, data[position]):
        raise ValueError("another element")
    length, start = data[position + 1], position + 2
    if length >= 0x80:
        octets = length & 0x7F
        length = int.from_bytes(data[start : start + octets], "big")
        start += octets
    if start + length > len(data):
        raise ValueError("an element that is cut off")
    return data[start : start + length], start + length


__all__ = ("expiry_of", "not_after")
