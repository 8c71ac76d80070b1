# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The client's states and messages (RFC 8446, sections 2 and 4); the table at the end of the class is appendix A.1."""

from __future__ import annotations

import os
import typing as t

from . import extensions as ext
from .config import ClientConfig
from .crypto.groups import KeyShare
from .crypto.keys import CLIENT_CONTEXT, OFFERED, SERVER_CONTEXT, CertifiedKey, choose_scheme, leaf_key, sign, verify
from .crypto.schedule import KeySchedule, Secrets, finished_mac
from .crypto.suites import SUITES, Suite
from .engine import Engine, Table
from .errors import NegotiationFailed, ProtocolError
from .events import CertificateRequested, PeerCertificate
from .hello import RANDOM_LENGTH, SESSION_ID_LENGTH, ClientHello, ServerHello, read_server_hello
from .messages import (
    CertificateRequest,
    check_new_session_ticket,
    encode_certificate,
    encode_certificate_verify,
    encode_finished,
    read_certificate,
    read_certificate_request,
    read_certificate_verify,
    read_encrypted_extensions,
)
from .names import TLS12, TLS13, Alert, ContentType, Extension, Group, HandshakeType
from .state import TlsState, Trigger
from .wire import numbers

if t.TYPE_CHECKING:
    from .crypto.keys import PublicKey


class ClientEngine(Engine):
    """The client's end of a connection; its ClientHello is in data_to_send() at once.

    It offers no PSK, so no session is resumed.
    """

    def __init__(self, config: ClientConfig) -> None:
        super().__init__()
        self.state = TlsState.WAIT_SH
        self._config = config
        self._shares = {group: KeyShare(group) for group in config.groups[: config.shares]}
        session_id = os.urandom(SESSION_ID_LENGTH) if config.compatible else b""
        suites = tuple(suite.number for suite in config.suites)
        self._hello = ClientHello(os.urandom(RANDOM_LENGTH), session_id, suites, self._extensions(b""))
        self._schedule: KeySchedule | None = None
        self._secrets = Secrets(b"", b"")
        self._request: CertificateRequest | None = None
        self._peer_key: PublicKey | None = None
        self._ccs_due = config.compatible
        self._send_hello(version=0x0301)

    def provide_certificate(self, certified_key: CertifiedKey | None) -> None:
        """Answer the server's certificate request, with an empty certificate if certified_key is None.

        Raises UsageError without a request, and NegotiationFailed if the server accepts no signature of the key.
        """
        self._decide(TlsState.CHOOSING)
        self._guard(lambda: self._resume(Trigger.PROVIDE_CERTIFICATE, certified_key))

    def _forget_secrets(self) -> None:
        super()._forget_secrets()
        self._shares, self._schedule, self._secrets = {}, None, Secrets(b"", b"")

    def _extensions(self, cookie: bytes) -> dict[int, bytes]:
        config = self._config
        extensions: dict[int, bytes] = {
            Extension.SUPPORTED_VERSIONS: ext.write_versions([TLS13]),
            Extension.SUPPORTED_GROUPS: numbers(config.groups),
            Extension.SIGNATURE_ALGORITHMS: numbers(OFFERED),
            Extension.KEY_SHARE: ext.write_shares((group, pair.share) for group, pair in self._shares.items()),
        }
        if config.server_name is not None:
            extensions[Extension.SERVER_NAME] = ext.write_server_name(config.server_name)
        if config.protocols:
            extensions[Extension.ALPN] = ext.write_protocols(name.encode("ascii") for name in config.protocols)
        if cookie:
            extensions[Extension.COOKIE] = cookie
        return extensions

    def _send_hello(self, *, version: int) -> None:
        """Send the ClientHello. version may be TLS 1.0 in the first record, for old servers (RFC 8446, section 5.1)."""
        hello = self._hello.encode()
        self._transcript.add(hello)
        self._writer.write(ContentType.HANDSHAKE, hello, version=version)

    def _on_server_hello(self, body: bytes, message: bytes) -> TlsState:
        hello = read_server_hello(body)
        self._at_boundary()
        suite = self._check_hello(hello)
        if self.suite not in (None, suite):
            raise _illegal_parameter("chooses another cipher suite than the HelloRetryRequest")
        self.suite = suite
        self._transcript.start(suite)
        return self._retry(hello, message) if hello.is_retry else self._agree(hello, message)

    def _check_hello(self, hello: ServerHello) -> Suite:
        """Check the rules for ServerHello and HelloRetryRequest (RFC 8446, sections 4.1.3 and 4.2.1)."""
        version = hello.extensions.get(Extension.SUPPORTED_VERSIONS)
        if version is None:
            raise NegotiationFailed(
                "The server does not speak TLS 1.3, the only supported version.",
                alert=Alert.PROTOCOL_VERSION,
            )
        if ext.read_number(version, "supported_versions") != TLS13 or hello.version != TLS12:
            raise _illegal_parameter("has a version that was not offered")
        if hello.session_id != self._hello.session_id or hello.compression:
            raise _illegal_parameter("has another session id than the ClientHello, or compresses")
        if hello.suite not in self._hello.suites:
            raise _illegal_parameter("chooses a cipher suite that was not offered")
        return SUITES[hello.suite]

    def _retry(self, hello: ServerHello, message: bytes) -> TlsState:
        """Handle a HelloRetryRequest (RFC 8446, section 4.1.4)."""
        if self.state is TlsState.WAIT_SH2:
            raise ProtocolError("The server sent a second HelloRetryRequest.", alert=Alert.UNEXPECTED_MESSAGE)
        allowed = (Extension.SUPPORTED_VERSIONS, Extension.KEY_SHARE, Extension.COOKIE)
        ext.check_allowed(hello.extensions, allowed, "HelloRetryRequest", answers=True)
        share, cookie = hello.extensions.get(Extension.KEY_SHARE), hello.extensions.get(Extension.COOKIE)
        if share is None and cookie is None:
            raise _illegal_parameter("asks for a retry that would change nothing")
        if share is not None:
            self._replace_share(ext.read_number(share, "key_share"))
        if cookie is not None:
            ext.read_cookie(cookie)
        self._transcript.retry()
        self._transcript.add(message)
        extensions = self._extensions(cookie or b"")
        self._hello = ClientHello(self._hello.random, self._hello.session_id, self._hello.suites, extensions)
        self._ccs_left += 1
        self._send_compatibility_record()
        self._send_hello(version=TLS12)
        return TlsState.WAIT_SH2

    def _replace_share(self, number: int) -> None:
        if number not in self._config.groups or number in self._shares:
            raise _illegal_parameter("asks for a key share that was not offered, or that it has")
        group = Group(number)
        self._shares = {group: KeyShare(group)}

    def _agree(self, hello: ServerHello, message: bytes) -> TlsState:
        allowed = (Extension.SUPPORTED_VERSIONS, Extension.KEY_SHARE)
        ext.check_allowed(hello.extensions, allowed, "ServerHello", answers=True)
        group, share = ext.read_share(ext.require(hello.extensions, Extension.KEY_SHARE, "ServerHello"))
        if group not in self._shares:
            raise _illegal_parameter("has a key share of a group without a key share in the ClientHello")
        self.group = Group(group)
        shared = self._shares[self.group].exchange(share)
        self._shares = {}
        self._transcript.add(message)
        self._schedule = KeySchedule(t.cast(Suite, self.suite))
        secrets = self._schedule.enter_handshake(shared, self._transcript.digest())
        self._protect_reading(secrets.server)
        self._protect_writing(secrets.client)
        return TlsState.WAIT_EE

    def _on_encrypted_extensions(self, body: bytes, message: bytes) -> TlsState:
        """Handle EncryptedExtensions (RFC 8446, section 4.3.1)."""
        extensions = read_encrypted_extensions(body)
        offered = {Extension.SUPPORTED_GROUPS, Extension.SERVER_NAME, Extension.ALPN} & self._hello.extensions.keys()
        ext.check_allowed(extensions, offered, "EncryptedExtensions", answers=True)
        if extensions.get(Extension.SERVER_NAME):
            raise ProtocolError("The server_name of the server is not empty.", alert=Alert.DECODE_ERROR)
        if Extension.SUPPORTED_GROUPS in extensions:
            ext.read_numbers(extensions[Extension.SUPPORTED_GROUPS], "supported_groups")
        if Extension.ALPN in extensions:
            self.protocol = self._protocol(ext.read_protocols(extensions[Extension.ALPN]))
        self._transcript.add(message)
        return TlsState.WAIT_CERT_CR

    def _protocol(self, chosen: tuple[bytes, ...]) -> str:
        """Return the chosen application protocol: exactly one of those offered (RFC 7301, section 3.1)."""
        for name in self._config.protocols:
            if chosen == (name.encode("ascii"),):
                return name
        raise _illegal_parameter("chooses an application protocol that was not offered")

    def _on_certificate_request(self, body: bytes, message: bytes) -> TlsState:
        request = read_certificate_request(body)
        if request.context:
            raise _illegal_parameter("asks for a certificate with a context, which the handshake does not have")
        self._request = request
        self._transcript.add(message)
        return TlsState.WAIT_CERT

    def _on_certificate(self, body: bytes, message: bytes) -> TlsState:
        chain = read_certificate(body)
        if not chain:
            raise ProtocolError("The server sent no certificate.", alert=Alert.DECODE_ERROR)
        self._peer_key, self._claimed_chain = leaf_key(chain[0]), chain
        self._transcript.add(message)
        return TlsState.WAIT_CV

    def _on_certificate_verify(self, body: bytes, message: bytes) -> TlsState:
        scheme, signature = read_certificate_verify(body)
        digest = self._transcript.digest()
        key = t.cast("PublicKey", self._peer_key)
        verify(key, scheme, signature, context=SERVER_CONTEXT, transcript_hash=digest)
        self._transcript.add(message)
        self._events.append(PeerCertificate(self._claimed_chain))
        return TlsState.JUDGING

    def _on_finished(self, body: bytes, message: bytes) -> TlsState:
        self._verify_finished(body, message)
        schedule = t.cast(KeySchedule, self._schedule)
        self._secrets = schedule.enter_application(self._transcript.digest())
        self._schedule = None
        self._protect_reading(self._secrets.server)
        if self._request is None:
            return self._finish(None)
        self._events.append(CertificateRequested(self._request.authorities, self._request.schemes))
        return TlsState.CHOOSING

    def _on_provide_certificate(self, certified_key: CertifiedKey | None) -> TlsState:
        return self._finish(certified_key)

    def _finish(self, certified_key: CertifiedKey | None) -> TlsState:
        """Send the flight from Certificate, if requested, to Finished (RFC 8446, section 2)."""
        flight = b"" if self._request is None else self._certificate(self._request, certified_key)
        mac = finished_mac(t.cast(Suite, self.suite), self._write_secret, self._transcript.digest())
        self._send_compatibility_record()
        self._send_handshake(flight + encode_finished(mac))
        self._protect_writing(self._secrets.client)
        self._secrets = Secrets(b"", b"")
        return self._complete()

    def _certificate(self, request: CertificateRequest, certified_key: CertifiedKey | None) -> bytes:
        certificate = encode_certificate(certified_key.chain if certified_key else ())
        self._transcript.add(certificate)
        if certified_key is None:
            return certificate
        scheme = choose_scheme(certified_key, request.schemes)
        if scheme is None:
            raise NegotiationFailed("The server accepts no signature scheme of the key of the client's certificate.")
        digest = self._transcript.digest()
        signature = sign(certified_key.key, scheme, context=CLIENT_CONTEXT, transcript_hash=digest)
        verification = encode_certificate_verify(scheme, signature)
        self._transcript.add(verification)
        return certificate + verification

    def _send_compatibility_record(self) -> None:
        """Send one change_cipher_spec before the second flight (appendix D.4)."""
        if self._ccs_due:
            self._ccs_due = False
            self._send_change_cipher_spec()

    def _on_new_session_ticket(self, body: bytes, message: bytes) -> TlsState:
        """Check and discard a ticket (RFC 8446, section 4.6.1): no session is resumed."""
        check_new_session_ticket(body)
        self._count_idle()
        return TlsState.CONNECTED

    TABLE: t.ClassVar[Table] = {
        (TlsState.WAIT_SH, HandshakeType.SERVER_HELLO): (_on_server_hello, (TlsState.WAIT_SH2, TlsState.WAIT_EE)),
        (TlsState.WAIT_SH2, HandshakeType.SERVER_HELLO): (_on_server_hello, (TlsState.WAIT_EE,)),
        (TlsState.WAIT_EE, HandshakeType.ENCRYPTED_EXTENSIONS): (_on_encrypted_extensions, (TlsState.WAIT_CERT_CR,)),
        (TlsState.WAIT_CERT_CR, HandshakeType.CERTIFICATE_REQUEST): (_on_certificate_request, (TlsState.WAIT_CERT,)),
        (TlsState.WAIT_CERT_CR, HandshakeType.CERTIFICATE): (_on_certificate, (TlsState.WAIT_CV,)),
        (TlsState.WAIT_CERT, HandshakeType.CERTIFICATE): (_on_certificate, (TlsState.WAIT_CV,)),
        (TlsState.WAIT_CV, HandshakeType.CERTIFICATE_VERIFY): (_on_certificate_verify, (TlsState.JUDGING,)),
        (TlsState.JUDGING, Trigger.ACCEPT_PEER): (Engine._on_accept_peer, (TlsState.WAIT_FINISHED,)),
        (TlsState.WAIT_FINISHED, HandshakeType.FINISHED): (_on_finished, (TlsState.CHOOSING, TlsState.CONNECTED)),
        (TlsState.CHOOSING, Trigger.PROVIDE_CERTIFICATE): (_on_provide_certificate, (TlsState.CONNECTED,)),
        (TlsState.CONNECTED, HandshakeType.NEW_SESSION_TICKET): (_on_new_session_ticket, (TlsState.CONNECTED,)),
        (TlsState.CONNECTED, HandshakeType.KEY_UPDATE): (Engine._on_key_update, (TlsState.CONNECTED,)),
        (TlsState.CONNECTED, Trigger.CLOSE_NOTIFY): (Engine._on_close_notify, (TlsState.CLOSED,)),
    }


def _illegal_parameter(what: str) -> ProtocolError:
    return ProtocolError(f"The server {what}.", alert=Alert.ILLEGAL_PARAMETER)


__all__ = ("ClientEngine",)
