# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options of the task about the process and what is around it, checked. run.py parses them."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..._base.text import describe, quote, visible
from .values import RuntimeConfigError, absolute, checked

_CAPABILITY: t.Final = re.compile(r"(?:CAP_)?((?!CAP_)[A-Z][A-Z_]*)\Z")


@dataclass(frozen=True)
class Mount:
    """A mount of the option mounts: what is at destination in the tree. options are those of mount(8)."""

    destination: str
    type: str
    source: str
    options: tuple[str, ...] = ()
    readonly: bool = False


@dataclass(frozen=True)
class Settings:
    """The options of the task about the process and what is around it, checked; None means not given."""

    entrypoint: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: t.Mapping[str, str] | None = None
    hostname: str | None = None
    readonly: bool = True
    mounts: tuple[Mount, ...] = ()
    terminal: bool = False
    network: str | None = None
    resolv_conf: bool = False
    capabilities: tuple[str, ...] | None = None
    no_new_privileges: bool = True


def parse_settings(params: t.Mapping[str, t.Any]) -> Settings:
    """Return the settings of the options of a task. Raises RuntimeConfigError, which names the option."""
    capabilities = params["capabilities"]
    return Settings(
        entrypoint=_texts(params, "entrypoint"),
        args=_texts(params, "args"),
        env=_parse_env(params["env"] or {}),
        hostname=None if params["hostname"] is None else checked(params["hostname"], what="hostname", field="hostname"),
        readonly=params["readonly"],
        mounts=tuple(_parse_mount(mount) for mount in params["mounts"] or ()),
        terminal=params["terminal"],
        network=params["network"],
        resolv_conf=params["resolv_conf"],
        capabilities=None
        if capabilities is None
        else tuple(sorted({_parse_capability(name) for name in capabilities})),
        no_new_privileges=params["no_new_privileges"],
    )


def _texts(params: t.Mapping[str, t.Any], option: str) -> tuple[str, ...] | None:
    if params[option] is None:
        return None
    return tuple(checked(text, what=f"a value of the option {option}", field=option) for text in params[option])


def _parse_env(env: t.Mapping[t.Any, t.Any]) -> dict[str, str]:
    return {_parse_name(name): _parse_value(name, value) for name, value in env.items()}


def _parse_name(name: t.Any) -> str:
    if not isinstance(name, str) or not name or "=" in name:
        raise RuntimeConfigError(
            f"The option env has the name {quote(name)}, which no variable can have; a name is not empty and has no =.",
            option="env",
        )
    return checked(name, what="the name of a variable in the option env", field="env")


def _parse_value(name: t.Any, value: t.Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise RuntimeConfigError(
            f"The variable {visible(str(name))} in the option env is {describe(value)}; put its value in quotes.",
            option="env",
        )
    return checked(str(value), what=f"the variable {visible(str(name))} in the option env", field="env")


def _parse_mount(mount: t.Mapping[str, t.Any]) -> Mount:
    destination, kind, source = mount["destination"], mount["type"], mount["source"]
    for name, path in (("destination", destination), ("source", source if kind == "bind" else "/")):
        if not (path or "").startswith("/"):
            raise RuntimeConfigError(
                f"The option mounts has the {name} {quote(path)}, which is no absolute path; begin it with /.",
                option="mounts",
            )
    destination = absolute(destination, what="a destination in the option mounts", field="mounts")
    if destination == "/":
        raise RuntimeConfigError(
            "The option mounts has the destination /, which is the tree itself; give a directory in it.",
            option="mounts",
        )
    options = tuple(
        checked(text, what="an option in the option mounts", field="mounts") for text in mount["options"] or ()
    )
    source = checked(source or kind, what="a source in the option mounts", field="mounts")
    return Mount(destination, kind, source, options, mount["readonly"])


def _parse_capability(name: str) -> str:
    match = _CAPABILITY.match(name.upper())
    if match is None:
        raise RuntimeConfigError(
            f"The option capabilities has {quote(name)}, which is no name of one; give names such as NET_BIND_SERVICE.",
            option="capabilities",
        )
    return f"CAP_{match.group(1)}"


__all__ = ("Mount", "Settings", "parse_settings")
