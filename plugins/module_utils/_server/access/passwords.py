# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""HTTP Basic authentication (RFC 7617) with a cache of verified passwords. Called by protocol.py and access.py."""

from __future__ import annotations

import asyncio
import base64
import binascii
import collections
import concurrent.futures
import hashlib
import hmac
import secrets
import time
import typing as t

from ..errors import Refusal
from ..fair_queue import FairQueue, QueueFull

if t.TYPE_CHECKING:
    from .htpasswd import PasswordFile

_THREADS: t.Final = 2
# how many different passwords may wait for verification, of all clients and of one address, and for how long
_MAX_WAITING: t.Final = 64
_MAX_OF_ONE: t.Final = 16
_WAIT_SECONDS: t.Final = 20.0
_MAX_REMEMBERED: t.Final = 1024
_REMEMBER_SECONDS: t.Final = 300.0
_MAX_HEADER: t.Final = 4096


class BasicAuth(t.NamedTuple):
    """User and password of an Authorization header (RFC 7617)."""

    user: str
    password: bytes


def parse_basic(authorization: str | None) -> BasicAuth | None:
    """Parse an Authorization header. Returns None if it is missing, malformed or of another scheme. Never raises."""
    if authorization is None or len(authorization) > _MAX_HEADER:
        return None
    scheme, dummy, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(" ").encode("ascii"), validate=True)
        name, colon, password = decoded.partition(b":")
        return BasicAuth(name.decode("utf-8"), password) if colon else None
    except (binascii.Error, ValueError):
        return None


class Passwords:
    """Verifier of passwords: works in few threads off the event loop, and caches verified passwords for a limited time.

    A FairQueue admits clients to the threads by address, so that wrong passwords of one do not block the others. The
    cache holds an HMAC of user, password and stored hash, under a key that never leaves the process.
    """

    def __init__(self, file: PasswordFile, *, realm: str, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._file = file
        # RFC 9110, 5.6.4
        quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
        self._challenge = f'Basic realm="{quoted}", charset="UTF-8"'
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._known: collections.OrderedDict[bytes, float] = collections.OrderedDict()
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        self._turns = FairQueue(at_once=_THREADS, waiting=_MAX_WAITING, waiting_of_one=_MAX_OF_ONE)
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")

    async def verify(self, authorization: str | None, *, address: str | None = None) -> None:
        """Verify the password in an Authorization header, so that user_of can tell the user afterwards.

        Raises Refusal 503 when too many clients wait, in all or of this address, or this client waited for too long.
        """
        credentials = parse_basic(authorization)
        if credentials is None:
            return
        key = self._cache_key(credentials)
        if self._is_known(key):
            return
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.get_running_loop().create_task(self._check(credentials, address))
            task.add_done_callback(lambda done: self._finish_check(key, done))
        try:
            # shielded, because other requests may wait for the same task when this client disconnects
            right = await asyncio.shield(task)
        except (QueueFull, asyncio.TimeoutError):
            message = "The server has too many passwords to check; try again later."
            raise Refusal(503, "UNAVAILABLE", message, headers={"Retry-After": "5"}) from None
        if right:
            self._remember(key)

    async def _check(self, credentials: BasicAuth, address: str | None) -> bool:
        await asyncio.wait_for(self._turns.take(address), _WAIT_SECONDS)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._threads, self._file.is_right, credentials.user, credentials.password
            )
        finally:
            self._turns.give_back()

    def _finish_check(self, key: bytes, task: asyncio.Task[bool]) -> None:
        del self._running[key]
        if not task.cancelled():
            # asyncio logs exceptions that are never retrieved
            task.exception()

    def is_known(self, credentials: BasicAuth) -> bool:
        """Tell whether the password is in the cache of verified passwords."""
        return self._is_known(self._cache_key(credentials))

    def user_of(self, authorization: str | None) -> str:
        """Return the user whose password was verified. Raises Refusal 401 with the challenge."""
        credentials = parse_basic(authorization)
        if credentials is not None and self.is_known(credentials):
            return credentials.user
        message = "This registry requires a user name and a password."
        raise Refusal(401, "UNAUTHORIZED", message, headers={"WWW-Authenticate": self._challenge})

    def _cache_key(self, credentials: BasicAuth) -> bytes:
        user = credentials.user.encode()
        stored = self._file.entry(credentials.user) or b""
        # the length makes the concatenation unambiguous
        message = b"%d:%b:%b:%b" % (len(user), user, stored, credentials.password)
        return hmac.new(self._secret, message, hashlib.sha256).digest()

    def _is_known(self, key: bytes) -> bool:
        until = self._known.get(key)
        return until is not None and self._clock() < until

    def _remember(self, key: bytes) -> None:
        self._known[key] = self._clock() + _REMEMBER_SECONDS
        self._known.move_to_end(key)
        while len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)

    def close(self) -> None:
        """Shut the threads down, without waiting for them."""
        self._threads.shutdown(wait=False)


__all__ = ("BasicAuth", "Passwords", "parse_basic")
