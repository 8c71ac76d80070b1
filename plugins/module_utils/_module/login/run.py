# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_login: ask the registry, find what differs in the auth file or its helper, and change that."""

from __future__ import annotations

import typing as t

from ..._base.text import path_text
from ..._registry.errors import ConfigurationError, NotFound, ProtocolBroken
from ..registry.attestation import attestation_results
from ..registry.connection import make_registry
from ..registry.login_sources import run_helper
from .place import AuthPlace
from .plan import Login, Plan, Planner
from .wish import LoginWish, read_wish

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._registry.auth.credentials import Credentials
    from ..._registry.errors import RegistryError

Results = dict[str, t.Any]


def run_login(module: AnsibleModule) -> Results:
    """Bring the login to the requested state and return the results of oci_login."""
    wish = read_wish(module.params)
    planner, place = Planner(module, wish), AuthPlace(wish.path)
    if place.warning is not None:
        module.warn(place.warning)
    results: Results = {"verified": False}
    if module.params["state"] == "present" and module.params["verify"]:
        results = _verify(module, wish, planner)
    plan = planner.plan(place.read())
    if not plan.changes:
        if not module.check_mode:
            place.tidy()
    elif not module.check_mode:
        with place.opened() as folder:
            plan = planner.plan(place.read_in(folder))  # another task may have written it meanwhile
            _apply(plan, wish, planner, place=place, folder=folder)
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


def _verify(module: AnsibleModule, wish: LoginWish, planner: Planner) -> Results:
    """Log in to the registry; return the results verified and ratls. Raises RegistryError."""
    credentials = wish.credentials or planner.ask(str(wish.helper))
    if credentials is None:
        raise ConfigurationError(
            f"The credential helper docker-credential-{wish.helper} has no credentials for {wish.server}; log in with "
            "it first, give username and password, or set verify: false.",
            auth_file=wish.path,
        )
    source = _AskedFor(credentials)
    with make_registry(module, source) as registry:
        try:
            registry.ping()
        except (NotFound, ProtocolBroken) as exc:
            _add_hint(exc, registry.name)
            raise
        results = attestation_results(registry)
    if not source.asked:
        module.warn(
            f"{wish.registry} does not ask for credentials at /v2/, so they could not be verified; it may ask for them"
            " at each repository."
        )
    return {"verified": source.asked, **results}


def _add_hint(error: RegistryError, name: str) -> None:
    """Append to the message what is wrong if a namespace was given as a part of the registry's address."""
    host, slash, prefix = name.partition("/")
    if slash:
        error.message = (
            f"{error.message.rstrip('.')}; if {prefix} is not a part of the address but of the names of repositories,"
            f" give registry: {host} and repository: {prefix}."
        )


def _apply(plan: Plan, wish: LoginWish, planner: Planner, *, place: AuthPlace, folder: int) -> None:
    """Change helper and file, whose directory is open. Raises ConfigurationError, FilesystemError."""
    from ..._registry.auth.helper_changes import erase_with_helper, store_with_helper

    server = str(wish.server)
    if plan.store is not None and wish.credentials is not None:
        store_with_helper(plan.store, server, wish.credentials, run=run_helper, path=wish.path)
    if plan.erase is not None:
        try:
            erase_with_helper(plan.erase, server, run=run_helper, path=wish.path)
        except ConfigurationError as exc:
            planner.tolerate(exc, plan.text)
    if plan.rewrites:
        place.replace(folder, plan.new_text.data, found=plan.found)


class _AskedFor:
    """A CredentialSource with the credentials of the task; asked tells whether the registry required any."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.asked = False

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """See CredentialSource."""
        self.asked = True
        return self._credentials


def _diff(plan: Plan, path: str) -> Results:
    """Return the result diff, which shows user names, but no secret."""

    def side(login: Login, mode: int | None) -> Results:
        shown = {name: value for name, value in vars(login).items() if value is not None}
        return shown if mode is None else {**shown, "mode": f"{mode:04o}"}

    before = side(plan.before, plan.found.mode)
    after = side(plan.after, plan.found.wanted_mode if plan.found.mode is not None or plan.rewrites else None)
    if plan.new_secret:
        after["credentials"] = "new, not shown"
    return {"diff": {"before_header": path, "after_header": path, "before": before, "after": after}}


__all__ = ("run_login",)
