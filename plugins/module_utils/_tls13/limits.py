# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The limits of the engine for what the other end sends, and the sizes of its buffers."""

from __future__ import annotations

import typing as t

from .names import HandshakeType

# maximum bytes of a handshake message, except for those in MESSAGES
MESSAGE: t.Final = 16 * 1024

# longer messages: certificates contain chains and tokens, hellos may contain post-quantum key shares
MESSAGES: t.Final = {HandshakeType.CERTIFICATE: 64 * 1024, HandshakeType.CLIENT_HELLO: 32 * 1024}

# maximum certificates in a chain
CHAIN: t.Final = 10

# maximum extensions in a message
EXTENSIONS: t.Final = 256

# maximum records without content, KeyUpdates, tickets and warnings, in total, between two pieces of application data:
# each costs work and has no use
IDLE_MESSAGES: t.Final = 32

# Maximum bytes of rejected early data that the server skips (RFC 8446, section 4.2.10). Honest clients send none,
# because the server issues no tickets.
EARLY_DATA: t.Final = 64 * 1024

# maximum received bytes in the engine: more than seven records
RECEIVE_BUFFER: t.Final = 128 * 1024

# Initial size of that buffer: one record. Many connections never send more, and then cost little memory.
FIRST_BUFFER: t.Final = 17 * 1024

# bytes that adapters protect in one call: batches of 7 records are fast, and the result stays below the size at which
# the allocator returns memory to the system after each use
SEND_BATCH: t.Final = 7 * 16 * 1024


def of_message(kind: int) -> int:
    """Return the maximum length of a handshake message of this type."""
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
