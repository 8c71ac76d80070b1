# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The image that a task names: its source, a registry with its mirrors or a layout, and its selector there.

oci_image_info and oci_layout call this; oci_image_unpack does the same in other steps, for speed.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..options.image_options import wanted_selector

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._oci.reference import Selector
    from .sources import ImageSource


@contextlib.contextmanager
def opened_image(module: AnsibleModule) -> t.Iterator[tuple[ImageSource, Selector]]:
    """Yield the source of the options, and the selector of the image. Raises LayoutError, ReferenceInvalid."""
    if module.params["layout"] is not None:
        from .layout_source import opened_layout

        with opened_layout(module) as layout:
            yield layout, layout.selector
        return
    from .connection import opened_source

    selector = wanted_selector(module)
    with opened_source(module) as source:
        yield source, selector


__all__ = ("opened_image",)
