# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Keep what oci_image_unpack returns if it runs again; probe.py returns it. Called by unpack.py."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace

from ..._base.errors import CollectionError
from ..._destination.destination import Destination
from ..._oci.digest import Digest
from ..._registry.client import Registry
from ..._registry.manifest_head import ACCEPT_HEADER, manifest_path
from ..._registry.plain_head import PlainHead
from ..stopwatch import Stopwatch
from .lookup import is_for_platform, kept_digest, shown_as
from .probe import FORMAT, is_answerable, surroundings
from .results import image_results, report_diff
from .tree import Report

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._destination.stamp import Stamp
    from ..options.argument_spec import RegistryModule
    from ..registry.sources import ImageSource
    from .lookup import ImageRequest
    from .tree import DesiredTree, TreePlace


def keep_answer(
    module: RegistryModule,
    place: TreePlace,
    source: ImageSource,
    request: ImageRequest,
    desired: DesiredTree,
    report: Report,
) -> None:
    """Keep what the next task returns if it has the same options and finds nothing to change. Raises nothing.

    Nothing is kept in check mode, after a warning, which would have to be repeated, and where probe.py cannot tell that
    nothing has changed, such as behind a login. Nor is it a failure if the answer cannot be written: the next task then
    takes longer.
    """
    if module.check_mode or module.has_warned or not is_answerable(module.params):
        return
    if not isinstance(source, Registry) or source.caller.logs_in:
        return
    warnings: list[str] = []
    at_once = replace(place, warn=warnings.append, lock_timeout=0.0)
    with contextlib.suppress(CollectionError, OSError, ValueError), at_once.open(create=False) as view:
        stamp = view.current
        if stamp is None or not isinstance(view, Destination) or view.current_generation != report.generation:
            return
        answer = _describe(module, source, request, desired, report, stamp)
        if answer is not None and not warnings:
            view.keep_answer(answer)


def _describe(
    module: RegistryModule,
    source: Registry,
    request: ImageRequest,
    desired: DesiredTree,
    report: Report,
    stamp: Stamp,
) -> Json | None:
    """Return the answer, None if there cannot be one."""
    around, digest = surroundings(), _digest(source, request, report, stamp)
    warnings: list[str] = []
    if around is None or digest not in stamp.digests or not desired.fits(stamp):
        return None
    # the probe does not read what the processor supports
    platform = replace(request.platform, highest_variant=None)
    same = replace(request, platform=platform)
    suits = is_for_platform(stamp.image, source, same, digest=str(digest), warn=warnings.append)
    if stamp.platform != str(platform) or not suits or warnings:
        return None
    shown = shown_as(stamp.image, source, request, digest=str(digest))
    described = desired.describe(shown)
    unchanged = Report(
        changed=False,
        before=described,
        after=described,
        image=shown,
        previous_digest=str(stamp.digest),
        generation=report.generation,
    )
    results = image_results(module, unchanged, source=None, watch=Stopwatch())
    results.pop("diff", None)
    return {
        "format": FORMAT,
        "asked": module.asked,
        "settled": {name: value for name, value in module.params.items() if module.asked[name] != value},
        "surroundings": around,
        "head": None if _is_known(source, request, stamp) else _head(source, request),
        "digest": str(digest),
        "results": results,
        "diff": report_diff(module, unchanged),
    }


def _is_known(source: Registry, request: ImageRequest, stamp: Stamp) -> bool:
    """Tell whether the digest is known without a request; see lookup.look_up()."""
    return request.selector.digest is not None or kept_digest(stamp.image, source, request) is not None


def _head(source: Registry, request: ImageRequest) -> PlainHead:
    """Return the request that Registry.head_manifest() sends, unless it has to log in."""
    endpoint = source.caller.endpoint
    url = endpoint.manifest(source.repository(request.repository), manifest_path(request.selector))
    headers = {"Host": url.origin.authority, **source.caller.headers, **ACCEPT_HEADER}
    return PlainHead(url.origin.scheme, url.origin.host, url.origin.port, url.target, tuple(headers.items()))


def _digest(source: Registry, request: ImageRequest, report: Report, stamp: Stamp) -> Digest | None:
    """Return the digest that the reference resolves to: that of an index or of a manifest."""
    known = request.selector.digest or kept_digest(stamp.image, source, request)
    if known is not None or report.image is None:
        return known
    return Digest.parse(report.image["index_digest"] or report.image["digest"])


__all__ = ("keep_answer",)
