# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The image that oci_runtime_config converts, and its tree: by the stamp of the tree, or by the options for an image.

run.py calls it.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from dataclasses import dataclass, field

from ..._base.parents import Parents
from ..._base.text import visible
from ..._destination.inspection import DestinationInspection
from ..._destination.location import Location
from ..._oci.config import ImageConfig
from ..._oci.errors import Unsupported
from ..._oci.platform import UNKNOWN
from ..._unpack.errors import DestinationError, filesystem_error
from ..._unpack.tree.confine import DIRECTORY
from ..._unpack.tree.mount_points import MountPoints
from ..options.image_options import wanted_platform
from ..registry.attestation import attestation_results
from ..registry.image_source import opened_image

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json

# The system of images that the kernel of a host can run; config of old images may lack it.
_SYSTEMS: t.Final = ("linux", UNKNOWN)


@dataclass(frozen=True)
class UnpackedImage:
    """An image and the open tree to run it in.

    name is for descriptions, attested the result ratls if there is one; mount_points are those that the tree was
    unpacked with, as far as that is known.
    """

    config: ImageConfig
    digest: str
    name: str
    path: str
    root: int
    attested: Json = field(default_factory=dict)
    mount_points: MountPoints = field(default_factory=MountPoints)


@contextlib.contextmanager
def opened_unpacked(module: AnsibleModule) -> t.Iterator[UnpackedImage | None]:
    """Yield the image and the tree of the task; None in check mode if the tree is missing.

    With a stamp, the tree is locked as long as it is open, so that no other task replaces it. Raises DestinationError
    for a missing tree, and for one without a stamp if no option names an image; Unsupported for an image of another
    operating system; and what the source of the image and the destination raise.
    """
    params = module.params
    is_named = params["repository"] is not None or params["layout"] is not None
    opened = _opened_named if is_named else _opened_stamped
    with contextlib.ExitStack() as stack:
        image = stack.enter_context(opened(module))
        if image is None and not module.check_mode:
            raise _error(params["root"], "it does not exist", "unpack the image first, with oci_image_unpack")
        if image is not None and image.config.platform.os not in _SYSTEMS:
            system = visible(image.config.platform.os)
            raise Unsupported(
                f"The image of {visible(image.path)} is for the operating system {system}, not for linux."
            )
        yield image


@contextlib.contextmanager
def _opened_stamped(module: AnsibleModule) -> t.Iterator[UnpackedImage | None]:
    """Yield the image in the stamp of the tree."""
    path = module.params["root"]
    with contextlib.ExitStack() as stack:
        location = stack.enter_context(Location(path, module.params["state_dir"], make=False))
        view = stack.enter_context(DestinationInspection(path, warn=module.warn, location=location))
        if not view.exists:
            yield None
            return
        stamp = view.current
        if stamp is None:
            remedy = "give the root of an unpacked image, or name the image with image, repository or layout"
            raise _error(path, "oci_image_unpack did not unpack it, so its image is unknown", remedy)
        image = stamp.image
        config = ImageConfig.parse(json.dumps(image.get("config")).encode(), what=f"the config {stamp.config_digest}")
        root = stack.enter_context(view.root())
        points = stamp.mount_points
        yield UnpackedImage(config, str(stamp.digest), stamp.repository, view.path, root, mount_points=points)


@contextlib.contextmanager
def _opened_named(module: AnsibleModule) -> t.Iterator[UnpackedImage | None]:
    """Yield the image of the options image, repository and layout, and the directory root, whatever made it."""
    path = module.params["root"]
    repository = module.params["repository"] or ""
    if not path.startswith("/"):
        raise _error(path, "it is not an absolute path", "give one that starts with /")
    with opened_image(module) as (source, selector):
        image = source.resolve(repository, selector, platform=wanted_platform(module))
        config, attested = image.require_config(), attestation_results(source)
    with Parents(path) as parents:
        if parents.missing:
            yield None
            return
        with _opened(path, parents.fd) as root:
            shown = os.path.normpath(path)
            yield UnpackedImage(config, str(image.digest), image.repository, shown, root, attested)


@contextlib.contextmanager
def _opened(path: str, directory: int) -> t.Iterator[int]:
    try:
        descriptor = os.open(".", DIRECTORY, dir_fd=directory)
    except OSError as exc:
        raise filesystem_error(exc, doing="opening the tree", path=path) from exc
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _error(path: str, why: str, remedy: str) -> DestinationError:
    shown = visible(path)
    return DestinationError(f"The tree {shown} cannot be used: {why}; {remedy}.", path=shown)


__all__ = ("UnpackedImage", "opened_unpacked")
