# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The text of an auth file, and the logins in it: what an entry says, and how to write one (containers-auth.json(5)).

Called by login/plan.py.
"""

from __future__ import annotations

import typing as t
from base64 import b64encode

from ..._base.strict_json import load_object
from ..._registry.auth.auth_file import MAX_BYTES, AuthFile
from ..._registry.auth.auth_keys import normalise_key
from ..._registry.auth.credentials import IdentityToken
from ..._registry.errors import ConfigurationError
from .json_edit import remove_members, set_member

if t.TYPE_CHECKING:
    from ..._base.strict_json import JsonObject
    from ..._registry.auth.credentials import BasicAuth, Credentials

_EMPTY: t.Final = b"{}\n"
# podman requires a user name beside an identity token; docker calls it so towards credential helpers
_NO_NAME: t.Final = "<token>"


class AuthText:
    """The text of an auth file. A change returns another AuthText; bytes that are not part of it stay as they are.

    Raises ConfigurationError for a file that cannot be used, and for one of the old format of .dockercfg.
    """

    def __init__(self, data: bytes | None, *, path: str) -> None:
        self.data = data if data is not None and data.strip() else _EMPTY
        self.path = path
        self.file = AuthFile.parse(self.data, path=path)
        self._value = load_object(self.data, what="the auth file", max_bytes=MAX_BYTES)
        if self.file.entries and "auths" not in self._value:
            raise ConfigurationError(
                f"Cannot change the auth file {path}: it has the old format of .dockercfg, without auths; name another "
                "file in the option auth_file.",
                auth_file=path,
            )

    def helper(self, key: str) -> str | None:
        """Return the credential helper for the host of a key: that of the host alone, or that of the whole file."""
        host = normalise_key(key).partition("/")[0]
        return self.file.helpers.get(host) or self.file.store

    def credentials(self, key: str) -> Credentials | None:
        """Return the credentials in the entry of a registry, None without one. Raises ConfigurationError."""
        return self.file.decode(self.file.entries.get(normalise_key(key)))

    def spellings(self, key: str, *, section: str = "auths") -> tuple[str, ...]:
        """Return the names in a section that mean the same registry as key, such as with https:// in front."""
        members = t.cast("JsonObject", self._value.get(section) or {})
        wanted = normalise_key(key)
        return tuple(name for name in members if normalise_key(name) == wanted)

    def with_entry(self, key: str, entry: JsonObject) -> AuthText:
        """Return the text with this entry for the registry, and none for its other spellings."""
        text = self._without("auths", [name for name in self.spellings(key) if name != key])
        return self._changed(set_member(text, ("auths", key), entry))

    def with_helper(self, key: str, helper: str) -> AuthText:
        """Return the text with a credential helper for the registry."""
        others = [name for name in self.spellings(key, section="credHelpers") if name != key]
        return self._changed(set_member(self._without("credHelpers", others), ("credHelpers", key), helper))

    def without(self, key: str, *, section: str = "auths") -> AuthText:
        """Return the text without the registry in a section."""
        return self._changed(self._without(section, self.spellings(key, section=section)))

    def _without(self, section: str, names: t.Collection[str]) -> str:
        return remove_members(self.data.decode("utf-8"), (section,), names)

    def _changed(self, text: str) -> AuthText:
        return AuthText(text.encode("utf-8"), path=self.path)


def encode_entry(credentials: BasicAuth | IdentityToken) -> JsonObject:
    """Return the entry of an auth file with these credentials, as docker login and podman login write it."""
    if isinstance(credentials, IdentityToken):
        return {"auth": _encode(_NO_NAME, ""), "identitytoken": credentials.token}
    return {"auth": _encode(credentials.username, credentials.password)}


def _encode(username: str, password: str) -> str:
    return b64encode(f"{username}:{password}".encode()).decode("ascii")


__all__ = ("AuthText", "encode_entry")
