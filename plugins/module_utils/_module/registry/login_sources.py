# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The logins of a task: those in its options, and those in auth files, helpers, AWS and the keyring.

connection.py gives them to the clients of registries. _module/login runs credential helpers with run_helper().
"""

from __future__ import annotations

import os
import typing as t
from base64 import b64encode

from ..._base.errors import DependencyMissing
from ..._registry.auth.credentials import Anonymous, BasicAuth, IdentityToken, Token
from ..._registry.errors import ConfigurationError
from ..._registry.realm_policy import is_listed
from ..._registry.url import Origin, parse_authority

if t.TYPE_CHECKING:
    from ..._registry.auth.auth_file import AuthFiles
    from ..._registry.auth.credentials import Credentials, CredentialSource

# A credential helper may request the credentials from a cloud service.
_HELPER_SECONDS: t.Final = 60
# the options that LoginFiles reads
FILE_OPTIONS: t.Final = ("auth_file", "aws_profile", "aws_region")


class Task(t.Protocol):
    """What this file uses of an AnsibleModule, which a lookup has not. no_log_values are masked in all output."""

    params: dict[str, t.Any]
    no_log_values: set[str]

    def warn(self, warning: str) -> None:
        """Add a warning to the result."""


def given_credentials(params: t.Mapping[str, t.Any]) -> BasicAuth | IdentityToken | Token | None:
    """Return the credentials in the options, None if there are none."""
    if params["token"] is not None:
        return Token(params["token"])
    if params["identity_token"] is not None:
        return IdentityToken(params["identity_token"])
    if params["username"] is not None:
        return BasicAuth(params["username"], params["password"])
    return None


class WithheldLogins:
    """A CredentialSource for redirects of a task that copies what it reads elsewhere: only trusted hosts get any.

    Otherwise a registry could redirect to another one, and have images of that one copied with the rights of the user.
    """

    def __init__(self, module: Task, files: CredentialSource, params: t.Mapping[str, t.Any]) -> None:
        self._module, self._files = module, files
        self._trusted = tuple(params["trusted_redirect_hosts"])

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """See CredentialSource."""
        found = self._files.credentials_for(registry, repository)
        host, port = parse_authority(registry, scheme="https")
        if isinstance(found, Anonymous) or is_listed(Origin("https", host, port), self._trusted):
            return found
        self._module.warn(
            f"A redirect leads to {registry}, whose login was not used, because the task would copy what only that"
            f" login may read; if that is right, add {registry} to the option trusted_redirect_hosts."
        )
        return Anonymous()


class LoginFiles:
    """A CredentialSource that reads the auth files of docker and podman, and masks their secrets in all output.

    Without the option auth_file, the files are the default ones. If they have nothing for a registry of Amazon ECR, AWS
    is asked.
    """

    def __init__(self, module: Task, params: t.Mapping[str, t.Any]) -> None:
        self._module = module
        self._path: str | None = params["auth_file"]
        self._profile: str | None = params["aws_profile"]
        self._region: str | None = params["aws_region"]
        self._warned: set[str] = set()
        self._from_aws: dict[str, Credentials] = {}

    def check(self) -> None:
        """Validate the file of the option auth_file, if set, even if no request needs it. Raises RegistryError."""
        if self._path is not None:
            self._files().check()

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """See CredentialSource. A problem in the file of auth_file is an error, in a default file a warning."""
        found = self._files().credentials_for(registry, repository)
        if isinstance(found, Anonymous):
            if registry not in self._from_aws:
                self._from_aws[registry] = self._ask_aws(registry)
            found = self._from_aws[registry]
        # without empty strings, which Ansible would mask between any two characters
        self._module.no_log_values.update(filter(None, secrets_of(found)))
        return found

    def _ask_aws(self, registry: str) -> Credentials:
        """Return the credentials of a registry of Amazon ECR. With aws_profile, a problem is an error."""
        from ..._registry.auth.ecr import ecr_credentials

        try:
            return ecr_credentials(registry, profile=self._profile, region=self._region) or Anonymous()
        except (ConfigurationError, DependencyMissing) as exc:
            if self._profile is not None:
                raise
            self._warn_once(exc.message)
            return Anonymous()

    def _files(self) -> AuthFiles:
        from ..._registry.auth.auth_file import AuthFiles, default_places

        if self._path is not None:
            return AuthFiles((self._path,), required=True, run=run_helper)
        places = default_places(os.environ, home=os.path.expanduser("~"), uid=os.getuid())
        return AuthFiles(places, run=run_helper, warn=self._warn_once)

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._module.warn(text)


def run_helper(arguments: list[str], data: str) -> tuple[int, str, str]:
    """Run a credential helper and return its status and output; see RunHelper. Raises OSError."""
    from ..._ratls.evidence.child import ChildFailed, run_child
    from ..._registry.auth.credential_helper import MAX_ANSWER

    try:
        status, output = run_child(arguments, given=data.encode(), limit=MAX_ANSWER, timeout=_HELPER_SECONDS)
    except ChildFailed as exc:
        raise OSError(0, str(exc)) from None
    return status, output.decode("utf-8", "replace"), ""


def secrets_of(credentials: Credentials) -> list[str]:
    """Return the texts that must not be shown, some of which may be empty."""
    if isinstance(credentials, BasicAuth):
        header = b64encode(f"{credentials.username}:{credentials.password}".encode()).decode("ascii")
        return [credentials.password, header]
    return [credentials.token] if isinstance(credentials, (Token, IdentityToken)) else []


__all__ = (
    "FILE_OPTIONS",
    "LoginFiles",
    "Task",
    "WithheldLogins",
    "given_credentials",
    "run_helper",
    "secrets_of",
)
