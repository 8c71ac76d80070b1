# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ..._base.text import quote
from ..errors import ConfigurationError

_TOKEN: t.Final = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Anonymous:
    """No credentials."""

    def __str__(self) -> str:
        return "no credentials"


@dataclass(frozen=True)
class Basic:
    """A user name and password. source says where they come from, such as "the auth file /root/.docker/config.json"."""

    username: str
    password: str = field(repr=False)
    source: str = "the module options"

    def __post_init__(self) -> None:
        try:
            f"{self.username}:{self.password}".encode()
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"The user name and password from {self.source} are not UTF-8; correct them."
            ) from None

    def __str__(self) -> str:
        return f"the user name {quote(self.username)} and its password from {self.source}"


@dataclass(frozen=True)
class Token:
    """A bearer token, ready for the registry itself. Raises ConfigurationError for what cannot be one (RFC 6750)."""

    token: str = field(repr=False)
    source: str = "the module options"

    def __post_init__(self) -> None:
        _check_token(self.token, f"token from {self.source}")

    def __str__(self) -> str:
        return f"the token from {self.source}"


@dataclass(frozen=True)
class IdentityToken:
    """A refresh token, which the registry's token service exchanges for bearer tokens (docker's identitytoken)."""

    token: str = field(repr=False)
    source: str = "the module options"

    def __post_init__(self) -> None:
        _check_token(self.token, f"identity token from {self.source}")

    def __str__(self) -> str:
        return f"the identity token from {self.source}"


def _check_token(token: str, what: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            f"The {what} is empty or holds what no token does, such as a space or the end of a line; correct it."
        )


Credentials = t.Union[Anonymous, Basic, Token, IdentityToken]


class CredentialSource(t.Protocol):
    """Something that knows credentials; it is asked once a repository, and only when the registry wants some."""

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """The credentials for a repository of a registry ("host[:port][/prefix]"). Raises RegistryError."""


@dataclass(frozen=True)
class Fixed:
    """A CredentialSource that always has the same answer."""

    credentials: Credentials

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """The one answer."""
        return self.credentials


__all__ = ("Anonymous", "Basic", "CredentialSource", "Credentials", "Fixed", "IdentityToken", "Token")
