# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The kinds of credentials, and the protocol of the sources that supply them."""

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
class BasicAuth:
    """A user name and password (RFC 7617).

    source says where they come from, such as "the auth file /root/.docker/config.json". Raises ConfigurationError if
    they cannot be encoded as UTF-8.
    """

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
    """A bearer token for the registry itself. Raises ConfigurationError if it is malformed (RFC 6750)."""

    token: str = field(repr=False)
    source: str = "the module options"

    def __post_init__(self) -> None:
        _check_token(self.token, f"token from {self.source}")

    def __str__(self) -> str:
        return f"the token from {self.source}"


@dataclass(frozen=True)
class IdentityToken:
    """A refresh token, which the token service exchanges for bearer tokens (docker's identitytoken).

    Raises ConfigurationError if it is malformed.
    """

    token: str = field(repr=False)
    source: str = "the module options"

    def __post_init__(self) -> None:
        _check_token(self.token, f"identity token from {self.source}")

    def __str__(self) -> str:
        return f"the identity token from {self.source}"


def _check_token(token: str, what: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            f"The {what} is empty or contains an invalid character, such as a space or a line end; correct it."
        )


Credentials = t.Union[Anonymous, BasicAuth, Token, IdentityToken]


class CredentialSource(t.Protocol):
    """A source of credentials; it is asked once per repository, and only when the registry requires credentials."""

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """Return the credentials for a repository of a registry ("host[:port][/prefix]"). Raises RegistryError."""


@dataclass(frozen=True)
class Fixed:
    """A CredentialSource that returns the same credentials for every repository."""

    credentials: Credentials

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """Return the credentials."""
        return self.credentials


__all__ = ("Anonymous", "BasicAuth", "CredentialSource", "Credentials", "Fixed", "IdentityToken", "Token")
