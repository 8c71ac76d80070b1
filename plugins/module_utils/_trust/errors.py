# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The errors of this package, and the reason why one signature does not count."""

from __future__ import annotations

from .._base.errors import CollectionError


class SignatureInvalid(CollectionError):
    """An image lacks the demanded signatures.

    Fields: registry, repository, reference, digest, format, keys (the files, separated by commas), required (number of
    signatures), valid (number of keys that signed), examined (number of signatures that were looked at).
    """

    kind = "signature_invalid"


class PolicyInvalid(CollectionError):
    """The demand for signatures contradicts itself, or a key file cannot be used. Field: path."""

    kind = "configuration"


class Refused(Exception):
    """A signature, or what belongs to it, does not count; the message is the reason, as part of a sentence."""


__all__ = ("PolicyInvalid", "Refused", "SignatureInvalid")
