# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The logins in the auth files of a host, without secrets. Called by oci_login_info."""

from __future__ import annotations

import os
import typing as t

from ..._base.text import path_text
from ..._registry.auth.auth_file import AuthFile, default_places, read_auth_file
from ..._registry.auth.auth_keys import normalise_key
from ..._registry.auth.credentials import BasicAuth, IdentityToken, Token
from ..._registry.errors import ConfigurationError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Results = dict[str, t.Any]


def list_logins(module: AnsibleModule) -> Results:
    """Return the results of oci_login_info. Raises ConfigurationError for a fault in the file of auth_file."""
    path, wanted = module.params["auth_file"], module.params["registry"]
    places = (path,) if path else default_places(os.environ, home=os.path.expanduser("~"), uid=os.getuid())
    files, logins = [], []
    for place in places:
        file = _read(module, place, required=path is not None)
        files.append(
            {"path": path_text(place), "exists": os.path.lexists(place), "helper": None if file is None else file.store}
        )
        if file is not None:
            logins += [login for login in _logins(module, file) if _is_about(login["registry"], wanted)]
    return {"logins": logins, "auth_files": files}


def _read(module: AnsibleModule, path: str, *, required: bool) -> AuthFile | None:
    """Return the file, None if there is none or it is empty. A fault in a default file is a warning."""
    try:
        data = read_auth_file(path)
        return AuthFile.parse(data, path=path) if data is not None and data.strip() else None
    except ConfigurationError as exc:
        if required:
            raise
        module.warn(exc.message)
        return None


def _logins(module: AnsibleModule, file: AuthFile) -> t.Iterator[Results]:
    for key in dict.fromkeys([*file.entries, *file.helpers]):
        # a helper is about a host as a whole
        helper = file.helpers.get(key) or (None if "/" in key else file.store)
        yield {
            "registry": key,
            **(_credentials(module, file, key) if helper is None else {"username": None, "kind": "helper"}),
            "helper": helper,
            "auth_file": path_text(file.path),
        }


def _credentials(module: AnsibleModule, file: AuthFile, key: str) -> Results:
    try:
        found = file.decode(file.entries.get(key))
    except ConfigurationError as exc:
        module.warn(exc.message)
        found = None
    kinds = {BasicAuth: "password", IdentityToken: "identity_token", Token: "token"}
    username = found.username if isinstance(found, BasicAuth) else None
    return {"username": username, "kind": kinds.get(type(found))}


def _is_about(key: str, registry: str | None) -> bool:
    """Tell whether a key is the registry or a part of it; all keys are without a registry."""
    return registry is None or f"{key}/".startswith(f"{normalise_key(registry)}/")


__all__ = ("list_logins",)
