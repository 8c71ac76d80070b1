# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What is unpacked on a host: the work of oci_image_unpack_info. Nothing is changed, and no lock is waited for."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import asdict, dataclass

from ..._base.errors import CollectionError
from ..._base.text import path_text, visible
from ..._destination.inspection import DestinationInspection
from ..._destination.location import Location
from ..._unpack.errors import DestinationError, Locked, filesystem_error
from ..options.ranges import OptionInvalid

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._base.text import Warn
    from ..._destination.drift import Level
    from ..._destination.inspection import Generation, View
    from ..._destination.stamp import Stamp

# .NAME.oci, the name of the state directory of the destination NAME
_STATE_NAME: t.Final = re.compile(r"\.(.+)\.oci\Z", re.DOTALL)


@dataclass(frozen=True)
class InfoOptions:
    """Which destinations to describe, and how closely. No dest and no below describes none.

    state_dir is the state directory of the only one, None if those of all are beside them.
    """

    dest: tuple[str, ...]
    below: str | None
    drift: Level
    state_dir: str | None = None


def describe_trees(options: InfoOptions, *, warn: Warn) -> list[Json]:
    """Return the return value trees: those of dest in its order, then those in below by their names.

    What is wrong with one of them is in its problem, and does not hide the others. Raises DestinationError if below is
    not a directory, FilesystemError if it cannot be listed, OptionInvalid for a state_dir of several destinations.
    """
    if options.state_dir is not None and (options.below is not None or len(set(options.dest)) != 1):
        raise OptionInvalid(
            "The option state_dir needs exactly one directory in dest, and no below, because each tree has a state"
            " directory of its own; use a loop over the trees.",
            option="state_dir",
        )
    paths = [*options.dest, *([] if options.below is None else find_destinations(options.below))]
    return [_describe(path, options, warn=warn) for path in dict.fromkeys(paths)]


def find_destinations(below: str) -> list[str]:
    """Return the destinations in a directory that have a state directory, sorted. Raises as describe_trees()."""
    if not below.startswith("/"):
        shown = visible(below)
        raise DestinationError(f"The path {shown} is not absolute; give one that starts with /.", path=shown)
    try:
        with os.scandir(below) as entries:
            found = [_STATE_NAME.match(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError as exc:
        raise filesystem_error(exc, doing="listing", path=below) from exc
    return sorted(os.path.join(below, match.group(1)) for match in found if match is not None)


def _describe(path: str, options: InfoOptions, *, warn: Warn) -> Json:
    """Return the element of trees for one destination. Raises nothing but defects."""
    tree: Json = {"dest": path_text(path), "exists": False, "managed": False, "locked": False, "problem": None}
    tree.update(dict.fromkeys(("image", "unpacked", "generation", "rolled_back_from", "options", "signature")))
    tree.update({"generations": [], "drift": [], "drift_total": None})
    try:
        with Location(path, options.state_dir, make=False) as location:
            if not location.is_missing:
                with DestinationInspection(path, warn=warn, lock_timeout=0, location=location) as view:
                    _add_state(tree, view, options.drift)
    except Locked:
        # the task that holds it is about to change what would be told
        tree.update({"exists": _is_directory(path), "managed": True, "locked": True})
    except CollectionError as exc:
        tree.update({"exists": _is_directory(path), "problem": exc.message})
    return tree


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _add_state(tree: Json, view: View, level: Level) -> None:
    number = view.current_generation
    tree.update({"exists": view.exists, "managed": number is not None})
    if number is None:
        return
    tree.update({"generation": number, "rolled_back_from": view.rolled_back_from})
    tree["generations"] = [_describe_generation(generation) for generation in view.generations]
    stamp = view.current
    if stamp is not None:
        tree.update(_describe_stamp(stamp))
    if level != "none":
        drift = view.drift(level)
        tree["drift"] = [{"path": change.path, "change": change.what} for change in drift.changes]
        tree["drift_total"] = drift.total


def _describe_stamp(stamp: Stamp) -> Json:
    points = stamp.mount_points
    options: Json = {"ownership": stamp.ownership, "xattrs": stamp.xattrs, "devices": stamp.devices}
    options.update(asdict(stamp.selection), mount_points=points.directories, mount_files=points.files)
    return {
        "image": stamp.image,
        "unpacked": stamp.created,
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()},
        "signature": stamp.signature,
    }


def _describe_generation(generation: Generation) -> Json:
    """Return the element of generations for a kept tree."""
    stamp = generation.stamp
    image = {} if stamp is None else stamp.image
    return {
        "generation": generation.number,
        "repository": image.get("repository"),
        "tag": image.get("tag"),
        "digest": None if stamp is None else str(stamp.digest),
        "unpacked": None if stamp is None else stamp.created,
        "foreign": generation.foreign,
        "drifted": generation.drifted,
        "problem": generation.problem,
    }


__all__ = ("InfoOptions", "describe_trees", "find_destinations")
