# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptors (image-spec, descriptor.md) are parsed with all their fields, and embedded data is verified."""

from __future__ import annotations

import base64
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DocumentInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from hypothesis import given
from hypothesis import strategies as st

CONTENT = b'{"some": "content"}'
PLAIN: dict[str, t.Any] = {"mediaType": "application/x", "digest": str(Digest.of(CONTENT)), "size": len(CONTENT)}
FULL: dict[str, t.Any] = {
    **PLAIN,
    "urls": ["https://example.com/blob"],
    "annotations": {"a": "b", "": ""},
    "data": base64.b64encode(CONTENT).decode(),
    "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
    "artifactType": "application/y",
}


def test_every_field() -> None:
    descriptor = Descriptor.from_json(FULL, where="layers[0]")
    assert descriptor == Descriptor(
        media_type="application/x",
        digest=Digest.of(CONTENT),
        size=len(CONTENT),
        urls=("https://example.com/blob",),
        annotations={"a": "b", "": ""},
        data=CONTENT,
        platform=Platform("linux", "arm", "v7"),
        artifact_type="application/y",
    )
    assert descriptor.as_dict() == FULL
    assert descriptor in {descriptor}


def test_optional_fields_may_be_absent_or_null() -> None:
    nulls = dict.fromkeys(("urls", "annotations", "data", "platform", "artifactType"))
    descriptor = Descriptor.from_json({**PLAIN, **nulls}, where="layers[0]")
    assert descriptor == Descriptor.from_json(PLAIN, where="layers[0]")
    assert descriptor.as_dict() == PLAIN
    assert (descriptor.urls, dict(descriptor.annotations), descriptor.data) == ((), {}, None)


def test_a_long_media_type() -> None:
    assert Descriptor.from_json({**PLAIN, "mediaType": "a" * 255}, where="x").media_type == "a" * 255


def test_unknown_fields_are_tolerated() -> None:
    assert Descriptor.from_json({**PLAIN, "org.example.x": [1]}, where="x").as_dict() == PLAIN


@pytest.mark.parametrize("size", [0, 1, 2**63 - 1])
def test_sizes(size: int) -> None:
    assert Descriptor.from_json({**PLAIN, "size": size}, where="x").size == size


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": -1}, "size"),
        ({"size": 2**63}, "size"),
        ({"size": True}, "size"),
        ({"size": False}, "size"),
        ({"size": 1000.0}, "size"),
        ({"size": "5"}, "size"),
        ({"size": None}, "size is missing"),
        ({"size": []}, "size"),
        ({"digest": None}, "digest is missing"),
        ({"digest": ""}, "digest is missing"),
        ({"digest": 5}, "digest"),
        ({"digest": "sha256:../../x"}, "digest"),
        ({"digest": "sha256:abc/../.."}, "digest"),
        ({"digest": PLAIN["digest"].upper()}, "digest"),
        ({"digest": PLAIN["digest"][:-1]}, "digest"),
        ({"digest": "blake3:" + "0" * 64}, "blake3"),
        ({"mediaType": None}, "mediaType is missing"),
        ({"mediaType": ""}, "mediaType is missing"),
        ({"mediaType": 1}, "mediaType"),
        ({"mediaType": "a/b\r\nX: y"}, "mediaType"),
        ({"mediaType": "a/ü"}, "mediaType"),
        ({"mediaType": "a" * 256}, "mediaType"),
        ({"urls": "https://example.com"}, "urls"),
        ({"urls": [None]}, "urls[0]"),
        ({"annotations": []}, "annotations"),
        ({"annotations": {"key": 1}}, 'annotations["key"]'),
        ({"annotations": {"a\n": None}}, 'annotations["a\\n"]'),
        ({"platform": "linux/amd64"}, "platform"),
        ({"platform": {"os": 1}}, "platform.os"),
        ({"artifactType": {}}, "artifactType"),
        ({"data": 1}, "data"),
        ({"data": "!"}, "data"),
        ({"data": "ü"}, "data"),
        ({"data": "\udfff"}, "data"),
        ({"data": FULL["data"].rstrip("=")}, "data"),
        ({"data": FULL["data"] + "\n"}, "data"),
        ({"data": FULL["data"].replace("e", "e ", 1)}, "data"),
        ({"data": base64.b64encode(CONTENT + b"x").decode()}, "data"),
        ({"data": base64.b64encode(b"x" * len(CONTENT)).decode()}, "data"),
        ({"data": ""}, "data"),
        ({"Digest": "sha256:0"}, "Digest"),
        ({"SIZE": 1}, "SIZE"),
        ({"mediatype": "x"}, "mediatype"),
        ({"ſize": 1}, "ſize"),
    ],
)
def test_an_invalid_descriptor_is_refused(change: dict[str, t.Any], field: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        Descriptor.from_json({**PLAIN, **change}, where="layers[0]")
    assert "layers[0]" in caught.value.message
    assert field in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.kind == "manifest_invalid"


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_a_descriptor_is_an_object(value: object) -> None:
    with pytest.raises(DocumentInvalid, match="must be an object"):
        Descriptor.from_json(value, where="config")  # type: ignore[arg-type]


def test_empty_content_can_be_embedded() -> None:
    empty: dict[str, t.Any] = {"mediaType": "application/x", "digest": str(Digest.of(b"")), "size": 0, "data": ""}
    assert Descriptor.from_json(empty, where="x").data == b""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(PLAIN["digest"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FULL, "os", "x"]), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(FULL, JSON)))
def test_total(value: t.Any) -> None:
    try:
        Descriptor.from_json(value, where="x")
    except DocumentInvalid as exc:
        assert exc.message.isprintable()  # noqa: PT017


@given(st.sampled_from(sorted(FULL)), JSON)
def test_total_with_one_field_changed(name: str, value: t.Any) -> None:
    try:
        descriptor = Descriptor.from_json({**FULL, name: value}, where="x")
    except DocumentInvalid:
        return
    assert Descriptor.from_json(descriptor.as_dict(), where="x") == descriptor
