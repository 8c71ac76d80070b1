# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The order of steps of oci_image_unpack, called by its main(): the quick check first, then the requested state.

Most tasks find nothing to change, so what only the others need is imported where it is needed.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace

from ..._base.errors import CollectionError
from ..options.image_options import wanted_platform, wanted_selector
from ..options.mount_points import wanted_mount_points
from ..options.ranges import check_downloads, check_minimum
from ..options.selection import wanted_selection
from ..options.tree_options import TreeOptions
from ..progress import ProgressFile
from ..registry.downloads import check_cache_option, opened_downloads
from ..registry.signature_option import signature_check
from ..stopwatch import Stopwatch
from .kept_answer import keep_answer
from .lookup import ImageRequest
from .quick_check import QuickCheck
from .results import image_results
from .tree import DesiredTree, Report, TreePlace

if t.TYPE_CHECKING:
    from ..._oci.reference import Selector
    from ..options.argument_spec import RegistryModule
    from ..registry.downloads import Downloads
    from ..registry.layout_source import LayoutSource
    from ..registry.sources import ImageSource


def run_image_unpack(module: RegistryModule) -> dict[str, t.Any]:
    """Bring the directory to the requested state and return the results of oci_image_unpack."""
    params = module.params
    check_minimum(params, 0, "keep_generations")
    check_downloads(params)
    place = TreePlace(
        params["dest"],
        params["force"],
        params["lock_timeout"],
        module.check_mode,
        module.warn,
        state_dir=params["state_dir"],
    )
    if params["state"] == "present":
        return _present(module, place)
    from .absent import ensure_absent, ensure_rolled_back

    ensure = ensure_absent if params["state"] == "absent" else ensure_rolled_back
    return image_results(module, _tolerating_read_only(place, ensure), source=None, watch=Stopwatch())


def _present(module: RegistryModule, place: TreePlace) -> dict[str, t.Any]:
    params = module.params
    options, selection, points = TreeOptions.of(params), wanted_selection(params), wanted_mount_points(params)
    desired = DesiredTree(options, selection, params["drift"], params["keep_generations"], points)
    platform, watch = wanted_platform(module), Stopwatch(ProgressFile.from_environment())
    check_cache_option(module)
    signature = signature_check(module)
    with contextlib.ExitStack() as stack:
        layout = None if params["layout"] is None else _open_layout(module, stack)
        selector = wanted_selector(module) if layout is None else _select(layout, watch)
        parallel = params["parallel"] if layout is None else 2
        missing_only = params["pull"] == "missing"
        request = ImageRequest(params["repository"] or "", selector, platform, missing_only, parallel, signature)
        check = stack.enter_context(QuickCheck(place, request, desired, watch))
        source = layout or _open_registry(module, stack)
        downloads = stack.enter_context(opened_downloads(module, source, watch))
        report = check.ask(source) or _ensure(place, source, request, desired, check, watch, downloads)
        keep_answer(module, place, source, request, desired, report)
        return image_results(module, report, source=source, watch=watch, downloads=downloads)


def _open_layout(module: RegistryModule, stack: contextlib.ExitStack) -> LayoutSource:
    from ..registry.layout_source import opened_layout

    return stack.enter_context(opened_layout(module))


def _select(layout: LayoutSource, watch: Stopwatch) -> Selector:
    with watch.stage("resolve"):
        return layout.selector


def _open_registry(module: RegistryModule, stack: contextlib.ExitStack) -> ImageSource:
    from ..registry.connection import opened_source

    return stack.enter_context(opened_source(module))


def _ensure(
    place: TreePlace,
    source: ImageSource,
    request: ImageRequest,
    desired: DesiredTree,
    check: QuickCheck,
    watch: Stopwatch,
    downloads: Downloads,
) -> Report:
    from .present import ensure_present

    return _tolerating_read_only(
        place, lambda at: ensure_present(at, source, request, desired, watch, downloads, head=check.head)
    )


def _tolerating_read_only(place: TreePlace, ensure: t.Callable[[TreePlace], Report]) -> Report:
    """Call ensure. On a read-only file system, call it in check mode, and raise EROFS only if it reports a change."""
    try:
        return ensure(place)
    except CollectionError as exc:
        if place.check or exc.fields.get("errno") != "EROFS":
            raise
        report = ensure(replace(place, check=True))
        if report.changed:
            raise
        return report


__all__ = ("run_image_unpack",)
