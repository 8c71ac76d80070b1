# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The state present of oci_image_unpack: keep, restore or unpack. Called by unpack.py."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from ..._destination.destination import Destination
from .lookup import look_up, resolve_again
from .signed import ensure_signed, record_signature, verify_image
from .tree import Report, describe_current, digest_of

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._base.text import Warn
    from ..._destination.inspection import Generation, View
    from ..._destination.stamp import Stamp
    from ..._oci.image import Image
    from ..._registry.fetched import ManifestHead
    from ..._unpack.layers import Options
    from ..registry.downloads import Downloads
    from ..registry.sources import ImageSource
    from ..stopwatch import Stopwatch
    from .lookup import FoundImage, ImageRequest
    from .tree import DesiredTree, TreePlace


def ensure_present(
    place: TreePlace,
    source: ImageSource,
    request: ImageRequest,
    desired: DesiredTree,
    watch: Stopwatch,
    downloads: Downloads,
    *,
    head: ManifestHead | None = None,
) -> Report:
    """Make the directory hold the image.

    Nothing changes if and only if the current tree was unpacked from the same config and layers with the same options,
    and has not drifted. Otherwise a kept tree that meets these conditions is restored; if there is none, the image is
    unpacked. Raises RegistryError, UnpackError, OciError.
    """
    with place.open(create=True) as view:
        stamp, before = view.current, describe_current(view, view.current)
        with watch.stage("resolve"):
            found = look_up(source, request, known=stamp, warn=place.warn, head=head)
            found, signature = ensure_signed(source, request, found, stamp)
        drift = None if stamp is None else view.drift(desired.drift)
        is_right = stamp is not None and view.exists and found.is_in(stamp) and desired.fits(stamp)
        changed = bool(drift) or not is_right
        if changed:
            tree = _change(
                view,
                source,
                request,
                desired,
                found,
                watch,
                downloads,
                signature=signature,
                drifted=is_right,
                warn=place.warn,
            )
        else:
            tree = _Tree(found.shown, view.current_generation)
            record_signature(view, signature)
        signature = tree.signature or signature
        after = desired.describe(tree.image, signature=signature)
        return Report(
            changed=changed,
            before=before if changed else after,
            after=after,
            image=tree.image,
            previous_digest=digest_of(stamp),
            generation=tree.generation,
            drift=drift,
            entries=tree.entries,
            bytes=tree.bytes,
            downloaded=tree.downloaded,
            signature=signature,
        )


class _Tree(t.NamedTuple):
    """The tree after the task, as Report describes it; in check mode as it would be.

    signature is None if it is that of the image that was found before.
    """

    image: Json
    generation: int | None = None
    entries: int = 0
    bytes: int = 0
    downloaded: int = 0
    signature: Json | None = None


def _change(
    view: View,
    source: ImageSource,
    request: ImageRequest,
    desired: DesiredTree,
    found: FoundImage,
    watch: Stopwatch,
    downloads: Downloads,
    *,
    signature: Json | None,
    drifted: bool,
    warn: Warn,
) -> _Tree:
    """Restore a kept tree or unpack the image. drifted says that the current tree has the image and has changed.

    signature is that of the image that was found, None if no signature is demanded.
    """
    view.check_replaceable()
    kept = None if drifted else _find_kept(view, found, desired)
    if not isinstance(view, Destination):
        return _Tree(found.shown, None if kept is None else kept.number)
    if kept is not None:
        with watch.stage("publish"):
            view.restore(kept.number)
        return _Tree(found.shown, kept.number)
    with watch.stage("resolve"):
        image = found.image
        if image is None:
            image = resolve_again(source, request, found)
            signature = verify_image(source, request, image)
    return _unpack(
        view, source, request, desired, image, watch, downloads, signature=signature, drifted=drifted, warn=warn
    )


def _find_kept(view: View, found: FoundImage, desired: DesiredTree) -> Generation | None:
    """Return the kept generation that has the image and the desired options and has not drifted, None if none has."""
    for kept in view.generations:
        stamp = kept.stamp
        if stamp is None or kept.drifted or not found.is_in(stamp) or not desired.fits(stamp):
            continue
        if not view.drift(desired.drift, generation=kept.number):
            return kept
    return None


def _unpack(
    view: Destination,
    source: ImageSource,
    request: ImageRequest,
    desired: DesiredTree,
    image: Image,
    watch: Stopwatch,
    downloads: Downloads,
    *,
    signature: Json | None,
    drifted: bool,
    warn: Warn,
) -> _Tree:
    from ..._unpack.layers import unpack_layers
    from .layer_sources import layer_sources

    downloaded = source.downloaded
    layers = layer_sources(image, downloads, watch)
    with view.staging(digests=desired.drift == "content") as staging:
        options, recording = _unpack_options(desired, image, warn), staging.recording
        with watch.stage("unpack"):
            unpacked = unpack_layers(
                staging.root_fd, layers, options=options, warn=warn, recording=recording, parallel=request.parallel
            )
        stamp = _make_stamp(image, request, desired, entries=unpacked.entries, size=unpacked.size)
        stamp = replace(stamp, signature=signature)
        with watch.stage("publish"):
            outcome = view.publish(staging, stamp, keep=desired.keep, drifted=drifted)
    return _Tree(
        image.as_dict(),
        outcome.generation,
        unpacked.entries,
        unpacked.size,
        downloaded=source.downloaded - downloaded,
        signature=signature,
    )


def _unpack_options(desired: DesiredTree, image: Image, warn: Warn) -> Options:
    """Return the options for unpack_layers(). A part of an image has no directories for volumes of the whole image."""
    from ..._unpack.tree.mount_points import paths_of_volumes

    points = desired.mount_points
    volumes: tuple[str, ...] = ()
    if points.directories and not desired.selection.strip:
        volumes = paths_of_volumes(image.require_config().runtime.volumes or (), warn=warn)
    options = desired.options.for_unpack(desired.selection)
    return replace(options, mount_points=points, volumes=volumes)


def _make_stamp(image: Image, request: ImageRequest, desired: DesiredTree, *, entries: int, size: int) -> Stamp:
    from ..._destination.stamp import Stamp

    return Stamp(
        registry=image.registry,
        repository=image.repository,
        reference=str(image.selector),
        digest=image.digest,
        index_digest=image.index_digest,
        platform=str(request.platform),
        config_digest=image.manifest.config.digest,
        diff_ids=image.require_config().diff_ids,
        annotations=image.manifest.annotations,
        image=image.as_dict(),
        ownership=desired.options.ownership,
        xattrs=desired.options.xattrs,
        devices=desired.options.devices,
        selection=desired.selection,
        mount_points=desired.mount_points,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        entries=entries,
        bytes=size,
    )


__all__ = ("ensure_present",)
