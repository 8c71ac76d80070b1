# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Convert an image config to a runtime configuration, config.json (image-spec, conversion.md; runtime-spec, config.md).

What these leave open is as in the output of "runc spec" and "crun spec", but for the differences that the comments of
the constants explain. run.py calls it.
"""

from __future__ import annotations

import typing as t

from ..._base.text import visible
from ..._oci.platform import UNKNOWN
from .process import volumes

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._base.text import Warn
    from ..._oci.config import ImageConfig
    from .process import Process
    from .settings import Settings

# The document uses nothing newer, and crun before 1.9 refuses every version that does not begin with 1.0.
VERSION: t.Final = "1.0.2"

# Those of podman. runc and crun suggest AUDIT_WRITE, KILL and NET_BIND_SERVICE alone, with which images fail that
# change to another user or the owner of a file when they start, as most that start as root do.
CAPABILITIES: t.Final = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)

# runc and crun also suggest RLIMIT_NOFILE of 1024. Here the limits are those of what starts the runtime, so that a
# LimitNOFILE of its unit has effect.

_MOUNTS: t.Final[tuple[tuple[str, str, str, tuple[str, ...]], ...]] = (
    ("/proc", "proc", "proc", ()),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    ("/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
    ("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),  # noqa: S108 - a mount
    ("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)
# An anonymous volume: empty at each start but for what the image has there, which tmpcopyup copies, as docker does.
_VOLUME: t.Final = ("nosuid", "nodev", "tmpcopyup")

_MASKED: t.Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
)
_READONLY: t.Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_NAMESPACES: t.Final = ("pid", "network", "ipc", "uts", "mount")

# Runtimes act on annotations with these names: they change devices, cgroups, hooks or the runtime itself. A label of an
# image must not do that.
_UNSAFE: t.Final = (
    "run.oci.",
    "org.systemd.property.",
    "org.criu.",
    "io.katacontainers.",
    "dev.gvisor.",
    "module.wasm.",
)


def make_spec(config: ImageConfig, process: Process, settings: Settings, *, root: str, warn: Warn) -> Json:
    """Return config.json as JSON values. warn is called for each part of the image that is left out.

    Raises RuntimeConfigError for a volume that no process can receive.
    """
    is_private = settings.network != "host"
    spec: Json = {
        "ociVersion": VERSION,
        "process": _make_process(process, settings),
        "root": {"path": root, "readonly": settings.readonly},
        "mounts": _make_mounts(volumes(config, settings, warn=warn), settings),
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": name} for name in _NAMESPACES if is_private or name != "network"],
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READONLY),
        },
        "annotations": _make_annotations(config, warn=warn),
    }
    if settings.hostname is not None:
        spec["hostname"] = settings.hostname
    return spec


def _make_process(process: Process, settings: Settings) -> Json:
    account = process.account
    user: Json = {"uid": account.uid, "gid": account.gid}
    if account.additional_gids:
        user["additionalGids"] = list(account.additional_gids)
    return {
        "terminal": settings.terminal,
        "user": user,
        "args": list(process.args),
        "env": _make_env(process, settings),
        "cwd": process.cwd,
        "capabilities": _make_capabilities(settings, is_root=not account.uid),
        "noNewPrivileges": settings.no_new_privileges,
    }


def _make_env(process: Process, settings: Settings) -> list[str]:
    has_term = any(text.startswith("TERM=") for text in process.env)
    return [*process.env, *(["TERM=xterm"] if settings.terminal and not has_term else [])]


def _make_capabilities(settings: Settings, *, is_root: bool) -> Json:
    """Return the sets of capabilities. Those that the task names are also those of a process that is not root's."""
    names = list(CAPABILITIES if settings.capabilities is None else settings.capabilities)
    sets = ["bounding", "effective", "permitted"]
    if settings.capabilities is not None and not is_root:
        sets += ["inheritable", "ambient"]
    return {name: list(names) for name in sets}


def _make_mounts(volume_paths: tuple[str, ...], settings: Settings) -> list[Json]:
    """Return the mounts. One of the task replaces those that are at the same place by default."""
    found = {path: _mount(path, kind, source, options) for path, kind, source, options in _MOUNTS}
    found.update({path: _mount(path, "tmpfs", "tmpfs", _VOLUME) for path in volume_paths})
    if settings.resolv_conf:
        found["/etc/resolv.conf"] = _mount("/etc/resolv.conf", "bind", "/etc/resolv.conf", ("bind", "ro"))
    for mount in settings.mounts:
        options = mount.options
        if mount.type == "bind" and not {"bind", "rbind"} & set(options):
            options = ("rbind", *options)
        if mount.readonly and "ro" not in options:
            options = (*options, "ro")
        found.pop(mount.destination, None)
        found[mount.destination] = _mount(mount.destination, mount.type, mount.source, options)
    return list(found.values())


def _mount(destination: str, kind: str, source: str, options: tuple[str, ...]) -> Json:
    mount: Json = {"destination": destination, "type": kind, "source": source}
    return {**mount, "options": list(options)} if options else mount


def _make_annotations(config: ImageConfig, *, warn: Warn) -> Json:
    """Return the annotations: labels come before what the fields of the config say (conversion.md, "Annotations")."""
    platform, runtime = config.platform, config.runtime
    implied = {
        "os": platform.os,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "os.version": platform.os_version,
        "os.features": ",".join(platform.os_features),
        "author": config.author,
        "created": config.created,
        "stopSignal": runtime.stop_signal,
        "exposedPorts": ",".join(sorted(runtime.exposed_ports or ())),
    }
    annotations = {
        f"org.opencontainers.image.{name}": value for name, value in implied.items() if value and value != UNKNOWN
    }
    for name, value in (runtime.labels or {}).items():
        if name.startswith(_UNSAFE):
            warn(
                f"The label {visible(name)} of the image is left out of the annotations, because runtimes act on"
                " annotations of that name."
            )
        elif name:
            annotations[name] = value
    return annotations


__all__ = ("CAPABILITIES", "VERSION", "make_spec")
