# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The process that an image starts, by its config and the options of the task: arguments, environment, directory.

Image-spec, conversion.md, "Verbatim Fields". spec.py and unit.py write it down in their formats.
"""

from __future__ import annotations

import posixpath
import re
import typing as t
from dataclasses import dataclass

from ..._base.errors import CollectionError
from ..._base.text import describe, quote, visible

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.config import ImageConfig, Runtime
    from ..._unpack.accounts import Account

# What engines give a process whose image sets no PATH.
DEFAULT_PATH: t.Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CAPABILITY: t.Final = re.compile(r"(?:CAP_)?((?!CAP_)[A-Z][A-Z_]*)\Z")


# Where a volume of an image would hide the file systems of the kernel that masked and read-only paths are in.
_SYSTEM: t.Final = ("/proc", "/sys", "/dev")


class RuntimeConfigError(CollectionError):
    """The image or the options cannot be converted to the format. Fields: option or field, if one is at fault."""

    kind = "runtime_config"


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


@dataclass(frozen=True)
class Process:
    """A process: args, env as NAME=VALUE, the absolute directory cwd, and the ids it runs with."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    account: Account

    @property
    def search_path(self) -> str:
        """The value of PATH in env."""
        return next(text.partition("=")[2] for text in self.env if text.startswith("PATH="))


def make_process(runtime: Runtime, settings: Settings, account: Account) -> Process:
    """Return the process of an image with these settings.

    As in docker, args replaces Cmd, and entrypoint replaces Entrypoint and leaves Cmd out. An image without PATH gets
    that of engines. Raises RuntimeConfigError for a process without arguments, a variable without a name or a value,
    and text that no process can receive.
    """
    return Process(
        _make_args(runtime, settings),
        _make_env(runtime.env or (), settings.env or {}),
        absolute(
            runtime.working_dir or "/", what="the field config.WorkingDir of the image", field="config.WorkingDir"
        ),
        account,
    )


def _make_args(runtime: Runtime, settings: Settings) -> tuple[str, ...]:
    entrypoint, cmd = runtime.entrypoint or (), runtime.cmd or ()
    if settings.entrypoint is not None:
        entrypoint, cmd = settings.entrypoint, ()
    args = (*entrypoint, *(cmd if settings.args is None else settings.args))
    if not args or not args[0]:
        raise RuntimeConfigError(
            "The process has no program: the image has neither an Entrypoint nor a Cmd, or an empty one; set the option"
            " args or entrypoint.",
            option="args",
        )
    return tuple(checked(text, what="an argument of the process", field="args") for text in args)


def _make_env(env: tuple[str, ...], changes: t.Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables of the image in their order, with changed values in their place and new ones at the end."""
    left = dict(changes)
    result: list[str] = []
    for text in env:
        name, equals, dummy = text.partition("=")
        if not name or not equals:
            raise RuntimeConfigError(
                f"The field config.Env of the image has the entry {quote(text)}, which is not of the form NAME=VALUE;"
                " correct the image.",
                field="config.Env",
            )
        if name not in changes:
            result.append(checked(text, what=f"the variable {quote(name)} of the image", field="config.Env"))
        elif name in left:
            result.append(f"{name}={left.pop(name)}")
    result += [f"{name}={value}" for name, value in left.items()]
    if not any(text.startswith("PATH=") for text in result):
        result.insert(0, f"PATH={DEFAULT_PATH}")
    return tuple(result)


def checked(text: str, *, what: str, field: str) -> str:
    """Return a text that a process can receive. Raises RuntimeConfigError for NUL, and for text that is not Unicode."""
    fault = "a NUL character" if "\0" in text else None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        fault = "bytes that are not UTF-8"
    if fault is None:
        return text
    raise RuntimeConfigError(f"It is not possible to pass {what} on: it has {fault}; correct it.", field=field)


def absolute(path: str, *, what: str, field: str) -> str:
    """Return a path in the tree in its shortest form; a relative one begins at the root, and .. ends there."""
    return posixpath.normpath("/" + checked(path, what=what, field=field).lstrip("/"))


def volumes(config: ImageConfig, settings: Settings, *, warn: Warn) -> tuple[str, ...]:
    """Return the paths of the volumes of an image that no mount of the task is at, in the order of their names."""
    taken = {mount.destination for mount in settings.mounts}
    names = config.runtime.volumes or ()
    what = "a name in the field config.Volumes of the image"
    paths = {absolute(name, what=what, field="config.Volumes") for name in names}
    for path in sorted(paths):
        if path == "/" or any(path == top or path.startswith(f"{top}/") for top in _SYSTEM):
            warn(
                f"The volume {visible(path)} of the image is left out, because it would hide a file system of the host."
            )
            paths.discard(path)
    return tuple(sorted(paths - taken))


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


__all__ = (
    "DEFAULT_PATH",
    "Mount",
    "Process",
    "RuntimeConfigError",
    "Settings",
    "absolute",
    "checked",
    "make_process",
    "parse_settings",
    "volumes",
)
