# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The layers of an image as unpack_layers() takes them. Called by present.py and _module/export/run.py."""

from __future__ import annotations

import typing as t

from ..._unpack.layers import LayerSource

if t.TYPE_CHECKING:
    from ..._oci.image import Image, Layer
    from ..registry.downloads import Downloads
    from ..stopwatch import Stopwatch


def layer_sources(image: Image, downloads: Downloads, watch: Stopwatch) -> list[LayerSource]:
    """Return the layers, the base first, and tell watch and the cache which blobs will be used.

    Raises LayoutError if the cache cannot be opened.
    """
    watch.expect(layer.descriptor.size for layer in image.layers)
    downloads.use(layer.descriptor.digest for layer in image.layers)
    return [_layer_source(layer, downloads, watch) for layer in image.layers]


def _layer_source(layer: Layer, downloads: Downloads, watch: Stopwatch) -> LayerSource:
    return LayerSource(
        name=str(layer.descriptor.digest),
        compression=layer.compression,
        diff_id=layer.diff_id,
        open=lambda: watch.downloading(downloads.blob(layer.descriptor)),
    )


__all__ = ("layer_sources",)
