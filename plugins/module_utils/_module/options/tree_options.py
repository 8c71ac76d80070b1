# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options of the fragment attested.registry.tree, as one value."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..._unpack.limits import Limits
from .ranges import check_minimum, check_seconds

if t.TYPE_CHECKING:
    from ..._unpack.layers import Options
    from ..._unpack.tree.selection import Selection


@dataclass(frozen=True)
class TreeOptions:
    """How to write layers to disk: ownership, extended attributes, device nodes and limits."""

    ownership: bool
    xattrs: t.Literal["keep", "require", "skip"]
    devices: t.Literal["create", "skip", "fail"]
    limits: Limits

    @classmethod
    def of(cls, params: t.Mapping[str, t.Any]) -> TreeOptions:
        """Return the options from the parameters of a module. Raises OptionInvalid."""
        check_seconds(params, "lock_timeout", allow_zero=True)
        check_minimum(params, 1, "max_entries", "max_unpacked_bytes", "max_ratio")
        limits = Limits(
            entries=params["max_entries"], unpacked_bytes=params["max_unpacked_bytes"], ratio=params["max_ratio"]
        )
        return cls(params["ownership"], params["xattrs"], params["devices"], limits)

    def for_unpack(self, selection: Selection | None = None) -> Options:
        """Return the options for unpack_layers(). _unpack is imported here, because it takes time to load."""
        from ..._unpack.layers import Options

        options = Options(ownership=self.ownership, xattrs=self.xattrs, devices=self.devices, limits=self.limits)
        return options if selection is None else replace(options, selection=selection)


__all__ = ("TreeOptions",)
