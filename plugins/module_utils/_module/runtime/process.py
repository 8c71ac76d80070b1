# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The process that an image starts, by its config and the settings of the task: arguments, environment, directory.

Image-spec, conversion.md, "Verbatim Fields". spec.py and unit.py write it down in their formats.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.text import quote, visible
from .values import RuntimeConfigError, absolute, checked

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.config import ImageConfig, Runtime
    from ..._unpack.accounts import Account
    from .settings import Settings

# What engines give a process whose image sets no PATH.
DEFAULT_PATH: t.Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Where a volume of an image would hide the file systems of the kernel that masked and read-only paths are in.
_SYSTEM: t.Final = ("/proc", "/sys", "/dev")


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


def volumes(config: ImageConfig, settings: Settings, *, warn: Warn) -> tuple[str, ...]:
    """Return the paths of the volumes of an image that no mount of the task is at, in the order of their names.

    Raises RuntimeConfigError for a name that no process can receive.
    """
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


__all__ = ("DEFAULT_PATH", "Process", "make_process", "volumes")
