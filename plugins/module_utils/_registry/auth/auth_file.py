# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Read the credential files of docker and podman (containers-auth.json(5), docker's config.json and .dockercfg).

_module/registry/login_sources.py creates the sources; authentication.py asks them when a registry requires credentials.
A fault in a file that the task names is an error; in a default file it is a warning, and the next file is tried.
"""

from __future__ import annotations

import binascii
import os
import typing as t
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from ..._base.bounded_file import FileMissing, NotReadable, read_bounded
from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..endpoint import DOCKER_HUB
from ..errors import ConfigurationError
from .auth_keys import helper_server, key_candidates, normalise_key
from .credentials import Anonymous, BasicAuth, IdentityToken, Token

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._base.strict_json import JsonObject, JsonValue
    from ..._base.text import Warn
    from .credential_helper import RunHelper
    from .credentials import Credentials

    T = t.TypeVar("T")

MAX_BYTES: t.Final = 4 * 1024 * 1024


@dataclass(frozen=True)
class AuthFile:
    """A credential file of docker (config.json, .dockercfg) or podman (auth.json). Its content is never shown.

    entries has normalised keys; helpers (credHelpers) and store (credsStore) name credential helpers.
    """

    path: str
    entries: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, str] = field(default_factory=dict, repr=False)
    store: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, data: bytes, *, path: str) -> AuthFile:
        """Read the content of a file. Raises ConfigurationError, which names the file and quotes nothing from it."""
        try:
            value = load_object(data, what="the auth file", max_bytes=MAX_BYTES)
        except JsonInvalid:
            raise _file_error(path, "it is not the JSON that docker and podman write") from None
        is_modern = any(name in value for name in ("auths", "credHelpers", "credsStore"))
        entries = _objects(value, "auths", path) if is_modern else _legacy_entries(value)
        helpers = _objects(value, "credHelpers", path)
        store = value.get("credsStore")
        if store is not None and not isinstance(store, str):
            raise _file_error(path, "credsStore is not a string")
        if not all(isinstance(name, str) for name in helpers.values()):
            raise _file_error(path, "credHelpers does not hold strings")
        return cls(
            path,
            _by_key(entries),
            {key: str(name) for key, name in _by_key(helpers).items()},
            store or None,
        )

    def find(
        self, registry: str, repository: str | None, *, run: RunHelper | None, warn: Warn | None = None
    ) -> Credentials | None:
        """Return the credentials for a repository, None if the file has none.

        Helpers precede the entries of the file. Of several matching keys the longest is used. For an entry without
        credentials, the keyring of the operating system is asked, if no helper is named. Raises ConfigurationError for
        an unusable entry, helper or keyring; with warn it is skipped with a warning.
        """
        server = helper_server(registry)
        helper = self.helpers.get(normalise_key(server)) or self.store
        lookups: list[Callable[[], Credentials | None]] = []
        if helper is not None:
            lookups.append(partial(self._ask, helper, server, run))
        for key in key_candidates(registry, repository):
            lookups.append(partial(self.decode, self.entries.get(key)))
            if helper is None and isinstance(self.entries.get(key), dict):
                lookups.append(partial(self._ask_keyring, key))
        for lookup in lookups:
            found = _try(lookup, warn)
            if found is not None:
                return found
        return None

    def _ask(self, helper: str, server: str, run: RunHelper | None) -> Credentials | None:
        from .credential_helper import ask_helper

        return ask_helper(helper, server, run=run, path=self.path)

    def _ask_keyring(self, key: str) -> Credentials | None:
        from .os_keyring import ask_keyring

        return ask_keyring(helper_server(key) if key == DOCKER_HUB else key, path=self.path)

    def decode(self, entry: JsonValue) -> Credentials | None:
        """Return the credentials in an entry, None if it has none. Raises ConfigurationError."""
        if not isinstance(entry, dict):
            return None
        source = f"the auth file {self.path}"
        token, identity = self._text(entry, "registrytoken"), self._text(entry, "identitytoken")
        if token:
            return Token(token, source)
        if identity:
            return IdentityToken(identity, source)
        encoded = self._text(entry, "auth")
        if encoded:
            return BasicAuth(*self._decode(encoded), source)
        username, password = self._text(entry, "username"), self._text(entry, "password")
        return BasicAuth(username, password, source) if username and password else None

    def _text(self, entry: JsonObject, name: str) -> str:
        value = entry.get(name)
        if value is not None and not isinstance(value, str):
            raise _file_error(self.path, f"{name} of an entry is not a string")
        return value or ""

    def _decode(self, encoded: str) -> tuple[str, str]:
        try:
            text = b64decode("".join(encoded.split()), validate=True).rstrip(b"\0").decode("utf-8")
        except (binascii.Error, ValueError):
            raise _file_error(self.path, "auth of an entry is not base64 of a user name and password") from None
        username, colon, password = text.partition(":")
        if not colon or not username:
            raise _file_error(self.path, "auth of an entry is not base64 of a user name and password")
        return username, password


@dataclass(frozen=True)
class AuthFiles:
    """A CredentialSource that uses the first of several files with an entry for the registry or repository.

    A required file must exist; others may be missing. run starts a credential helper: it takes argv and standard input
    and returns exit status, standard output and standard error. Without run, helpers cannot be used. With warn,
    unusable files, entries and helpers are skipped with a warning; without it they are errors. Files are read when
    credentials are asked for.
    """

    paths: Sequence[str]
    required: bool = False
    run: RunHelper | None = field(default=None, repr=False)
    warn: Warn | None = field(default=None, repr=False)

    def check(self) -> None:
        """Read the files without looking for an entry. Raises ConfigurationError as credentials_for() does."""
        for path in self.paths:
            _try(partial(self._file, path), self.warn)

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """Return the credentials for a repository, Anonymous if no file has any. Raises ConfigurationError."""
        for path in self.paths:
            file = _try(partial(self._file, path), self.warn)
            found = file and file.find(registry, repository, run=self.run, warn=self.warn)
            if found:
                return found
        return Anonymous()

    def _file(self, path: str) -> AuthFile | None:
        data = read_auth_file(path)
        if data is None and self.required:
            raise _file_error(path, "it does not exist")
        return AuthFile.parse(data, path=path) if data is not None and data.strip() else None


def default_places(environ: Mapping[str, str], *, home: str | None, uid: int | None = None) -> tuple[str, ...]:
    """Return the default paths of credential files in skopeo's order of precedence; finch's comes before docker's.

    Without XDG_RUNTIME_DIR, as under sudo, podman and skopeo write below /run/containers; with it, that path comes
    last.
    """

    def below(directory: str | None, *names: str) -> list[str]:
        return [os.path.join(directory, *names)] if directory else []

    config = environ.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else None)
    docker = environ.get("DOCKER_CONFIG") or (os.path.join(home, ".docker") if home else None)
    of_user = [] if uid is None else [f"/run/containers/{uid}/auth.json", f"/run/user/{uid}/containers/auth.json"]
    places = [
        *below(environ.get("REGISTRY_AUTH_FILE")),
        *(below(environ.get("XDG_RUNTIME_DIR"), "containers", "auth.json") or of_user),
        *below(config, "containers", "auth.json"),
        *below(home, ".finch", "config.json"),
        *below(docker, "config.json"),
        *below(home, ".dockercfg"),
        *of_user,
    ]
    return tuple(dict.fromkeys(places))


def login_place(kind: t.Literal["podman", "docker"], environ: Mapping[str, str], *, home: str, uid: int) -> str:
    """Return the path of the file that podman login or docker login of a user writes."""
    if kind == "docker":
        return os.path.join(environ.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")
    return default_places(environ, home=home, uid=uid)[0]


def _try(lookup: Callable[[], T], warn: Warn | None) -> T | None:
    """Return the result of lookup. If it raises ConfigurationError, warn and return None; without warn, raise it."""
    try:
        return lookup()
    except ConfigurationError as exc:
        if warn is None:
            raise
        warn(f"{exc.message} It was skipped, because the option auth_file does not name this file.")
        return None


def read_auth_file(path: str) -> bytes | None:
    """Return the content of an auth file, None if it does not exist. Raises ConfigurationError."""
    try:
        return read_bounded(path, limit=MAX_BYTES)
    except FileMissing:
        return None
    except NotReadable as exc:
        raise _file_error(path, str(exc)) from None


def _objects(value: JsonObject, name: str, path: str) -> JsonObject:
    inner = value.get(name)
    if inner is not None and not isinstance(inner, dict):
        raise _file_error(path, f"{name} is not an object")
    return inner or {}


def _by_key(entries: JsonObject) -> JsonObject:
    """Return the entries by normalised key.

    If several entries have the same key, the one written in normal form wins, as in docker.
    """
    found: JsonObject = {}
    for key, entry in entries.items():
        name = normalise_key(key)
        if not found.get(name) or (key == name and entry):
            found[name] = entry
    return found


def _legacy_entries(value: JsonObject) -> JsonObject:
    """Return the entries of a .dockercfg, which are at its top level; a config.json may have none."""
    return {key: entry for key, entry in value.items() if isinstance(entry, dict) and "auth" in entry}


def _file_error(path: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"Cannot use the auth file {path}: {why}; correct it, or name another one in the option auth_file.",
        auth_file=path,
    )


__all__ = ("MAX_BYTES", "AuthFile", "AuthFiles", "default_places", "login_place", "read_auth_file")
