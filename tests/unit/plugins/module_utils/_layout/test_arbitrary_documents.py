# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspecting a layout with arbitrary documents returns a result: no other exception, no endless walk."""

from __future__ import annotations

import json
import pathlib
import tempfile
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._layout.errors import LayoutError
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images import images
from hypothesis import given, settings
from hypothesis import strategies as st

IMAGE = images.image([images.layer([images.file("a")])])
MANY = images.index([IMAGE])
DIGESTS = [IMAGE.digest, MANY.digest, IMAGE.config.digest, images.digest_of(b"nowhere"), "sha256:..", "x"]
TYPES = [images.OCI_MANIFEST, images.OCI_INDEX, images.DOCKER_MANIFEST, images.DOCKER_INDEX, "a/b", ""]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=6
)
descriptors = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from(TYPES) | anything,
        "digest": st.sampled_from(DIGESTS) | anything,
        "size": st.sampled_from([IMAGE.size, MANY.size, IMAGE.config.size]) | anything,
        "annotations": st.dictionaries(
            st.sampled_from([images.REF_NAME, "x"]), st.sampled_from(["1", "a:b"]) | anything
        ),
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.just(2) | anything,
        "mediaType": st.sampled_from(TYPES) | anything,
        "manifests": st.lists(descriptors, max_size=4) | anything,
        "config": descriptors | anything,
        "layers": st.lists(descriptors, max_size=4) | anything,
        "subject": descriptors | anything,
    },
)
as_bytes = st.binary(max_size=64) | documents.map(lambda value: json.dumps(value).encode())


def _inspect(change: t.Callable[[pathlib.Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        layout = images.write_layout(pathlib.Path(folder) / "layout", {"1": MANY})
        change(layout)
        inspection = inspect_layout(str(layout))
        for stored in (*inspection.layout.manifests.values(), *inspection.layout.blobs.values()):
            data = (layout / stored.path).read_bytes()
            assert (Digest.of(data, stored.digest.algorithm), len(data)) == (stored.digest, stored.size)
    assert all(isinstance(problem, LayoutError) for problem in inspection.problems)
    assert set(inspection.layout.tags.values()) <= set(inspection.layout.manifests)


@settings(deadline=None, max_examples=examples(60))
@given(data=as_bytes)
def test_any_index_json(data: bytes) -> None:
    _inspect(lambda layout: (layout / "index.json").write_bytes(data))


@settings(deadline=None, max_examples=examples(30))
@given(data=as_bytes)
def test_any_oci_layout_file(data: bytes) -> None:
    _inspect(lambda layout: (layout / "oci-layout").write_bytes(data))


@settings(deadline=None, max_examples=examples(60))
@given(data=as_bytes, media_type=st.sampled_from(TYPES[:5]))
def test_any_document_with_a_right_digest(data: bytes, media_type: str) -> None:
    content = images.Content(data, media_type)

    def change(layout: pathlib.Path) -> None:
        images.write_blob(layout, content.digest, data)
        images.write_index(layout, [content.descriptor(annotations={images.REF_NAME: "1"}), MANY.descriptor()])

    _inspect(change)
