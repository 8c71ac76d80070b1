# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Image configs (image-spec, config.md). Parsed by image.py for _registry/resolver.py and _module/layout/plan.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._base.strict_json import load, load_object
from .._base.text import quote
from .fields import Fields
from .platform import Platform

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .._base.strict_json import JsonObject
    from .digest import Digest


@dataclass(frozen=True)
class Runtime:
    """The config object of an image config: how to run a container. It is data only; nothing here runs it.

    A field that the image does not set is None. volumes and exposed_ports are the names of their sets. Healthcheck,
    OnBuild and Shell are docker's; image-spec reserves them.
    """

    user: str | None = None
    exposed_ports: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] | None = None
    working_dir: str | None = None
    labels: Mapping[str, str] | None = field(default=None, hash=False)
    stop_signal: str | None = None
    args_escaped: bool = False
    memory: int | None = None
    memory_swap: int | None = None
    cpu_shares: int | None = None
    on_build: tuple[str, ...] | None = None
    shell: tuple[str, ...] | None = None

    @classmethod
    def from_fields(cls, fields: Fields) -> Runtime:
        """Read the config object. Raises DocumentInvalid, which names a field of the wrong type."""
        fields.object("Healthcheck")
        return cls(
            user=fields.text("User"),
            exposed_ports=fields.names("ExposedPorts"),
            env=fields.texts("Env"),
            entrypoint=fields.texts("Entrypoint"),
            cmd=fields.texts("Cmd"),
            volumes=fields.names("Volumes"),
            working_dir=fields.text("WorkingDir"),
            labels=fields.text_map("Labels"),
            stop_signal=fields.text("StopSignal"),
            args_escaped=fields.flag("ArgsEscaped"),
            memory=fields.integer("Memory"),
            memory_swap=fields.integer("MemorySwap"),
            cpu_shares=fields.integer("CpuShares"),
            on_build=fields.texts("OnBuild"),
            shell=fields.texts("Shell"),
        )


@dataclass(frozen=True)
class History:
    """One build step of the image. A step with empty_layer has no layer, so do not pair history with layers."""

    created: str | None = None
    author: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool = False

    @classmethod
    def from_fields(cls, fields: Fields) -> History:
        """Read one entry of history. Raises DocumentInvalid."""
        return cls(
            created=fields.text("created"),
            author=fields.text("author"),
            created_by=fields.text("created_by"),
            comment=fields.text("comment"),
            empty_layer=fields.flag("empty_layer"),
        )


@dataclass(frozen=True)
class ImageConfig:
    """An image config (image-spec, config.md; docker's is the same). raw has the bytes that its digest covers."""

    raw: bytes = field(repr=False)
    platform: Platform
    created: str | None
    author: str | None
    runtime: Runtime
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...]

    @classmethod
    def parse(cls, raw: bytes, *, what: str = "the image config") -> ImageConfig:
        """Read an image config; what names it in messages. Raises JsonInvalid and DocumentInvalid."""
        fields = Fields(load_object(raw, what=what), what)
        fields.refuse_lookalikes("config", "history", "rootfs")
        runtime = fields.object("config")
        return cls(
            raw=raw,
            platform=Platform.from_json(fields),
            created=fields.text("created"),
            author=fields.text("author"),
            runtime=Runtime() if runtime is None else Runtime.from_fields(runtime),
            diff_ids=_diff_ids(fields.required_object("rootfs")),
            history=tuple(History.from_fields(entry) for entry in fields.objects("history")),
        )

    def as_dict(self) -> JsonObject:
        """Return the whole document as JSON values, unknown fields included. The caller may change it."""
        return t.cast("JsonObject", load(self.raw, what="the image config", max_bytes=len(self.raw)))


def _diff_ids(rootfs: Fields) -> tuple[Digest, ...]:
    rootfs.refuse_lookalikes("type", "diff_ids")
    kind = rootfs.required_text("type")
    if kind != "layers":
        raise rootfs.fault(f'{rootfs.name("type")} must be "layers", not {quote(kind)}')
    return rootfs.digests("diff_ids")


__all__ = ("History", "ImageConfig", "Runtime")
