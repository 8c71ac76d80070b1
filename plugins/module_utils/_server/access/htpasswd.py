# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reader of htpasswd files with bcrypt hashes. A refusal takes the same time for every user. Called by passwords.py."""

from __future__ import annotations

import re
import typing as t

from ..._base.text import quote, visible
from ..errors import PasswordFileError
from ..libraries import require_bcrypt

_MAX_BYTES: t.Final = 16 * 1024 * 1024
_HASH: t.Final = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}", re.ASCII)
# a lower cost gives no protection; with a higher one, one password keeps a processor busy for seconds
_COSTS: t.Final = range(4, 16)
# bcrypt ignores further bytes; htpasswd truncates longer passwords there too
_MAX_PASSWORD: t.Final = 72


class PasswordFile:
    """The users of an htpasswd file and the bcrypt hashes of their passwords (htpasswd -B)."""

    def __init__(self, hashes: t.Mapping[str, bytes]) -> None:
        self._bcrypt = require_bcrypt()
        self._hashes = dict(hashes)
        self._highest = max(map(_cost_of, self._hashes.values()))
        # for each cost a hash that no password has
        self._dummies = {cost: self._bcrypt.gensalt(cost) + b"." * 31 for cost in _COSTS}

    @classmethod
    def read(cls, path: str) -> PasswordFile:
        """Read an htpasswd file. Raises PasswordFileError, DependencyMissing."""
        require_bcrypt()
        try:
            with open(path, "rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "its name is malformed"
            raise PasswordFileError(
                f"Reading the password file {visible(path)} failed: {why}; "
                "check the path and that this user may read it."
            ) from None
        try:
            return cls(parse_htpasswd(data))
        except ValueError as exc:
            raise PasswordFileError(
                f"Reading the password file {visible(path)} failed: {exc}; make it with htpasswd -B."
            ) from None

    def entry(self, user: str) -> bytes | None:
        """Return the hash of the password of a user, None for an unknown user."""
        return self._hashes.get(user)

    def is_right(self, user: str, password: bytes) -> bool:
        """Tell whether the password is that of the user. Blocks, so it must not be called on the event loop.

        The refusal of a password takes the same time for every user, known or not: that of the highest cost in the
        file. Otherwise the time would reveal which users exist.
        """
        known = self._hashes.get(user)
        if b"\0" in password:
            # bcrypt would ignore the rest of the password, or raise an error
            known, password = None, password.replace(b"\0", b"?")
        if known is None:
            self._matches(password, self._dummies[self._highest])
            return False
        if self._matches(password, known):
            return True
        # Each cost takes twice as long as the one below. The time of the cost of this user and of all costs from there
        # to below the highest adds up to that of the highest.
        for cost in range(_cost_of(known), self._highest):
            self._matches(password, self._dummies[cost])
        return False

    def _matches(self, password: bytes, stored: bytes) -> bool:
        try:
            return bool(self._bcrypt.checkpw(password[:_MAX_PASSWORD], stored))
        except ValueError:
            return False


def _cost_of(stored: bytes) -> int:
    return int(stored[4:6])


def parse_htpasswd(data: bytes) -> dict[str, bytes]:
    """Parse an htpasswd file into hashes by user. Raises only ValueError, whose text contains no hash."""
    if len(data) > _MAX_BYTES:
        raise ValueError(f"it is longer than {_MAX_BYTES} bytes")
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    hashes: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, value = line.partition(":")
        match = _HASH.fullmatch(value.strip())
        if not user or not colon or not match:
            raise ValueError(f"line {number} is not USER:HASH with a bcrypt hash")
        if int(match[1]) not in _COSTS:
            raise ValueError(f"line {number} has a cost that is not from {_COSTS.start} to {_COSTS.stop - 1}")
        if user in hashes:
            raise ValueError(f"line {number} repeats the user {quote(user)}")
        hashes[user] = value.strip().encode("ascii")
    if not hashes:
        raise ValueError("it has no users")
    return hashes


__all__ = ("PasswordFile", "parse_htpasswd")
