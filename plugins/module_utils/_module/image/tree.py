# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Values that the states of oci_image_unpack share: the desired tree, its place, and the report of a task."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from ..._unpack.tree.mount_points import MountPoints
from .diff import describe_foreign, describe_image, describe_stamp

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._base.text import Warn
    from ..._destination.drift import Drift, Level
    from ..._destination.inspection import View
    from ..._destination.stamp import Stamp
    from ..._unpack.tree.selection import Selection
    from ..options.tree_options import TreeOptions


@dataclass(frozen=True)
class DesiredTree:
    """The desired tree: the options to unpack it with, the part of the image that is kept, the level of drift
    detection, how many other trees to keep, and what the tree has in addition to its image.
    """

    options: TreeOptions
    selection: Selection
    drift: Level
    keep: int
    mount_points: MountPoints = MountPoints()

    def fits(self, stamp: Stamp) -> bool:
        """Tell whether a tree was unpacked with the options of this one."""
        options = self.options
        wanted = (options.ownership, options.xattrs, options.devices, self.selection, self.mount_points)
        return (stamp.ownership, stamp.xattrs, stamp.devices, stamp.selection, stamp.mount_points) == wanted

    def describe(self, image: Json, *, signature: Json | None = None) -> Json:
        """Return the description of the image, unpacked with these options, for the diff."""
        options = self.options
        return describe_image(
            image,
            ownership=options.ownership,
            xattrs=options.xattrs,
            devices=options.devices,
            selection=self.selection,
            mount_points=self.mount_points,
            signature=signature,
        )


@dataclass(frozen=True)
class TreePlace:
    """The place of a tree, and how to open it. With check nothing changes: the outcome is only predicted.

    state_dir is where its state is, None for the directory beside it.
    """

    dest: str
    force: bool
    lock_timeout: float
    check: bool
    warn: Warn
    state_dir: str | None = None

    @contextlib.contextmanager
    def open(self, *, create: bool) -> t.Iterator[View]:
        """Yield a View of the place; unless check is set, a Destination, which can change it.

        With create, missing parent directories are created, and removed at the end if they are empty; with a state_dir
        that exists, in any case.
        """
        from ..opened_again import opened_again

        with opened_again(lambda stack: self._enter(stack, create=create)) as view:
            yield view

    def _enter(self, stack: contextlib.ExitStack, *, create: bool) -> View:
        from ..._destination.destination import Destination
        from ..._destination.location import Location

        location = stack.enter_context(Location(self.dest, self.state_dir, make=create))
        options: Json = {"warn": self.warn, "force": self.force, "lock_timeout": self.lock_timeout}
        options["location"] = location
        if self.check:
            if location.has_state:
                location.check()
            return stack.enter_context(Destination.inspect(self.dest, **options))
        # a tree is brought back even if the directory above it is gone
        if create or location.has_state:
            location.make()
        return stack.enter_context(Destination(self.dest, create=create, **options))


@dataclass(frozen=True)
class Report:
    """The outcome of a task, predicted in check mode.

    before and after are descriptions for the diff, None for no tree. image is the return value image, None if no image
    is known. generation is None if there is no tree, and in check mode for a new one. signature is the return value
    signature, None without the option.
    """

    changed: bool
    before: Json | None = None
    after: Json | None = None
    image: Json | None = None
    previous_digest: str | None = None
    generation: int | None = None
    drift: Drift | None = None
    entries: int = 0
    bytes: int = 0
    downloaded: int = 0
    signature: Json | None = None


def describe_current(view: View, stamp: Stamp | None) -> Json | None:
    """Return the description of the current tree for the diff, None if there is none."""
    if stamp is not None:
        return describe_stamp(stamp)
    return describe_foreign() if view.exists else None


def digest_of(stamp: Stamp | None) -> str | None:
    """Return the manifest digest in a stamp as text."""
    return None if stamp is None else str(stamp.digest)


__all__ = ("DesiredTree", "Report", "TreePlace", "describe_current", "digest_of")
