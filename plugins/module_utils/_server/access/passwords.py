# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

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
from ..fair_queue import Full, Turns

if t.TYPE_CHECKING:
    from .htpasswd import PasswordFile

_THREADS: t.Final = 2
# how many different passwords may wait to be checked, of all clients and of one address; and how long one may wait
_MAX_WAITING: t.Final = 64
_MAX_OF_ONE: t.Final = 16
_WAIT_SECONDS: t.Final = 20.0
_MAX_REMEMBERED: t.Final = 1024
_REMEMBER_SECONDS: t.Final = 300.0
_MAX_HEADER: t.Final = 4096


class Credentials(t.NamedTuple):
    """What a client says about itself (RFC 7617)."""

    user: str
    password: bytes


def parse_basic(authorization: str | None) -> Credentials | None:
    """The credentials in an Authorization header; None when there are none, or none that make sense. Never raises."""
    if authorization is None or len(authorization) > _MAX_HEADER:
        return None
    scheme, dummy, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(" ").encode("ascii"), validate=True)
        name, colon, password = decoded.partition(b":")
        return Credentials(name.decode("utf-8"), password) if colon else None
    except (binascii.Error, ValueError):
        return None


class Passwords:
    """Checks passwords off the event loop, in few threads, and remembers the right ones for a while.

    Clients wait for a thread in turns by their address, so that wrong passwords of one do not crowd out the others.

    What is remembered is a keyed hash of user, password and stored hash, under a key that never leaves the process.
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
        self._turns = Turns(at_once=_THREADS, waiting=_MAX_WAITING, waiting_of_one=_MAX_OF_ONE)
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")

    async def verify(self, authorization: str | None, *, address: str | None = None) -> None:
        """Find out whether the password is right, for user_of, which is to be called next.

        Raises Refusal, 503, when too many wait, of all or of this address, or this one waited for too long.
        """
        credentials = parse_basic(authorization)
        if credentials is None:
            return
        key = self._key(credentials)
        if self._is_known(key):
            return
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.get_running_loop().create_task(self._check(credentials, address))
            task.add_done_callback(lambda done: self._checked(key, done))
        try:
            # a client that goes away does not take the answer from the others
            right = await asyncio.shield(task)
        except (Full, asyncio.TimeoutError):
            message = "The server has too many passwords to check; try again later."
            raise Refusal(503, "UNAVAILABLE", message, headers={"Retry-After": "5"}) from None
        if right:
            self._remember(key)

    async def _check(self, credentials: Credentials, address: str | None) -> bool:
        await asyncio.wait_for(self._turns.take(address), _WAIT_SECONDS)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._threads, self._file.is_right, credentials.user, credentials.password
            )
        finally:
            self._turns.give_back()

    def _checked(self, key: bytes, task: asyncio.Task[bool]) -> None:
        del self._running[key]
        if not task.cancelled():
            # asked for here, or else an error that nobody waits for would be reported as a fault
            task.exception()

    def is_known(self, credentials: Credentials) -> bool:
        """Whether the password was found right."""
        return self._is_known(self._key(credentials))

    def user_of(self, authorization: str | None) -> str:
        """The user whose password was right. Raises Refusal 401 with the challenge."""
        credentials = parse_basic(authorization)
        if credentials is not None and self.is_known(credentials):
            return credentials.user
        message = "This registry asks for a user and a password."
        raise Refusal(401, "UNAUTHORIZED", message, headers={"WWW-Authenticate": self._challenge})

    def _key(self, credentials: Credentials) -> bytes:
        user = credentials.user.encode()
        stored = self._file.entry(credentials.user) or b""
        # the length keeps apart what is put together
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
        """End the threads."""
        self._threads.shutdown(wait=False)


__all__ = ("Credentials", "Passwords", "parse_basic")
