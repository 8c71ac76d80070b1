# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Convert an image config to a service unit of systemd, which runs the process in the tree. run.py calls it.

The user is written as numbers, because systemd looks names up on the host, not below RootDirectory=.
"""

from __future__ import annotations

import re
import signal
import typing as t

from ..._base.text import quote
from .process import volumes
from .spec import CAPABILITIES
from .unit_text import Line, assignment, command_line, mount_path, unit_text, whole_line
from .values import RuntimeConfigError

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._oci.config import ImageConfig
    from .process import Process
    from .settings import Mount, Settings

_COMMENT: t.Final = "Ansible managed: written by attested.registry.oci_runtime_config"

# What an engine does to each container, so that it breaks none: no devices of the host, no kernel settings, modules and
# logs, a clock and a host name that cannot be set. Other processes and the network of the host can be seen.
_HARDENING: t.Final[tuple[Line, ...]] = (
    ("PrivateDevices", "yes"),
    ("PrivateTmp", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
)

# Ids that User= and Group= do not take: -1 as 16 and as 32 bits.
_REFUSED_IDS: t.Final = (65535, 2**32 - 1)
_REAL_TIME: t.Final = re.compile(r"RTM(?:IN(?:\+[0-9]{1,2})?|AX(?:-[0-9]{1,2})?)\Z", re.ASCII)
_MAX_DESCRIPTION: t.Final = 200


def make_unit(
    config: ImageConfig,
    process: Process,
    settings: Settings,
    *,
    root: str,
    program: str,
    name: str,
    changes: t.Mapping[str, t.Mapping[str, t.Sequence[str]]],
    warn: Warn,
) -> str:
    """Return the text of the unit that runs program, the absolute path of the first argument in the tree.

    name describes the image if it has no title; changes is the option unit_options. warn is called for each part of the
    image that is left out. Raises RuntimeConfigError for what a unit cannot express.
    """
    for option, is_given in (("hostname", settings.hostname is not None), ("terminal", settings.terminal)):
        if is_given:
            raise RuntimeConfigError(
                f"The option {option} has no effect on a systemd unit; leave it out, or use format: oci.", option=option
            )
    service: list[Line] = [
        ("Type", "exec"),
        ("RootDirectory", whole_line(root, what="the path")),
        ("MountAPIVFS", "yes"),
        ("ExecStart", command_line(program, process.args[1:])),
        ("WorkingDirectory", whole_line(process.cwd, what="the working directory")),
        *_environment(process),
        *_identity(process),
        *_kill_signal(config.runtime.stop_signal),
        ("Restart", "on-failure"),
        *_mounts(volumes(config, settings, warn=warn), process, settings),
        *_privileges(process, settings),
        *_HARDENING,
    ]
    sections: dict[str, t.Sequence[Line]] = {
        "Unit": [("Description", _description(config, name))],
        "Service": service,
        "Install": [("WantedBy", "multi-user.target")],
    }
    return unit_text(_COMMENT, sections, changes)


def _description(config: ImageConfig, name: str) -> str:
    labels = config.runtime.labels or {}
    text = labels.get("org.opencontainers.image.title") or labels.get("org.opencontainers.image.description") or name
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain[:_MAX_DESCRIPTION].rstrip("\\ ").replace("%", "%%") or "Image"


def _environment(process: Process) -> t.Iterator[Line]:
    """Yield the variables. HOME is that of the user in the tree; systemd would set that of the same uid on the host."""
    for text in process.env:
        yield "Environment", assignment(text)
    if not any(text.startswith("HOME=") for text in process.env):
        yield "Environment", assignment(f"HOME={process.account.home or '/'}")


def _identity(process: Process) -> t.Iterator[Line]:
    account = process.account
    for number in (account.uid, account.gid, *account.additional_gids):
        if number in _REFUSED_IDS:
            raise RuntimeConfigError(
                f"A systemd unit cannot express the user or group id {number}; set the option user.", option="user"
            )
    if account.uid or account.gid:
        yield "User", str(account.uid)
        yield "Group", str(account.gid)
    if account.additional_gids:
        yield "SupplementaryGroups", " ".join(map(str, account.additional_gids))


def _kill_signal(stop_signal: str | None) -> t.Iterator[Line]:
    """Yield KillSignal= for the StopSignal of an image: SIGQUIT, QUIT, 3, SIGRTMIN+3. Without one it is SIGTERM."""
    if not stop_signal:
        return
    name = stop_signal.upper()
    name = name[3:] if name.startswith("SIG") else name
    if re.fullmatch(r"[0-9]{1,2}", name, re.ASCII):
        is_known = 1 <= int(name) <= signal.SIGRTMAX
        value = str(int(name))
    else:
        is_known = bool(_REAL_TIME.match(name)) or f"SIG{name}" in signal.Signals.__members__
        value = f"SIG{name}"
    if not is_known:
        raise RuntimeConfigError(
            f"The field config.StopSignal of the image is {quote(stop_signal)}, which is no signal of Linux; correct"
            " the image.",
            field="config.StopSignal",
        )
    yield "KillSignal", value


def _mounts(volume_paths: tuple[str, ...], process: Process, settings: Settings) -> t.Iterator[Line]:
    """Yield the mounts. A volume is empty at each start, and belongs to the user of the process."""
    account = process.account
    if settings.readonly:
        yield "ReadOnlyPaths", "+/"
    for path in volume_paths:
        target = mount_path(path, what="the volume")
        yield "TemporaryFileSystem", _suffixed(target, f":mode=0755,uid={account.uid},gid={account.gid}")
    if settings.resolv_conf:
        yield "BindReadOnlyPaths", "/etc/resolv.conf"
    for mount in settings.mounts:
        yield _mount(mount)


def _mount(mount: Mount) -> Line:
    target = mount_path(mount.destination, what="the destination")
    readonly = mount.readonly or "ro" in mount.options
    options = [text for text in mount.options if text not in ("ro", "rw")]
    if mount.type == "bind" and not set(options) - {"bind", "rbind"}:
        source = mount_path(mount.source, what="the source")
        suffix = ":norbind" if "bind" in options else ""
        return "BindReadOnlyPaths" if readonly else "BindPaths", f"{source}:{target}{suffix}"
    if mount.type == "tmpfs":
        words = [*options, *(["ro"] if readonly else [])]
        if not any(re.search(r"[^A-Za-z0-9_=.%+-]", text) for text in words):
            return "TemporaryFileSystem", _suffixed(target, f":{','.join(words)}" if words else "")
    raise RuntimeConfigError(
        f"A systemd unit cannot express the mount at {quote(mount.destination)}, of type {quote(mount.type)} with the"
        f" options {quote(','.join(mount.options))}; use type bind or tmpfs with usual options, or format: oci.",
        option="mounts",
    )


def _suffixed(path: str, suffix: str) -> str:
    """Return a path with options after it, which belong into its quotes; a % in them begins no specifier."""
    return f'{path[:-1]}{suffix}"' if path.endswith('"') else path + suffix


def _privileges(process: Process, settings: Settings) -> t.Iterator[Line]:
    names = CAPABILITIES if settings.capabilities is None else settings.capabilities
    yield "CapabilityBoundingSet", " ".join(names)
    if settings.capabilities and process.account.uid:
        yield "AmbientCapabilities", " ".join(names)
    yield "NoNewPrivileges", "yes" if settings.no_new_privileges else "no"
    if settings.network == "private":
        yield "PrivateNetwork", "yes"


__all__ = ("make_unit",)
