# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Errors of the server: ServerError with an exit code for each cause of a failed start, and Refusal for requests."""

from __future__ import annotations

import typing as t

from .._base.errors import CollectionError


class ServerError(CollectionError):
    """The server cannot start. exit_code is the exit code of the command."""

    kind = "server"
    exit_code: t.ClassVar[int] = 1


class UsageError(ServerError):
    """The command line is invalid."""

    kind = "usage"
    exit_code = 2


class RootError(ServerError):
    """The registry directory does not exist, is not a directory, or cannot be read."""

    kind = "root"
    exit_code = 3


class ListenError(ServerError):
    """Listening on an address failed: it is in use, not local, or not permitted."""

    kind = "listen"
    exit_code = 4


class CertificateError(ServerError):
    """The TLS certificate or its key cannot be read, or they do not match."""

    kind = "certificate"
    exit_code = 5


class DependencyMissing(ServerError):
    """A Python library that the server needs is not installed."""

    kind = "dependency_missing"
    exit_code = 6


class ConfigError(ServerError):
    """The configuration file cannot be read or is invalid."""

    kind = "config"
    exit_code = 2


class PasswordFileError(ServerError):
    """The password file cannot be read or has an invalid line."""

    kind = "password_file"
    exit_code = 7


class AttestationError(ServerError):
    """The settings of attestation, or a file that they name, are invalid."""

    kind = "attestation"
    exit_code = 8


class Refusal(Exception):
    """An error response to a request (distribution-spec, "Error Codes"). Never leaves the server package."""

    def __init__(self, status: int, code: str, message: str, *, headers: t.Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


__all__ = (
    "AttestationError",
    "CertificateError",
    "ConfigError",
    "DependencyMissing",
    "ListenError",
    "PasswordFileError",
    "Refusal",
    "RootError",
    "ServerError",
    "UsageError",
)
