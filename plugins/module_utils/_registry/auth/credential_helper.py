# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Run the credential helpers (docker-credential-NAME) that auth files name, and ask them for credentials ("get").

Called by auth_file.py and helper_changes.py.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..._base.text import quote
from ..errors import ConfigurationError
from .credentials import BasicAuth, IdentityToken

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .credentials import Credentials

    # starts a program: argv and standard input in; exit status, standard output and standard error out
    RunHelper = Callable[[list[str], str], tuple[int, str, str]]
    Action = t.Literal["get", "store", "erase"]

MAX_ANSWER: t.Final = 1024 * 1024

_SUFFIX: t.Final = re.compile(r"[a-z0-9_.-]{1,64}")
_NOT_FOUND: t.Final = "credentials not found"

# what helpers have as user name beside an identity token
IDENTITY: t.Final = "<token>"


def ask_helper(suffix: str, server: str, *, run: RunHelper | None, path: str) -> Credentials | None:
    """Ask docker-credential-<suffix> for the credentials of a server; None if it has none.

    path is the auth file that names the helper. The output of the helper is not shown, because it may contain secrets.
    Raises ConfigurationError.
    """
    status, output = call_helper(suffix, "get", server, run=run, path=path)
    if status != 0:
        if _NOT_FOUND in output[:1000].lower():
            return None
        raise helper_error(suffix, path, f"it ended with status {status}")
    return _answer(output, suffix, path)


def call_helper(suffix: str, action: Action, data: str, *, run: RunHelper | None, path: str) -> tuple[int, str]:
    """Run docker-credential-<suffix> with data as standard input; return its status and its standard output.

    Raises ConfigurationError if the name of the helper is not valid or the program cannot be run.
    """
    if not _SUFFIX.fullmatch(suffix):
        raise ConfigurationError(
            f"Cannot use the credential helper {quote(suffix, limit=40)} of the auth file {path}: its name may contain "
            "only lower-case letters, digits, full stops, hyphens and underscores; correct it in the file.",
            auth_file=path,
        )
    if run is None:
        raise helper_error(suffix, path, "this client cannot run programs", action=action)
    try:
        status, output, dummy = run([f"docker-credential-{suffix}", action], data)
    except OSError as exc:
        why = exc.strerror or "unknown reason"
        raise helper_error(suffix, path, f"it cannot be run ({why})" if exc.errno else why, action=action) from None
    return status, output


def _answer(output: str, suffix: str, path: str) -> Credentials | None:
    try:
        value = load_object(output.encode("utf-8", "replace"), what="the answer", max_bytes=MAX_ANSWER)
    except JsonInvalid:
        raise helper_error(suffix, path, "its answer is not JSON") from None
    username, secret = value.get("Username"), value.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise helper_error(suffix, path, "its answer has no user name and secret")
    if not secret:
        return None
    source = f"the credential helper docker-credential-{suffix} (of the auth file {path})"
    return IdentityToken(secret, source) if username == IDENTITY else BasicAuth(username, secret, source)


def helper_error(suffix: str, path: str, why: str, *, action: Action = "get") -> ConfigurationError:
    """Return the error for a helper that cannot do an action."""
    doing = {"get": "get credentials from", "store": "store credentials in", "erase": "erase credentials in"}[action]
    return ConfigurationError(
        f"Cannot {doing} the helper docker-credential-{suffix} that the auth file {path} names: {why}; "
        "run it by hand to see the cause, or give the credentials in another way.",
        auth_file=path,
    )


__all__ = ("IDENTITY", "MAX_ANSWER", "ask_helper", "call_helper", "helper_error")
