# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificates.py DIRECTORY TOKEN: plain.pem without a token, stale.pem with that token, and their key, client.key."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.certificate import make_certificate
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.client_key import make_client_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization


def main(directory: Path, token: Path) -> None:
    key = make_client_key("ec-p256")
    stale = x509.load_der_x509_certificate(make_certificate(key, token.read_bytes()))
    nobody = x509.Name([])
    plain = x509.CertificateBuilder().subject_name(nobody).issuer_name(nobody).serial_number(1)
    plain = plain.public_key(key.private.public_key())
    plain = plain.not_valid_before(stale.not_valid_before_utc).not_valid_after(stale.not_valid_after_utc)
    for name, certificate in (("plain", plain.sign(key.private, hashes.SHA256())), ("stale", stale)):
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form, unencrypted = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (directory / "client.key").write_bytes(key.private.private_bytes(serialization.Encoding.PEM, form, unencrypted))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
