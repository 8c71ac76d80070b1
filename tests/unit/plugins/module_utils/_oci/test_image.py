# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image pairs its layers with their diff_ids and becomes a module result; an artifact cannot be unpacked."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci import media_type as m
from ansible_collections.attested.registry.plugins.module_utils._oci.config import ImageConfig
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.document import parse_document
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DocumentInvalid, Unsupported
from ansible_collections.attested.registry.plugins.module_utils._oci.image import Image
from ansible_collections.attested.registry.plugins.module_utils._oci.manifest import Manifest
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector

LAYERS = (b"first layer", b"second layer, longer")
DIFF_IDS = [str(Digest.of(content.upper())) for content in LAYERS]
CONFIG: dict[str, t.Any] = {
    "architecture": "arm64",
    "os": "linux",
    "variant": "v8",
    "config": {"Env": ["A=b"]},
    "rootfs": {"type": "layers", "diff_ids": DIFF_IDS},
    "unknown": True,
}


def descriptor(media_type: str, content: bytes, **more: t.Any) -> dict[str, t.Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content), **more}


def make_manifest(config: bytes, *, config_type: str = m.OCI_CONFIG, layer_type: str = m.OCI_LAYER_ZSTD) -> Manifest:
    document = {
        "schemaVersion": 2,
        "config": descriptor(config_type, config),
        "layers": [descriptor(layer_type, content, annotations={"n": str(len(content))}) for content in LAYERS],
        "annotations": {"org.opencontainers.image.version": "1.0"},
    }
    manifest = parse_document(json.dumps(document).encode(), media_type=m.OCI_MANIFEST)
    assert isinstance(manifest, Manifest)
    return manifest


def make_image(config: dict[str, t.Any] | None = None, **more: t.Any) -> Image:
    raw = json.dumps(CONFIG if config is None else config).encode()
    manifest = make_manifest(raw)
    parsed = ImageConfig.parse(raw)
    return Image(
        registry="localhost:5000",
        repository="com.example.app",
        selector=Selector.parse("1.0"),
        digest=Digest.of(manifest.raw),
        manifest=manifest,
        config=parsed,
        platform=parsed.platform,
        **more,
    )


def make_artifact() -> Image:
    manifest = make_manifest(b"{}", config_type="application/vnd.example.config.v1+json", layer_type="text/plain")
    return dataclasses.replace(make_image(), manifest=manifest, config=None, platform=None)


def test_layers_pair_descriptors_with_diff_ids() -> None:
    layers = make_image().layers
    assert [layer.descriptor.digest for layer in layers] == [Digest.of(content) for content in LAYERS]
    assert [str(layer.diff_id) for layer in layers] == DIFF_IDS
    assert [layer.compression for layer in layers] == ["zstd", "zstd"]


@pytest.mark.parametrize("diff_ids", [[], DIFF_IDS[:1], [*DIFF_IDS, DIFF_IDS[0]]])
def test_layers_and_diff_ids_have_to_agree(diff_ids: list[str]) -> None:
    with pytest.raises(DocumentInvalid, match=f"2 layers and its config {len(diff_ids)} diff_ids") as caught:
        make_image({**CONFIG, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    assert caught.value.fields == {
        "registry": "localhost:5000",
        "repository": "com.example.app",
        "reference": "1.0",
    }


def test_result() -> None:
    image = make_image(
        index_digest=Digest.of(b"index"), platforms=(Platform("linux", "amd64"), Platform("linux", "arm64", "v8"))
    )
    assert image.as_dict() == {
        "source": "registry",
        "registry": "localhost:5000",
        "repository": "com.example.app",
        "tag": "1.0",
        "digest": str(Digest.of(image.manifest.raw)),
        "media_type": m.OCI_MANIFEST,
        "artifact_type": None,
        "size": len(image.manifest.raw),
        "platform": "linux/arm64/v8",
        "config_digest": str(Digest.of(json.dumps(CONFIG).encode())),
        "config": CONFIG,
        "annotations": {"org.opencontainers.image.version": "1.0"},
        "layers": [
            {
                "digest": str(Digest.of(content)),
                "size": len(content),
                "media_type": m.OCI_LAYER_ZSTD,
                "diff_id": diff_id,
                "annotations": {"n": str(len(content))},
            }
            for content, diff_id in zip(LAYERS, DIFF_IDS)
        ],
        "platforms": ["linux/amd64", "linux/arm64/v8"],
        "index_digest": str(Digest.of(b"index")),
        "total_size": len(json.dumps(CONFIG)) + sum(map(len, LAYERS)),
    }
    json.dumps(image.as_dict())


def test_result_without_an_index() -> None:
    result = make_image().as_dict()
    assert result["platforms"] == ["linux/arm64/v8"]
    assert result["index_digest"] is None


def test_a_layer_of_an_unknown_type_is_shown() -> None:
    image = make_image()
    odd = dataclasses.replace(
        image, manifest=make_manifest(json.dumps(CONFIG).encode(), layer_type="application/vnd.example.signature")
    )
    assert len(odd.layers) == 2
    with pytest.raises(Unsupported, match=r"application/vnd\.example\.signature"):
        str(odd.layers[0].compression)


def test_an_artifact_can_be_shown() -> None:
    result = make_artifact().as_dict()
    assert result["artifact_type"] == "application/vnd.example.config.v1+json"
    assert (result["config"], result["platform"], result["platforms"]) == (None, None, [])
    assert isinstance(result["layers"], list)
    assert [layer["diff_id"] for layer in result["layers"]] == [None, None]  # type: ignore[call-overload, index]
    assert result["total_size"] == len(b"{}") + sum(map(len, LAYERS))


def test_an_artifact_cannot_be_unpacked() -> None:
    artifact = make_artifact()
    with pytest.raises(Unsupported, match="no root filesystem") as caught:
        artifact.require_config()
    assert caught.value.fields["repository"] == "com.example.app"
    with pytest.raises(Unsupported, match=r"application/vnd\.example\.config"):
        len(artifact.layers)


def test_require_config() -> None:
    image = make_image()
    assert image.require_config() is image.config
