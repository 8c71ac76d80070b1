# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The states of a TLS 1.3 connection.

RFC 8446, appendix A, draws one state machine for each end. A client goes from WAIT_SH (its ClientHello is sent at once,
so there is no START) through WAIT_EE, WAIT_CERT_CR, WAIT_CERT, WAIT_CV and WAIT_FINISHED to CONNECTED; a server from
WAIT_CH through WAIT_CERT, WAIT_CV and WAIT_FINISHED to CONNECTED. WAIT_SH2 and WAIT_CH2 are the same waits after a
HelloRetryRequest, separate so that a second one is an error. States for PSK and early data do not exist, because the
engine supports neither.

Two states are additions, in which the engine waits for a decision of its caller and parses nothing. In JUDGING the
other end has proved possession of its certificate's key (CertificateVerify), and the caller accepts or rejects the
certificate before the Finished is read. In CHOOSING a client has the server's Finished and a CertificateRequest, and
the caller provides a certificate, which for RA-TLS contains a token made for the challenge in the request. Bytes that
arrive meanwhile stay in the buffer of the record layer.

Each engine has a table of its transitions: from a state and a handshake message, or a trigger, to a handler and the
states that may follow. A message without an entry is unexpected_message. A handler that leads to another state is a
bug, and ends the connection with internal_error. tools/tls_states.py draws the tables, and docs/architecture.md shows
the graphs.

CLOSED means that the other end sent close_notify. FAILED is not in the tables, because every error leads to it from
every state. It is final: every call that receives, sends or decides raises the first error again, and data_to_send
still returns the alert.
"""

from __future__ import annotations

import enum
import typing as t


class TlsState(enum.Enum):
    """The state of a connection. The value completes the sentence "this end was ..." in messages."""

    WAIT_CH = "waiting for the ClientHello"
    WAIT_CH2 = "waiting for the second ClientHello"
    WAIT_SH = "waiting for the ServerHello"
    WAIT_SH2 = "waiting for the ServerHello after the HelloRetryRequest"
    WAIT_EE = "waiting for the EncryptedExtensions"
    WAIT_CERT_CR = "waiting for the Certificate or a CertificateRequest"
    WAIT_CERT = "waiting for the Certificate"
    WAIT_CV = "waiting for the CertificateVerify"
    JUDGING = "waiting for accept_peer or reject_peer"
    WAIT_FINISHED = "waiting for the Finished"
    CHOOSING = "waiting for provide_certificate"
    CONNECTED = "connected"
    CLOSED = "closed by the other end"
    FAILED = "failed"

    # states are keys of the tables; the hash of Enum is a function of Python
    __hash__ = object.__hash__


class Trigger(enum.Enum):
    """What starts a transition besides a handshake message. The value is its name in the graphs.

    Not an IntEnum: no type of a handshake message may be equal to a trigger.
    """

    ACCEPT_PEER = "accept_peer()"
    PROVIDE_CERTIFICATE = "provide_certificate()"
    CLOSE_NOTIFY = "close_notify"


# the states that wait for a decision, in which nothing is parsed
PAUSED: t.Final = (TlsState.JUDGING, TlsState.CHOOSING)

# the states after the handshake
OPEN: t.Final = (TlsState.CONNECTED, TlsState.CLOSED)

__all__ = ("OPEN", "PAUSED", "TlsState", "Trigger")
