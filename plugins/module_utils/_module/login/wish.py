# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What a task of oci_login is about: the registry's key in the auth file, the file, the credentials and the helper.

Called by login/run.py and login/plan.py.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from ..._base.text import quote
from ..._oci.names import check_repository
from ..._registry.auth.auth_file import AuthFile, login_place
from ..._registry.auth.auth_keys import helper_server
from ..._registry.auth.credentials import BasicAuth, IdentityToken, Token
from ..options.ranges import OptionInvalid
from ..registry.connection import read_endpoint
from ..registry.login_sources import given_credentials
from .auth_text import encode_entry

if t.TYPE_CHECKING:
    from ..._registry.auth.credentials import Credentials

Params = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class LoginWish:
    """The options of a task, checked: what to write, and where.

    key is the name of the registry in the file, server its name towards credential helpers; server is None for a key
    that is about a part of a registry, which helpers do not know.
    """

    registry: str
    key: str
    server: str | None
    path: str
    docker: bool
    helper: str | None = None
    credentials: BasicAuth | IdentityToken | None = field(default=None, repr=False)


def read_wish(params: Params) -> LoginWish:
    """Return what the task wishes. Raises OptionInvalid, ConfigurationError and ReferenceInvalid."""
    registry = read_endpoint(params).name
    if params["repository"] is not None:
        registry += "/" + check_repository(params["repository"])
    docker, helper = params["format"] == "docker", params["helper"]
    is_part = "/" in registry
    if docker and is_part:
        raise _invalid(
            f"{registry} is a part of a registry, but docker has one login for a registry as a whole; give the host "
            "alone, or set format: podman",
            "format",
        )
    if helper is not None and is_part:
        raise _invalid(f"{registry} is a part of a registry, which no helper knows; give the host alone", "helper")
    return LoginWish(
        registry,
        key=helper_server(registry) if docker else registry,
        server=None if is_part else helper_server(registry),
        path=params["auth_file"] or _usual_path(params["format"]),
        docker=docker,
        helper=helper,
        credentials=_storable_credentials(params) if params["state"] == "present" else None,
    )


def _usual_path(kind: t.Literal["podman", "docker"]) -> str:
    """Return the file of podman or docker. Raises OptionInvalid if the user has no place for podman's."""
    environ, uid = dict(os.environ), os.getuid()
    runtime = f"/run/user/{uid}"
    if kind == "podman" and uid != 0 and not (environ.get("REGISTRY_AUTH_FILE") or environ.get("XDG_RUNTIME_DIR")):
        # as under become: podman of a session of this user has the variable
        if not os.path.isdir(runtime):
            raise OptionInvalid(
                f"The option auth_file is missing: podman keeps the logins of the user id {uid} in {runtime}, which"
                " does not exist on this host; give a path, such as ~/.config/containers/auth.json.",
                option="auth_file",
            )
        environ["XDG_RUNTIME_DIR"] = runtime
    return login_place(kind, environ, home=os.path.expanduser("~"), uid=uid)


def _storable_credentials(params: Params) -> BasicAuth | IdentityToken | None:
    found = given_credentials(params)
    if isinstance(found, Token):
        raise _invalid("a bearer token expires within minutes, so it is not stored; give it to each task", "token")
    if isinstance(found, BasicAuth) and (":" in found.username or not found.username):
        raise _invalid(f"{quote(found.username)} is empty or contains a colon, which HTTP does not permit", "username")
    if found is not None and not is_same(AuthFile("").decode(encode_entry(found)), found):
        raise _invalid("it ends in a null character, which an auth file cannot hold", "password")
    return found


def is_same(one: Credentials | None, other: BasicAuth | IdentityToken) -> bool:
    """Tell whether two credentials are the same, wherever they come from."""
    return isinstance(one, (BasicAuth, IdentityToken)) and replace(one, source="") == replace(other, source="")


def _invalid(why: str, option: str) -> OptionInvalid:
    return OptionInvalid(f"The option {option} cannot be used: {why}.", option=option)


__all__ = ("LoginWish", "is_same", "read_wish")
