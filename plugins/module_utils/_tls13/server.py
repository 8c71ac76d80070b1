# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The server's states and messages (RFC 8446, sections 2 and 4); the table at the end of the class is appendix A.2."""

from __future__ import annotations

import os
import typing as t

from . import extensions as ext
from .config import ServerConfig
from .crypto.groups import KeyShare
from .crypto.keys import CLIENT_CONTEXT, OFFERED, SERVER_CONTEXT, leaf_key, sign, verify
from .crypto.schedule import KeySchedule, finished_mac
from .crypto.suites import Suite
from .engine import Engine, Table
from .errors import CertificateRejected, ProtocolError
from .events import PeerCertificate
from .hello import RANDOM_LENGTH, ClientHello, ServerHello, check_second_hello, read_client_hello
from .messages import (
    CertificateRequest,
    encode_certificate,
    encode_certificate_verify,
    encode_encrypted_extensions,
    encode_finished,
    read_certificate,
    read_certificate_verify,
)
from .names import TLS13, Alert, Extension, Group, HandshakeType
from .negotiation import check_hello, choose_certified_key, choose_group, choose_protocol, choose_suite, server_name
from .state import TlsState, Trigger
from .wire import number

if t.TYPE_CHECKING:
    from .crypto.keys import PublicKey


class ServerEngine(Engine):
    """The server's end of a connection.

    It sends no application data before the client's Finished, accepts no PSK and no early data, and issues no tickets,
    so every connection has a full handshake. server_name is the requested host name, once the ClientHello was received.
    """

    def __init__(self, config: ServerConfig) -> None:
        super().__init__()
        self.state = TlsState.WAIT_CH
        self.server_name: str | None = None
        self._config = config
        self._first: ClientHello | None = None
        self._peer_key: PublicKey | None = None
        self._client_secret = b""

    def _forget_secrets(self) -> None:
        super()._forget_secrets()
        self._client_secret = b""

    def _on_client_hello(self, body: bytes, message: bytes) -> TlsState:
        hello = read_client_hello(body)
        self._at_boundary()
        check_hello(hello)
        if self._first is not None:
            check_second_hello(self._first, hello)
        self.suite = choose_suite(self._config, hello)
        group, share = choose_group(self._config, hello)
        self._transcript.add(message)
        self._transcript.start(self.suite)
        if self._first is None and share is None:
            return self._retry(hello, group)
        return self._answer(hello, group, self._share(hello, group, share))

    def _share(self, hello: ClientHello, group: Group, share: bytes | None) -> bytes:
        """Check the share; after a HelloRetryRequest there must be only that of its group (RFC 8446, section 4.1.2)."""
        retried = self._first is not None
        if share is None or (retried and (group is not self.group or len(_groups(hello)) != 1)):
            raise ProtocolError(
                "The second ClientHello of the other end does not have the one key share that was asked for.",
                alert=Alert.ILLEGAL_PARAMETER,
            )
        return share

    def _retry(self, hello: ClientHello, group: Group) -> TlsState:
        """Send a HelloRetryRequest (RFC 8446, section 4.1.4)."""
        self._first, self.group = hello, group
        extensions: dict[int, bytes] = {
            Extension.SUPPORTED_VERSIONS: number(TLS13, 2),
            Extension.KEY_SHARE: number(group, 2),
        }
        retry = ServerHello(hello.session_id, t.cast(Suite, self.suite).number, extensions).encode()
        self._transcript.retry()
        self._transcript.add(retry)
        self._send_handshake(retry)
        if hello.session_id:
            self._send_change_cipher_spec()
        self._ccs_left += 1
        if Extension.EARLY_DATA in hello.extensions:
            self._reader.skip_early_data()
        return TlsState.WAIT_CH2

    def _answer(self, hello: ClientHello, group: Group, share: bytes) -> TlsState:
        """Send the flight from ServerHello to Finished (RFC 8446, section 2)."""
        suite = t.cast(Suite, self.suite)
        certified_key, scheme = choose_certified_key(self._config, hello)
        self.server_name, self.protocol = server_name(hello), choose_protocol(self._config, hello)
        pair = KeyShare(group)
        shared = pair.exchange(share)
        schedule = KeySchedule(suite)
        self._send_hello(hello, pair)
        secrets = schedule.enter_handshake(shared, self._transcript.digest())
        self._protect_writing(secrets.server)
        self._protect_reading(secrets.client)
        if self._first is None and Extension.EARLY_DATA in hello.extensions:
            self._reader.skip_early_data()
        flight = self._add(self._encrypted_extensions()) + self._add(self._request())
        flight += self._add(encode_certificate(certified_key.chain))
        digest = self._transcript.digest()
        signature = sign(certified_key.key, scheme, context=SERVER_CONTEXT, transcript_hash=digest)
        flight += self._add(encode_certificate_verify(scheme, signature))
        mac = finished_mac(suite, secrets.server, self._transcript.digest())
        self._send_handshake(flight + self._add(encode_finished(mac)))
        application = schedule.enter_application(self._transcript.digest())
        self._protect_writing(application.server)
        self._client_secret = application.client
        self.group, self._first = group, None
        return TlsState.WAIT_FINISHED if self._config.client_certificate == "none" else TlsState.WAIT_CERT

    def _send_hello(self, hello: ClientHello, pair: KeyShare) -> None:
        extensions: dict[int, bytes] = {
            Extension.SUPPORTED_VERSIONS: number(TLS13, 2),
            Extension.KEY_SHARE: ext.write_share(pair.group, pair.share),
        }
        suite = t.cast(Suite, self.suite).number
        answer = ServerHello(hello.session_id, suite, extensions, random=os.urandom(RANDOM_LENGTH))
        self._send_handshake(self._add(answer.encode()))
        # appendix D.4: after the server's first message, if the client uses the compatibility mode
        if hello.session_id and self._first is None:
            self._send_change_cipher_spec()

    def _encrypted_extensions(self) -> bytes:
        extensions: dict[int, bytes] = {}
        if self.protocol is not None:
            extensions[Extension.ALPN] = ext.write_protocols([self.protocol.encode("ascii")])
        return encode_encrypted_extensions(extensions)

    def _request(self) -> bytes:
        if self._config.client_certificate == "none":
            return b""
        return CertificateRequest(OFFERED, self._config.authorities).encode()

    def _add(self, message: bytes) -> bytes:
        self._transcript.add(message)
        return message

    def _on_certificate(self, body: bytes, message: bytes) -> TlsState:
        """Handle the client's Certificate (RFC 8446, sections 4.4.2 and 4.4.2.4)."""
        chain = read_certificate(body)
        self._transcript.add(message)
        if chain:
            self._peer_key = leaf_key(chain[0])
            self._claimed_chain = chain
            return TlsState.WAIT_CV
        if self._config.client_certificate == "required":
            raise CertificateRejected(
                "The client has no certificate, which this server requires.", alert=Alert.CERTIFICATE_REQUIRED
            )
        return TlsState.WAIT_FINISHED

    def _on_certificate_verify(self, body: bytes, message: bytes) -> TlsState:
        scheme, signature = read_certificate_verify(body)
        digest = self._transcript.digest()
        key = t.cast("PublicKey", self._peer_key)
        verify(key, scheme, signature, context=CLIENT_CONTEXT, transcript_hash=digest)
        self._transcript.add(message)
        self._events.append(PeerCertificate(self._claimed_chain))
        return TlsState.JUDGING

    def _on_finished(self, body: bytes, message: bytes) -> TlsState:
        self._verify_finished(body, message)
        self._protect_reading(self._client_secret)
        self._client_secret = b""
        return self._complete()

    TABLE: t.ClassVar[Table] = {
        (TlsState.WAIT_CH, HandshakeType.CLIENT_HELLO): (
            _on_client_hello,
            (TlsState.WAIT_CH2, TlsState.WAIT_CERT, TlsState.WAIT_FINISHED),
        ),
        (TlsState.WAIT_CH2, HandshakeType.CLIENT_HELLO): (
            _on_client_hello,
            (TlsState.WAIT_CERT, TlsState.WAIT_FINISHED),
        ),
        (TlsState.WAIT_CERT, HandshakeType.CERTIFICATE): (_on_certificate, (TlsState.WAIT_CV, TlsState.WAIT_FINISHED)),
        (TlsState.WAIT_CV, HandshakeType.CERTIFICATE_VERIFY): (_on_certificate_verify, (TlsState.JUDGING,)),
        (TlsState.JUDGING, Trigger.ACCEPT_PEER): (Engine._on_accept_peer, (TlsState.WAIT_FINISHED,)),
        (TlsState.WAIT_FINISHED, HandshakeType.FINISHED): (_on_finished, (TlsState.CONNECTED,)),
        (TlsState.CONNECTED, HandshakeType.KEY_UPDATE): (Engine._on_key_update, (TlsState.CONNECTED,)),
        (TlsState.CONNECTED, Trigger.CLOSE_NOTIFY): (Engine._on_close_notify, (TlsState.CLOSED,)),
    }


def _groups(hello: ClientHello) -> tuple[int, ...]:
    return tuple(group for group, dummy in ext.read_shares(hello.extensions[Extension.KEY_SHARE]))


__all__ = ("ServerEngine",)
