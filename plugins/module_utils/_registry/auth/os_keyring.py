# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Ask the keyring of the operating system for a login, by the library keyring. The only file that imports it.

Called by auth_file.py for an entry without credentials, if no credential helper is named. The service and the format
are those of ocilot: the password of the entry is USER:PASSWORD, or a bearer token if it has no colon.
"""

from __future__ import annotations

import queue
import threading
import typing as t

from ..errors import ConfigurationError
from .credentials import BasicAuth, Token

if t.TYPE_CHECKING:
    from .credentials import Credentials

_SERVICE: t.Final = "docker-credential-helpers"
# a locked keyring may ask somebody who is not there for its password
_SECONDS: t.Final = 60.0


def ask_keyring(server: str, *, path: str) -> Credentials | None:
    """Return the login of a server in the keyring; None without one, without the library and without a keyring.

    path is the auth file with the entry. Raises ConfigurationError if the keyring fails, for instance if it is locked,
    or does not answer within a minute.
    """
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    answers: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(keyring.get_password(_SERVICE, server))
        except Exception as exc:  # its backends raise errors of their own libraries
            answers.put(exc)

    threading.Thread(target=ask, daemon=True).start()
    try:
        secret = answers.get(timeout=_SECONDS)
    except queue.Empty:
        raise _error(server, path, f"it does not answer within {_SECONDS:g} seconds") from None
    if isinstance(secret, keyring.errors.NoKeyringError):
        return None
    if isinstance(secret, Exception):
        raise _error(server, path, f"it fails with {type(secret).__name__}")
    if not secret:
        return None
    username, colon, password = secret.partition(":")
    source = f"the keyring (for an entry of the auth file {path})"
    return BasicAuth(username, password, source) if colon and username else Token(secret, source)


def _error(server: str, path: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"Cannot get the login for {server} of the auth file {path} from the keyring: {why}; unlock the keyring, or"
        " give the credentials in another way.",
        auth_file=path,
    )


__all__ = ("ask_keyring",)
