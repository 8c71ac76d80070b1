# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What a task of oci_image_copy asks for: images of the source, each with its tags at the target. Called by run.py."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..._base.errors import CollectionError
from ..._oci.errors import ReferenceInvalid
from ..._oci.names import check_repository, check_tag
from ..._oci.platform import Platform
from ..._oci.reference import Reference, Selector

Params = dict[str, t.Any]


class TargetInvalid(CollectionError):
    """The options of the target contradict each other, or those of the source; field option."""

    kind = "configuration"


@dataclass(frozen=True)
class CopyRequest:
    """An image to copy, and its tags at the target. Without tags, the image is stored under its digest alone.

    is_attached says that it belongs to another image, which the task names.
    """

    selector: Selector
    tags: tuple[str, ...]
    is_attached: bool = False


def settle_target(params: Params) -> None:
    """Complete the option target: names from target.image, and the repository of the source.

    Without a registry of its own, the target is in the registry of the source. Raises TargetInvalid, and
    ReferenceInvalid for a name or tag that cannot be one; its message names the option.
    """
    target = params["target"]
    if target["image"] is not None:
        _take_image(target)
    if params["layout"] is not None and target["registry"] is None:
        raise _error("target.registry", "is missing: a layout is copied to a registry; give its name")
    if target["repository"] is None:
        if params["layout"] is not None:
            raise _error("target.repository", "is missing: give the repository to copy the layout to")
        target["repository"] = params["repository"]
    if params["tags_from"] is not None and target["tags"]:
        raise _error("target.tags", "cannot be used with tags_from, which keeps the tags of the source; leave it out")
    _check_names("target.tags", target["tags"] or (), check_tag)
    _check_names("target.repository", [target["repository"]], check_repository)
    _check_names("mount_from", params["mount_from"] or (), check_repository)


def _check_names(option: str, names: t.Sequence[str], check: t.Callable[[str], object]) -> None:
    for name in names:
        try:
            check(name)
        except ReferenceInvalid as exc:
            exc.message = f"The option {option} cannot be used: {exc.message}"
            raise


def _take_image(target: Params) -> None:
    for name in ("registry", "repository", "tags"):
        if target[name] is not None:
            raise _error(f"target.{name}", "cannot be used with target.image, which contains it; leave one of them out")
    reference = Reference.parse(target["image"], default_tag=None)
    if reference.digest is not None:
        raise _error("target.image", "has a digest, which the image itself determines; leave out the digest")
    target["registry"], target["repository"] = reference.registry, reference.repository
    target["tags"] = None if reference.tag is None else [reference.tag]


def wanted_platforms(params: Params) -> list[Platform]:
    """Return the option platforms, parsed. Raises ReferenceInvalid."""
    return [Platform.parse(text) for text in params["platforms"] or ()]


def single_request(params: Params, selector: Selector) -> CopyRequest:
    """Return the request of a task that copies one image. An empty list of tags means none."""
    tags = params["target"]["tags"]
    if tags is None:
        tags = () if selector.tag is None else (selector.tag,)
    return CopyRequest(selector, tuple(dict.fromkeys(tags)))


def tag_requests(tags: t.Iterable[str]) -> list[CopyRequest]:
    """Return the requests of a task that copies many tags, each to the same tag."""
    return [CopyRequest(Selector(tag, None), (tag,)) for tag in tags]


def _error(option: str, problem: str) -> TargetInvalid:
    return TargetInvalid(f"The option {option} {problem}.", option=option)


__all__ = ("CopyRequest", "TargetInvalid", "settle_target", "single_request", "tag_requests", "wanted_platforms")
