# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What oci_login has to do: compare the wish of the task with the auth file and with the credential helper.

Called by login/run.py.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..._base.text import path_text
from ..._registry.auth.auth_keys import normalise_key
from ..._registry.auth.credential_helper import ask_helper
from ..._registry.auth.credentials import BasicAuth, IdentityToken
from ..._registry.errors import ConfigurationError
from ..registry.login_sources import run_helper, secrets_of
from .auth_text import AuthText, encode_entry
from .place import Found
from .wish import LoginWish, is_same

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._registry.auth.credentials import Credentials


@dataclass(frozen=True)
class Login:
    """What a result shows of a login; all None without one."""

    username: str | None = None
    kind: str | None = None
    helper: str | None = None


@dataclass(frozen=True)
class Plan:
    """What to do: the text of the file before and after, and the helper to store in or to erase from."""

    found: Found
    text: AuthText
    new_text: AuthText
    before: Login
    after: Login
    store: str | None = None
    erase: str | None = None
    new_secret: bool = False

    @property
    def rewrites(self) -> bool:
        """Whether the file has to be written: for its content, or for a mode that lets others read it."""
        return self.text.data != self.new_text.data or self.found.mode not in (None, self.found.wanted_mode)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.rewrites or self.store is not None or self.erase is not None


class Planner:
    """Makes the plans of one task. It asks credential helpers, and masks all secrets that it sees."""

    def __init__(self, module: AnsibleModule, wish: LoginWish) -> None:
        self._module = module
        self._wish = wish
        self._mask(wish.credentials)

    def plan(self, found: Found) -> Plan:
        """Find what has to be done. Raises ConfigurationError."""
        text = AuthText(found.data, path=self._wish.path)
        return self._plan_absence(found, text) if self._module.params["state"] == "absent" else self._plan(found, text)

    def ask(self, helper: str) -> Credentials | None:
        """Return the credentials that a helper has for the registry, None without any. Raises ConfigurationError."""
        found = ask_helper(helper, str(self._wish.server), run=run_helper, path=self._wish.path)
        self._mask(found)
        return found

    def tolerate(self, error: ConfigurationError, text: AuthText) -> None:
        """Warn about a helper that fails, if the file will no longer name it for this registry; else raise the error.

        Helpers that get credentials from a cloud, such as ecr-login, cannot erase any.
        """
        if not text.spellings(self._wish.key, section="credHelpers"):
            raise error
        self._module.warn(f"{error.message} The helper is no longer used for {self._wish.registry}.")

    def _plan(self, found: Found, text: AuthText) -> Plan:
        wish, new_text = self._wish, text
        helper = wish.helper or (None if wish.server is None else text.helper(wish.key))
        if wish.helper is not None and not _has_helper(text, wish.key, wish.helper):
            new_text = new_text.with_helper(wish.key, wish.helper)
        before = self._stored(text)
        plan = Plan(found, text, new_text, _describe(before, text, wish), _describe(wish.credentials, new_text, wish))
        if wish.credentials is None:
            return plan
        if wish.server is None and text.helper(wish.key) is not None:
            self._module.warn(
                f"The credential helper docker-credential-{text.helper(wish.key)}, which {path_text(wish.path)} names"
                f" for the host, is asked before the login to {wish.registry} is used."
            )
        if helper is None:
            if is_same(before, wish.credentials) and _is_found(text, wish.key):
                return plan
            entry = encode_entry(wish.credentials)
            return replace(plan, new_text=new_text.with_entry(wish.key, entry), new_secret=True)
        kept = self.ask(helper)
        differs = not is_same(kept, wish.credentials)
        return replace(
            plan,
            new_text=_without_secret(new_text, wish),
            before=replace(plan.before, username=_username(kept)) if plan.before.helper == helper else plan.before,
            store=helper if differs else None,
            new_secret=differs,
        )

    def _plan_absence(self, found: Found, text: AuthText) -> Plan:
        wish, erase = self._wish, None
        helper = None if wish.server is None else text.helper(wish.key)
        before = _describe(self._stored(text), text, wish)
        if helper is not None:
            try:
                kept = self.ask(helper)
                erase = None if kept is None else helper
                before = replace(before, username=_username(kept))
            except ConfigurationError as exc:
                self.tolerate(exc, text)
        new_text = text.without(wish.key).without(wish.key, section="credHelpers")
        # a file that only others have to change keeps its mode
        found = found if new_text.data != text.data else replace(found, mode=None)
        return Plan(found, text, new_text, before, Login(), erase=erase)

    def _stored(self, text: AuthText) -> Credentials | None:
        """Return the credentials in the entry of the registry; an entry that cannot be used counts as none."""
        try:
            found = text.credentials(self._wish.key)
        except ConfigurationError:
            return None
        self._mask(found)
        return found

    def _mask(self, credentials: Credentials | None) -> None:
        """Mask the secrets of credentials in all output."""
        if credentials is not None:
            # without empty strings, which Ansible would mask between any two characters
            self._module.no_log_values.update(filter(None, secrets_of(credentials)))


def _has_helper(text: AuthText, key: str, helper: str) -> bool:
    found = text.file.helpers.get(normalise_key(key))
    return found == helper and _is_found(text, key, section="credHelpers")


def _is_found(text: AuthText, key: str, *, section: str = "auths") -> bool:
    """Tell whether docker finds the entry: of Docker Hub it knows one spelling, of other registries several."""
    return key in text.spellings(key, section=section) or "://" not in key


def _without_secret(text: AuthText, wish: LoginWish) -> AuthText:
    """Return the text without the secret that the helper has now; docker leaves an empty entry, to list it."""
    spellings = text.spellings(wish.key)
    is_empty = all(not text.file.entries.get(normalise_key(name)) for name in spellings)
    if not wish.docker:
        return text if is_empty else text.without(wish.key)
    return text if spellings and is_empty else text.with_entry(wish.key, {})


def _username(credentials: Credentials | None) -> str | None:
    return credentials.username if isinstance(credentials, BasicAuth) else None


def _describe(credentials: Credentials | None, text: AuthText, wish: LoginWish) -> Login:
    """Return what a result shows of a login with these credentials in this text."""
    helper = None if wish.server is None else text.helper(wish.key)
    if helper is not None:
        return Login(_username(credentials), "helper", helper)
    if credentials is None:
        return Login()
    kinds = {BasicAuth: "password", IdentityToken: "identity_token"}
    return Login(_username(credentials), kinds.get(type(credentials), "token"))


__all__ = ("Login", "Plan", "Planner")
