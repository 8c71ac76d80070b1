# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import enum
import typing as t


class TlsState(enum.Enum):
    """Where a connection stands (RFC 8446, appendix A, with the two decisions in which the engine waits)."""

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


# the states of a decision: nothing is parsed in them
PAUSED: t.Final = (TlsState.JUDGING, TlsState.CHOOSING)

# the states after the handshake
OPEN: t.Final = (TlsState.CONNECTED, TlsState.CLOSED)

__all__ = ("OPEN", "PAUSED", "TlsState")
