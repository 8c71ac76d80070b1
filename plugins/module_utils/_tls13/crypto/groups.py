# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The groups of the key exchange (RFC 8446, section 4.2.7): X25519, P-256 and P-384."""

from __future__ import annotations

import typing as t

from ..._base.crypto import curve25519, ec, serialization
from ..errors import ProtocolError
from ..names import Alert, Group

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

# all supported groups, best first
GROUPS: t.Final = (Group.X25519, Group.SECP256R1, Group.SECP384R1)

_SHARE_LENGTHS: t.Final = {Group.X25519: 32, Group.SECP256R1: 65, Group.SECP384R1: 97}


class KeyShare:
    """An ephemeral key pair for one key exchange. share is sent to the other end (RFC 8446, section 4.2.8)."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._key: X25519PrivateKey | EllipticCurvePrivateKey
        if group is Group.X25519:
            self._key = curve25519.X25519PrivateKey.generate()
            encoding, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        else:
            self._key = ec.generate_private_key(_curve(group))
            encoding, form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        self.share = self._key.public_key().public_bytes(encoding, form)

    def __repr__(self) -> str:
        return f"KeyShare({self.group.name})"

    def exchange(self, share: bytes) -> bytes:
        """Return the shared secret of this key and the other end's share (RFC 8446, section 7.4.2).

        Raises ProtocolError if the share is not an uncompressed point of the curve (section 4.2.8.2), or if the secret
        of X25519 is all zeros (section 7.4.2). The format is checked here, the point and the zeros by cryptography.
        """
        if len(share) != _SHARE_LENGTHS[self.group]:
            raise _share_error(self.group)
        try:
            return self._exchange(share)
        except ValueError:
            raise _share_error(self.group) from None

    def _exchange(self, share: bytes) -> bytes:
        if self.group is Group.X25519:
            peer = curve25519.X25519PublicKey.from_public_bytes(share)
            return t.cast("X25519PrivateKey", self._key).exchange(peer)
        if share[0] != 4:
            raise _share_error(self.group)
        point = ec.EllipticCurvePublicKey.from_encoded_point(_curve(self.group), share)
        return t.cast("EllipticCurvePrivateKey", self._key).exchange(ec.ECDH(), point)


def _curve(group: Group) -> ec.SECP256R1 | ec.SECP384R1:
    return ec.SECP256R1() if group is Group.SECP256R1 else ec.SECP384R1()


def _share_error(group: Group) -> ProtocolError:
    return ProtocolError(
        f"The key share of the other end is not a valid point of {group.name.lower()}; the handshake cannot continue.",
        alert=Alert.ILLEGAL_PARAMETER,
    )


__all__ = ("GROUPS", "KeyShare")
