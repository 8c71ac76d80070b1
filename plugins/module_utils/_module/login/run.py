# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_login: ask the registry, find what differs in the auth file or its helper, and change that."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..._base.text import path_text
from ..._registry.auth.auth_keys import normalise_key
from ..._registry.auth.credential_helper import ask_helper
from ..._registry.auth.credentials import BasicAuth, IdentityToken
from ..._registry.errors import ConfigurationError, NotFound, ProtocolBroken
from ..registry.attestation import attestation_results
from ..registry.connection import make_registry, run_helper, secrets_of
from .auth_text import AuthText, encode_entry
from .place import AuthPlace, Found
from .wish import LoginWish, is_same, read_wish

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._registry.auth.credentials import Credentials
    from ..._registry.errors import RegistryError

Results = dict[str, t.Any]


def run_login(module: AnsibleModule) -> Results:
    """Bring the login to the requested state and return the results of oci_login."""
    wish = read_wish(module.params)
    task = _Task(module, wish)
    task.mask(wish.credentials)
    place = AuthPlace(wish.path)
    if place.warning is not None:
        module.warn(place.warning)
    results: Results = {"verified": False}
    if module.params["state"] == "present" and module.params["verify"]:
        results = task.verify()
    plan = task.plan(place.read())
    if not plan.changes:
        if not module.check_mode:
            place.tidy()
    elif not module.check_mode:
        with place.opened() as folder:
            plan = task.plan(place.read_in(folder))  # another task may have written it meanwhile
            task.apply(plan, place, folder)
    return {
        "changed": plan.changes,
        "registry": wish.registry,
        "auth_file": path_text(place.path),
        "username": plan.after.username,
        "kind": plan.after.kind,
        "helper": plan.after.helper,
        **results,
        **(_diff(plan, path_text(place.path)) if module._diff else {}),
    }


@dataclass(frozen=True)
class _Login:
    """What a result shows of a login; all None without one."""

    username: str | None = None
    kind: str | None = None
    helper: str | None = None


@dataclass(frozen=True)
class _Plan:
    """What to do: the text of the file before and after, and the helper to store in or to erase from."""

    found: Found
    text: AuthText
    new_text: AuthText
    before: _Login
    after: _Login
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


class _Task:
    """The steps of one task."""

    def __init__(self, module: AnsibleModule, wish: LoginWish) -> None:
        self._module = module
        self._wish = wish

    def mask(self, credentials: Credentials | None) -> None:
        """Mask the secrets of credentials in all output."""
        if credentials is not None:
            # without empty strings, which Ansible would mask between any two characters
            self._module.no_log_values.update(filter(None, secrets_of(credentials)))

    def verify(self) -> Results:
        """Log in to the registry; return the results verified and ratls. Raises RegistryError."""
        wish = self._wish
        credentials = wish.credentials or self._ask(str(wish.helper))
        if credentials is None:
            raise ConfigurationError(
                f"The credential helper docker-credential-{wish.helper} has no credentials for {wish.server}; log in "
                "with it first, give username and password, or set verify: false.",
                auth_file=wish.path,
            )
        source = _AskedFor(credentials)
        with make_registry(self._module, source) as registry:
            try:
                registry.ping()
            except (NotFound, ProtocolBroken) as exc:
                self._add_hint(exc, registry.name)
                raise
            results = attestation_results(registry)
        if not source.asked:
            self._module.warn(
                f"{wish.registry} does not ask for credentials at /v2/, so they could not be verified; it may ask for"
                " them at each repository."
            )
        return {"verified": source.asked, **results}

    def _add_hint(self, error: RegistryError, name: str) -> None:
        """Append to the message what is wrong if a namespace was given as a part of the registry's address."""
        host, slash, prefix = name.partition("/")
        if slash:
            error.message = (
                f"{error.message.rstrip('.')}; if {prefix} is not a part of the address but of the names of"
                f" repositories, give registry: {host} and repository: {prefix}."
            )

    def plan(self, found: Found) -> _Plan:
        """Find what has to be done. Raises ConfigurationError."""
        text = AuthText(found.data, path=self._wish.path)
        return self._plan_absence(found, text) if self._module.params["state"] == "absent" else self._plan(found, text)

    def apply(self, plan: _Plan, place: AuthPlace, folder: int) -> None:
        """Change helper and file, whose directory is open. Raises ConfigurationError, FilesystemError."""
        from ..._registry.auth.helper_changes import erase_with_helper, store_with_helper

        wish, server = self._wish, str(self._wish.server)
        if plan.store is not None and wish.credentials is not None:
            store_with_helper(plan.store, server, wish.credentials, run=run_helper, path=wish.path)
        if plan.erase is not None:
            try:
                erase_with_helper(plan.erase, server, run=run_helper, path=wish.path)
            except ConfigurationError as exc:
                self._excuse(exc, plan.text)
        if plan.rewrites:
            place.replace(folder, plan.new_text.data, found=plan.found)

    def _plan(self, found: Found, text: AuthText) -> _Plan:
        wish, new_text = self._wish, text
        helper = wish.helper or (None if wish.server is None else text.helper(wish.key))
        if wish.helper is not None and not _has_helper(text, wish.key, wish.helper):
            new_text = new_text.with_helper(wish.key, wish.helper)
        before = self._stored(text)
        plan = _Plan(found, text, new_text, _describe(before, text, wish), _describe(wish.credentials, new_text, wish))
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
        kept = self._ask(helper)
        differs = not is_same(kept, wish.credentials)
        return replace(
            plan,
            new_text=_without_secret(new_text, wish),
            before=replace(plan.before, username=_username(kept)) if plan.before.helper == helper else plan.before,
            store=helper if differs else None,
            new_secret=differs,
        )

    def _plan_absence(self, found: Found, text: AuthText) -> _Plan:
        wish, erase = self._wish, None
        helper = None if wish.server is None else text.helper(wish.key)
        before = _describe(self._stored(text), text, wish)
        if helper is not None:
            try:
                kept = self._ask(helper)
                erase = None if kept is None else helper
                before = replace(before, username=_username(kept))
            except ConfigurationError as exc:
                self._excuse(exc, text)
        new_text = text.without(wish.key).without(wish.key, section="credHelpers")
        # a file that only others have to change keeps its mode
        found = found if new_text.data != text.data else replace(found, mode=None)
        return _Plan(found, text, new_text, before, _Login(), erase=erase)

    def _excuse(self, error: ConfigurationError, text: AuthText) -> None:
        """Warn about a helper that fails, if the file will no longer name it for this registry; else raise the error.

        Helpers that get credentials from a cloud, such as ecr-login, cannot erase any.
        """
        if not text.spellings(self._wish.key, section="credHelpers"):
            raise error
        self._module.warn(f"{error.message} The helper is no longer used for {self._wish.registry}.")

    def _stored(self, text: AuthText) -> Credentials | None:
        """Return the credentials in the entry of the registry; an entry that cannot be used counts as none."""
        try:
            found = text.credentials(self._wish.key)
        except ConfigurationError:
            return None
        self.mask(found)
        return found

    def _ask(self, helper: str) -> Credentials | None:
        found = ask_helper(helper, str(self._wish.server), run=run_helper, path=self._wish.path)
        self.mask(found)
        return found


class _AskedFor:
    """A CredentialSource with the credentials of the task; asked tells whether the registry required any."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.asked = False

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """See CredentialSource."""
        self.asked = True
        return self._credentials


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


def _describe(credentials: Credentials | None, text: AuthText, wish: LoginWish) -> _Login:
    """Return what a result shows of a login with these credentials in this text."""
    helper = None if wish.server is None else text.helper(wish.key)
    if helper is not None:
        return _Login(_username(credentials), "helper", helper)
    if credentials is None:
        return _Login()
    kinds = {BasicAuth: "password", IdentityToken: "identity_token"}
    return _Login(_username(credentials), kinds.get(type(credentials), "token"))


def _diff(plan: _Plan, path: str) -> Results:
    """Return the result diff, which shows user names, but no secret."""

    def side(login: _Login, mode: int | None) -> Results:
        shown = {name: value for name, value in vars(login).items() if value is not None}
        return shown if mode is None else {**shown, "mode": f"{mode:04o}"}

    before = side(plan.before, plan.found.mode)
    after = side(plan.after, plan.found.wanted_mode if plan.found.mode is not None or plan.rewrites else None)
    if plan.new_secret:
        after["credentials"] = "new, not shown"
    return {"diff": {"before_header": path, "after_header": path, "before": before, "after": after}}


__all__ = ("run_login",)
