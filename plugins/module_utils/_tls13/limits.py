# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import typing as t

from .names import HandshakeType

# the longest handshake message but those named below, in bytes
MESSAGE: t.Final = 16 * 1024

# longer ones: certificates carry chains and tokens, hellos perhaps post-quantum key shares
MESSAGES: t.Final = {HandshakeType.CERTIFICATE: 64 * 1024, HandshakeType.CLIENT_HELLO: 32 * 1024}

# the most certificates of a chain
CHAIN: t.Final = 10

# the most extensions of a message
EXTENSIONS: t.Final = 256

# the most records without content, KeyUpdates, tickets and warnings between two pieces of application data, together:
# each costs work and brings nothing
IDLE_MESSAGES: t.Final = 32

# The most bytes of rejected early data that the server skips (RFC 8446, section 4.2.10). No honest client has any,
# since the server gives no tickets out.
EARLY_DATA: t.Final = 64 * 1024

# how many received bytes the engine holds at most: more than seven records
RECEIVE_BUFFER: t.Final = 128 * 1024

# How many it holds at first: one record. Connections that never send more are many, and cost little memory.
FIRST_BUFFER: t.Final = 17 * 1024

# how many bytes adapters let the engine protect at once: batches of 7 records are fast, and the result stays below the
# size from which on memory is given back to the system after each use
SEND_BATCH: t.Final = 7 * 16 * 1024


def of_message(kind: int) -> int:
    """The longest handshake message of this type."""
    return MESSAGES.get(t.cast(HandshakeType, kind), MESSAGE)


__all__ = (
    "CHAIN",
    "EARLY_DATA",
    "EXTENSIONS",
    "FIRST_BUFFER",
    "IDLE_MESSAGES",
    "MESSAGE",
    "MESSAGES",
    "RECEIVE_BUFFER",
    "SEND_BATCH",
    "of_message",
)
