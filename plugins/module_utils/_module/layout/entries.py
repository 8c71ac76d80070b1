# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The images of a task of oci_layout, planned one by one, and the index.json with their entries. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..._oci.annotations import REF_NAME
from ..._oci.errors import DocumentInvalid, Unsupported
from .plan import make_plan

if t.TYPE_CHECKING:
    from ..._base.text import Warn
    from ..._layout.index_file import IndexFile
    from ..._layout.view import LayoutView
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from ..._trust.policy import Verified
    from ..registry.sources import ImageSource
    from .contents import ImageFile
    from .plan import LayoutPlan, LayoutRequest

# Of the manifests, indexes and configs of all images of a task together, which stay in memory until its end.
MAX_TASK_BYTES: t.Final = 256 * 1024 * 1024


@dataclass(frozen=True)
class PlannedImage:
    """An image of a task: its request, its plan, and what was verified of its signatures, if they are demanded."""

    request: LayoutRequest
    plan: LayoutPlan
    verified: Verified | None = None


def plan_images(
    source: ImageSource, view: LayoutView, requests: t.Sequence[LayoutRequest], *, warn: Warn
) -> tuple[PlannedImage, ...]:
    """Plan the images of a task. A document that several of them have is fetched once.

    Raises what make_plan() raises, DocumentInvalid if the images contradict each other, Unsupported above the limit.
    """
    known: dict[Digest, bytes] = {}
    sizes: dict[Digest, int] = {}
    images = []
    for request in requests:
        plan = make_plan(source, view, request, warn=warn, known=known)
        _check_sizes(plan, sizes, tag=request.tag)
        known.update(plan.documents)
        if len(requests) > 1 and sum(map(len, known.values())) > MAX_TASK_BYTES:
            raise Unsupported(
                f"Listing the files of {len(requests)} tags failed: their manifests have more than {MAX_TASK_BYTES} "
                "bytes; narrow tags_from.pattern, or set tags_from.newest, and copy the others in another task."
            )
        images.append(PlannedImage(request, plan))
    return tuple(images)


def _check_sizes(plan: LayoutPlan, sizes: dict[Digest, int], *, tag: str | None) -> None:
    """Add the sizes of the files of an image. Raises DocumentInvalid if a file has another size in another image."""
    for file in plan.files:
        digest, size = file.descriptor.digest, file.descriptor.size
        if sizes.setdefault(digest, size) != size:
            raise DocumentInvalid(
                f"The image with the tag {tag} contradicts another one: {digest} is listed with {size} bytes and with "
                f"{sizes[digest]} bytes; rebuild the image, or leave it out by tags_from.pattern."
            )


def plan_again(
    source: ImageSource, view: LayoutView, images: t.Sequence[PlannedImage], *, warn: Warn
) -> tuple[PlannedImage, ...]:
    """Plan the same images for what the layout has now, without resolving their tags again. Raises as plan_images()."""
    return tuple(
        replace(image, plan=make_plan(source, view, image.request, warn=warn, earlier=image.plan)) for image in images
    )


def files_of(images: t.Iterable[PlannedImage]) -> tuple[ImageFile, ...]:
    """Return the files of images, each once."""
    return tuple({file.descriptor.digest: file for image in images for file in image.plan.files}.values())


def documents_of(images: t.Iterable[PlannedImage]) -> dict[Digest, bytes]:
    """Return the bytes of all manifests and indexes of images, and of other files whose content is known, by digest."""
    return {digest: data for image in images for digest, data in image.plan.documents.items()}


def with_images(
    view: LayoutView, images: t.Sequence[PlannedImage], *, surplus: t.Sequence[str], prune_attached: bool
) -> IndexFile:
    """Return index.json with the images and what is attached to them, and without the tags in surplus.

    With prune_attached, what was attached to the images that these tags led to before is removed, unless another entry
    leads to them.
    """
    index = view.index
    for image in images:
        index = _with_image(index, image)
    for tag in surplus:
        index = index.without_tag(tag)
    if index is view.index or not prune_attached:
        return index
    tags = (*(image.request.tag for image in images), *surplus)
    before = [view.index.digest_of(tag) for tag in tags if tag is not None]
    named = {entry.descriptor.digest for entry in index.entries if entry.is_named}
    gone = [digest for digest in dict.fromkeys(before) if digest is not None and digest not in named]
    return _without_attached(view, index, gone, images) if gone else index


def _without_attached(
    view: LayoutView, index: IndexFile, gone: t.Sequence[Digest], images: t.Sequence[PlannedImage]
) -> IndexFile:
    from .referrers import without_attached

    known = documents_of(images)
    for digest in gone:
        index = without_attached(index, digest, document=lambda wanted: known.get(wanted) or view.document(wanted))
    return index


def _with_image(index: IndexFile, image: PlannedImage) -> IndexFile:
    tag, plan = image.request.tag, image.plan
    index = index.with_untagged(plan.entry) if tag is None else index.with_tag(tag, plan.entry)
    for attached in plan.attached:
        index = _with_attached(index, attached)
    return index


def _with_attached(index: IndexFile, descriptor: Descriptor) -> IndexFile:
    tag = descriptor.annotations.get(REF_NAME)
    return index.with_untagged(descriptor) if tag is None else index.with_tag(tag, descriptor)


__all__ = ("MAX_TASK_BYTES", "PlannedImage", "documents_of", "files_of", "plan_again", "plan_images", "with_images")
