# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The client's check of a server's certificate (RFC 5280, section 6, and RFC 6125), by cryptography's verifier."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import typing as t

from ..._base.crypto import MINIMUM_CRYPTOGRAPHY, require_cryptography, verification, x509
from ..errors import CertificateRejected, UsageError
from ..names import Alert

if t.TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from cryptography.x509.verification import ExtensionPolicy, Policy

# maximum certificates between the server's and the trust anchor
MAX_DEPTH: t.Final = 8


class ServerVerifier:
    """Verifies the certificates of servers (RFC 5280, section 6, and RFC 6125) against trust anchors.

    roots is PEM with at least one certificate. A certificate among them is trusted as a server's own too, if it names
    the server. Raises UsageError if there is none or one cannot be read: a silently skipped root would be noticed too
    late.
    """

    def __init__(self, roots: bytes) -> None:
        require_cryptography(MINIMUM_CRYPTOGRAPHY)
        try:
            trusted = x509.load_pem_x509_certificates(roots)
        except (ValueError, x509.InvalidVersion):
            raise UsageError(
                "The root certificates for TLS cannot be read: they must be PEM, and each of them valid X.509."
            ) from None
        builder = verification.PolicyBuilder().store(verification.Store(trusted)).max_chain_depth(MAX_DEPTH)
        self._builder = builder.extension_policies(ca_policy=_authority_policy(), ee_policy=_server_policy())

    def verify(self, chain: t.Sequence[bytes], name: str, *, time: datetime.datetime | None = None) -> None:
        """Verify that chain leads to a root and names the server.

        chain is DER, the server's certificate first; name is a host name or an address; time defaults to now. Raises
        CertificateRejected and UsageError.
        """
        # without a time, each verifier that the builder makes takes the current one
        builder = self._builder if time is None else self._builder.time(time)
        leaf, intermediates = self._load(chain)
        try:
            verifier = builder.build_server_verifier(_subject(name))
        except ValueError:
            # cryptography rejects underscores too
            raise UsageError(
                f"A TLS server cannot be checked: {name!r} is neither a host name nor an address."
            ) from None
        try:
            verifier.verify(leaf, intermediates)
        except Exception as exc:
            # VerificationError, and errors of certificates whose fields are parsed late. The text ends with a quotation
            # of the certificate, which must not get into messages
            reason = "".join(filter(str.isprintable, str(exc).partition(" (encountered processing")[0]))[:200]
            raise self._rejection(leaf, name, reason, time) from None

    def _load(self, chain: t.Sequence[bytes]) -> tuple[Certificate, list[Certificate]]:
        try:
            leaf, *intermediates = [x509.load_der_x509_certificate(one) for one in chain]
        except (ValueError, x509.InvalidVersion):
            raise CertificateRejected("The certificate chain of the server cannot be read.") from None
        return leaf, intermediates

    def _rejection(
        self, leaf: Certificate, name: str, reason: str, time: datetime.datetime | None
    ) -> CertificateRejected:
        now = time or datetime.datetime.now(datetime.timezone.utc)
        if now.tzinfo is None:
            now = now.replace(tzinfo=datetime.timezone.utc)
        cause, reason = "chain", f"the check of its chain says: {reason}"
        if leaf.not_valid_after_utc < now:
            cause, reason = "expired", "it has expired"
        elif "subjectAltName" in reason:
            cause, reason = "name", "it is for another name"
        return CertificateRejected(
            f"The certificate of the server {name!r} was not accepted: {reason}; "
            "check ca_path, the name and the clocks.",
            alert=Alert.CERTIFICATE_EXPIRED if cause == "expired" else Alert.UNKNOWN_CA,
            reason=reason,
            cause=cause,
        )


@functools.lru_cache(maxsize=64)
def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _authority_policy() -> ExtensionPolicy:
    """Return the policy for roots and intermediates.

    It is close to that of rustls, because private authorities rarely follow the rules of the Web PKI.
    """
    policy = verification.ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, _is_authority)
    # an authority for other purposes must not issue for servers; the constraint applies to the whole chain below it
    policy = policy.may_be_present(x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _is_for_authorities)
    return policy.may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_sign_certificates)


def _server_policy() -> ExtensionPolicy:
    policy = verification.ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None)
    policy = policy.may_be_present(x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _is_for_servers)
    return policy.may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_sign)


def _is_authority(dummy_policy: Policy, dummy_certificate: Certificate, extension: x509.BasicConstraints) -> None:
    if not extension.ca:
        raise ValueError("an issuer is not a certificate authority")


def _may_sign_certificates(
    dummy_policy: Policy, dummy_certificate: Certificate, extension: x509.KeyUsage | None
) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("the key of an issuer is not for certificates")


def _is_for_authorities(
    dummy_policy: Policy, dummy_certificate: Certificate, extension: x509.ExtendedKeyUsage | None
) -> None:
    usages = x509.oid.ExtendedKeyUsageOID
    if extension is not None and not {usages.SERVER_AUTH, usages.ANY_EXTENDED_KEY_USAGE} & set(extension):
        raise ValueError("an issuer is not for certificates of servers")


def _is_for_servers(
    dummy_policy: Policy, dummy_certificate: Certificate, extension: x509.ExtendedKeyUsage | None
) -> None:
    if extension is not None and x509.oid.ExtendedKeyUsageOID.SERVER_AUTH not in extension:
        raise ValueError("the certificate is not for servers")


def _may_sign(dummy_policy: Policy, dummy_certificate: Certificate, extension: x509.KeyUsage | None) -> None:
    if extension is not None and not extension.digital_signature:
        raise ValueError("the key of the certificate is not for signatures")


__all__ = ("MAX_DEPTH", "ServerVerifier")
