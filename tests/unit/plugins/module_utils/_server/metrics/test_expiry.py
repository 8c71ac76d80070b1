# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The expiry date of a PEM file (RFC 5280, 4.1.2.5) is that of its first certificate to expire."""

from __future__ import annotations

import contextlib
import datetime
import pathlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.expiry import expiry_of, not_after
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

KEY = ec.generate_private_key(ec.SECP256R1())


def made(end: datetime.datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x" * 60)])
    return (
        x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.datetime(1960, 1, 1, tzinfo=datetime.timezone.utc))
        .not_valid_after(end)
        .sign(KEY, hashes.SHA256())
    )


def end_in(year: int) -> datetime.datetime:
    return datetime.datetime(year, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)


DER = made(end_in(2040)).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("year", [1961, 1999, 2000, 2026, 2049, 2050, 9999])
def test_the_end_of_the_validity(year: int) -> None:
    end = end_in(year)
    assert not_after(made(end).public_bytes(serialization.Encoding.DER)) == end.timestamp()


def test_the_first_of_a_chain_to_expire(tmp_path: pathlib.Path) -> None:
    pem = [made(end_in(year)).public_bytes(serialization.Encoding.PEM) for year in (2045, 2030, 2060)]
    (tmp_path / "chain").write_bytes(b"a comment\n" + b"\n".join(pem))
    assert expiry_of(str(tmp_path / "chain")) == end_in(2030).timestamp()


def test_an_unreadable_certificate_has_no_expiry_date(tmp_path: pathlib.Path) -> None:
    assert expiry_of(None) is None
    assert expiry_of(str(tmp_path / "none")) is None
    for data in (b"", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "bad").write_bytes(data)
        assert expiry_of(str(tmp_path / "bad")) is None


@given(st.integers(0, len(DER) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_any_bytes(position: int, put: bytes, cut: int) -> None:
    with contextlib.suppress(ValueError):
        not_after(DER[:position] + put + DER[position + cut :])
