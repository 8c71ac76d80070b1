# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Store credentials in credential helpers, and erase them (docker-credential-NAME, protocol "store" and "erase").

Called by _module/login/run.py. credential_helper.py asks helpers.
"""

from __future__ import annotations

import json
import typing as t

from .credential_helper import IDENTITY, call_helper, helper_error
from .credentials import IdentityToken

if t.TYPE_CHECKING:
    from .credential_helper import Action, RunHelper
    from .credentials import BasicAuth


def store_with_helper(
    suffix: str, server: str, credentials: BasicAuth | IdentityToken, *, run: RunHelper, path: str
) -> None:
    """Store the credentials of a server with docker-credential-<suffix>. Raises ConfigurationError.

    path is the auth file that names the helper.
    """
    if isinstance(credentials, IdentityToken):
        username, secret = IDENTITY, credentials.token
    else:
        username, secret = credentials.username, credentials.password
    document = json.dumps({"ServerURL": server, "Username": username, "Secret": secret})
    _require_success(suffix, "store", document, run=run, path=path)


def erase_with_helper(suffix: str, server: str, *, run: RunHelper, path: str) -> None:
    """Erase the credentials of a server with docker-credential-<suffix>. Raises ConfigurationError."""
    _require_success(suffix, "erase", server, run=run, path=path)


def _require_success(suffix: str, action: Action, data: str, *, run: RunHelper, path: str) -> None:
    status, dummy = call_helper(suffix, action, data, run=run, path=path)
    if status != 0:
        raise helper_error(suffix, path, f"it ended with status {status}", action=action)


__all__ = ("erase_with_helper", "store_with_helper")
