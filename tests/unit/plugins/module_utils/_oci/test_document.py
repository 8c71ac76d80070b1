# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests and indexes are parsed; a document that could be both is refused (image-spec, "Media Type Conflicts")."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import JsonInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci import media_type as m
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.document import parse_document
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import (
    DocumentInvalid,
    OciError,
    PlatformNotFound,
    Unsupported,
)
from ansible_collections.attested.registry.plugins.module_utils._oci.index import Index, select
from ansible_collections.attested.registry.plugins.module_utils._oci.manifest import MAX_LAYERS, Manifest
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, t.Any]


def descriptor(media_type: str, content: bytes = b"", **more: t.Any) -> Json:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content), **more}


CONFIG = descriptor(m.OCI_CONFIG, b"{}")
MANIFEST: Json = {
    "schemaVersion": 2,
    "mediaType": m.OCI_MANIFEST,
    "config": CONFIG,
    "layers": [descriptor(m.OCI_LAYER_GZIP, b"layer")],
}
INDEX: Json = {
    "schemaVersion": 2,
    "mediaType": m.OCI_INDEX,
    "manifests": [
        descriptor(m.OCI_MANIFEST, text.encode(), platform={"os": "linux", "architecture": text, "variant": variant})
        for text, variant in (("amd64", None), ("arm64", "v8"), ("arm", "v6"), ("arm", "v7"))
    ],
}


def encode(document: t.Any, **change: t.Any) -> bytes:
    return json.dumps({**document, **change}, indent=3).encode()


def without(document: Json, *names: str) -> Json:
    return {name: value for name, value in document.items() if name not in names}


def as_manifest(raw: bytes, media_type: str | None = m.OCI_MANIFEST, **more: t.Any) -> Manifest:
    document = parse_document(raw, media_type=media_type, **more)
    assert isinstance(document, Manifest)
    return document


def as_index(raw: bytes, media_type: str | None = m.OCI_INDEX) -> Index:
    document = parse_document(raw, media_type=media_type)
    assert isinstance(document, Index)
    return document


def test_manifest_with_every_field() -> None:
    raw = encode(
        MANIFEST,
        artifactType="application/x",
        subject=descriptor(m.OCI_MANIFEST, b"subject"),
        annotations={"org.example": "yes"},
        unknown={"kept": "in raw"},
    )
    manifest = as_manifest(raw)
    assert manifest.raw == raw
    assert manifest.media_type == m.OCI_MANIFEST
    assert manifest.config.digest == Digest.of(b"{}")
    assert [layer.digest for layer in manifest.layers] == [Digest.of(b"layer")]
    assert manifest.annotations == {"org.example": "yes"}
    assert manifest.artifact_type == "application/x"
    assert manifest.subject is not None
    assert manifest.subject.digest == Digest.of(b"subject")
    assert manifest.is_image
    assert manifest.total_size == len(b"{}") + len(b"layer")


def test_docker_documents() -> None:
    raw = encode(MANIFEST, mediaType=m.DOCKER_MANIFEST, config=descriptor(m.DOCKER_CONFIG, b"{}"))
    manifest = as_manifest(raw, m.DOCKER_MANIFEST)
    assert manifest.media_type == m.DOCKER_MANIFEST
    assert manifest.is_image
    index = as_index(encode(INDEX, mediaType=m.DOCKER_MANIFEST_LIST), m.DOCKER_MANIFEST_LIST)
    assert index.media_type == m.DOCKER_MANIFEST_LIST


@pytest.mark.parametrize("name", ["artifactType", "subject", "annotations", "mediaType", "layers"])
def test_null_is_absent(name: str) -> None:
    assert as_manifest(encode(MANIFEST, **{name: None})).config.digest == Digest.of(b"{}")


@pytest.mark.parametrize("name", ["artifactType", "subject", "annotations", "mediaType", "manifests"])
def test_null_is_absent_in_an_index(name: str) -> None:
    assert as_index(encode(INDEX, **{name: None})).media_type == m.OCI_INDEX


@pytest.mark.parametrize(
    ("config", "artifact_type", "artifact"),
    [
        (m.OCI_CONFIG, None, None),
        (m.OCI_CONFIG, "application/x", "application/x"),
        (m.OCI_EMPTY, "application/x", "application/x"),
        (m.OCI_EMPTY, None, None),
        ("application/vnd.cncf.helm.config.v1+json", None, "application/vnd.cncf.helm.config.v1+json"),
    ],
)
def test_type_of_artifacts(config: str, artifact_type: str | None, artifact: str | None) -> None:
    manifest = as_manifest(encode(MANIFEST, config=descriptor(config), artifactType=artifact_type))
    assert manifest.is_image is (config == m.OCI_CONFIG)
    assert manifest.artifact == artifact


# stated outside, own mediaType, strict -> resulting type; None for a conflict
TYPES = [
    (m.OCI_MANIFEST, m.OCI_MANIFEST, True, m.OCI_MANIFEST),
    (m.OCI_MANIFEST, None, True, m.OCI_MANIFEST),
    (m.DOCKER_MANIFEST, None, True, m.DOCKER_MANIFEST),
    (m.OCI_MANIFEST + "; charset=utf-8", m.OCI_MANIFEST, True, m.OCI_MANIFEST),
    (m.OCI_MANIFEST.upper(), m.OCI_MANIFEST, True, m.OCI_MANIFEST),
    (None, m.DOCKER_MANIFEST, True, m.DOCKER_MANIFEST),
    (None, None, True, m.OCI_MANIFEST),
    ("", None, True, m.OCI_MANIFEST),
    ("application/json", m.DOCKER_MANIFEST, True, m.DOCKER_MANIFEST),
    ("application/octet-stream", m.OCI_MANIFEST, True, m.OCI_MANIFEST),
    ("text/plain; charset=utf-8", None, True, m.OCI_MANIFEST),
    (m.DOCKER_MANIFEST, m.OCI_MANIFEST, True, None),
    (m.OCI_MANIFEST, m.DOCKER_MANIFEST, True, None),
    (m.OCI_INDEX, m.OCI_MANIFEST, True, None),
    (m.OCI_MANIFEST, m.OCI_INDEX, True, None),
    ("text/html", m.OCI_MANIFEST, True, None),
    (m.DOCKER_MANIFEST, m.OCI_MANIFEST, False, m.OCI_MANIFEST),
    (m.OCI_INDEX, m.OCI_MANIFEST, False, m.OCI_MANIFEST),
    ("text/html", m.OCI_MANIFEST, False, m.OCI_MANIFEST),
    ("text/html", None, False, m.OCI_MANIFEST),
    (m.DOCKER_MANIFEST, None, False, m.DOCKER_MANIFEST),
]


@pytest.mark.parametrize(("stated", "own", "strict", "resolved"), TYPES)
def test_media_type_conflicts(stated: str | None, own: str | None, strict: bool, resolved: str | None) -> None:
    raw = encode(without(MANIFEST, "mediaType"), **({} if own is None else {"mediaType": own}))
    if resolved is not None:
        assert as_manifest(raw, stated, strict=strict).media_type == resolved
        return
    with pytest.raises(DocumentInvalid, match="announced as"):
        parse_document(raw, media_type=stated, strict=strict)


def test_type_confusion_of_a_document_without_its_own_type() -> None:
    with pytest.raises(DocumentInvalid, match="ambiguous"):
        parse_document(encode(without(MANIFEST, "mediaType")), media_type=m.OCI_INDEX)
    with pytest.raises(DocumentInvalid, match="ambiguous"):
        parse_document(encode(without(INDEX, "mediaType")), media_type=m.OCI_MANIFEST)
    assert as_index(encode(without(INDEX, "mediaType")), None).media_type == m.OCI_INDEX
    docker = parse_document(encode(without(INDEX, "mediaType")), media_type=m.DOCKER_MANIFEST_LIST, strict=False)
    assert docker.media_type == m.DOCKER_MANIFEST_LIST


@pytest.mark.parametrize("name", ["manifests", "fsLayers", "history"])
@pytest.mark.parametrize("value", [None, [], [CONFIG]])
def test_a_manifest_that_could_be_something_else(name: str, value: t.Any) -> None:
    with pytest.raises(DocumentInvalid, match=f"ambiguous.*{name}"):
        as_manifest(encode(MANIFEST, **{name: value}))


@pytest.mark.parametrize("name", ["config", "layers", "fsLayers", "history"])
def test_an_index_that_could_be_something_else(name: str) -> None:
    with pytest.raises(DocumentInvalid, match=f"ambiguous.*{name}"):
        as_index(encode(INDEX, **{name: None}))


@pytest.mark.parametrize(
    "name", ["Manifests", "LAYERS", "Config", "fslayers", "FSLayers", "History", "layerſ", "MediaType", "schemaversion"]
)
@pytest.mark.parametrize("document", [MANIFEST, INDEX], ids=["manifest", "index"])
def test_fields_that_other_parsers_would_mistake(document: Json, name: str) -> None:
    with pytest.raises(DocumentInvalid, match="ambiguous"):
        parse_document(encode(document, **{name: []}), media_type=None)


@pytest.mark.parametrize(("document", "name"), [(MANIFEST, "config"), (MANIFEST, "layers"), (INDEX, "manifests")])
def test_what_has_to_be_there(document: Json, name: str) -> None:
    with pytest.raises(DocumentInvalid, match=f"lacks the field {name}"):
        parse_document(encode(without(document, name)), media_type=document["mediaType"])


@pytest.mark.parametrize(
    "raw",
    [
        encode({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": [], "signatures": []}),
        encode({"schemaVersion": 1}, mediaType=m.DOCKER_SCHEMA1),
        encode(MANIFEST, schemaVersion=1),
        encode(MANIFEST, mediaType=m.DOCKER_SCHEMA1_SIGNED),
    ],
)
@pytest.mark.parametrize("stated", [None, m.OCI_MANIFEST, m.DOCKER_SCHEMA1, m.DOCKER_SCHEMA1_SIGNED])
def test_schema_1_is_refused_clearly(raw: bytes, stated: str | None) -> None:
    with pytest.raises(Unsupported, match="schema 1.*push the image again"):
        parse_document(raw, media_type=stated)


@pytest.mark.parametrize("stated", [m.DOCKER_SCHEMA1, m.DOCKER_SCHEMA1_SIGNED + "; charset=utf-8"])
def test_schema_1_is_refused_by_its_type(stated: str) -> None:
    with pytest.raises(Unsupported, match="schema 1"):
        parse_document(b"not even JSON", media_type=stated)


@pytest.mark.parametrize("stated", [None, m.OCI_ARTIFACT_MANIFEST, m.OCI_MANIFEST])
def test_the_withdrawn_artifact_manifest_is_named(stated: str | None) -> None:
    raw = encode({"mediaType": m.OCI_ARTIFACT_MANIFEST, "artifactType": "a/b", "blobs": []})
    with pytest.raises(Unsupported, match="is an artifact manifest .* has withdrawn; push the artifact again"):
        parse_document(raw, media_type=stated)


@pytest.mark.parametrize("version", [None, 0, 3, "2", 2.0, True, [2]])
def test_schema_version(version: t.Any) -> None:
    with pytest.raises(DocumentInvalid, match="schemaVersion"):
        parse_document(encode(MANIFEST, schemaVersion=version), media_type=None)


@pytest.mark.parametrize("media_type", ["application/vnd.oci.artifact.manifest.v1+json", m.OCI_CONFIG, "text/html"])
def test_other_types_are_named(media_type: str) -> None:
    with pytest.raises(Unsupported) as caught:
        parse_document(encode(without(MANIFEST, "mediaType")), media_type=media_type)
    assert media_type in caught.value.message
    assert caught.value.as_result() == {"kind": "unsupported", "media_type": media_type}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"config": None}, "config is missing"),
        ({"config": []}, "config must be an object"),
        ({"config": {}}, "config.digest is missing"),
        ({"layers": {}}, "layers must be an array"),
        ({"layers": [CONFIG, None]}, "layers[1] must be an object"),
        ({"layers": [{**CONFIG, "size": True}]}, "layers[0].size"),
        ({"annotations": {"a": 1}}, 'annotations["a"]'),
        ({"annotations": [["a", "b"]]}, "annotations"),
        ({"subject": "sha256:0"}, "subject"),
        ({"mediaType": 5}, "mediaType"),
    ],
)
def test_errors_name_the_field(change: Json, field: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        parse_document(encode(MANIFEST, **change), media_type=None, what="the manifest of app:1")
    assert "the manifest of app:1" in caught.value.message
    assert field in caught.value.message


def test_number_of_layers() -> None:
    assert len(as_manifest(encode(MANIFEST, layers=[CONFIG] * MAX_LAYERS)).layers) == MAX_LAYERS == 512
    with pytest.raises(Unsupported, match="513 layers, and 512 is the limit"):
        as_manifest(encode(MANIFEST, layers=[CONFIG] * 513))


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'"x"', b"1", b"{}", b'{"schemaVersion": 2, "schemaVersion": 2}'])
def test_an_invalid_document_is_refused(raw: bytes) -> None:
    with pytest.raises((DocumentInvalid, JsonInvalid)):
        parse_document(raw, media_type=None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.sampled_from(list(CONFIG.values())),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CONFIG, "platform"]), inner, max_size=4)
    ),
    max_leaves=6,
)
FIELDS = ("schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "subject", "artifactType")


@given(
    st.sampled_from([MANIFEST, INDEX, {}]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3),
    st.sampled_from([None, m.OCI_MANIFEST, m.OCI_INDEX, "text/html"]),
    st.booleans(),
)
def test_total(document: Json, change: Json, media_type: str | None, strict: bool) -> None:
    raw = encode(document, **change)
    try:
        parsed = parse_document(raw, media_type=media_type, strict=strict)
    except OciError as exc:
        assert exc.message.isprintable()  # noqa: PT017
        return
    assert parsed.raw == raw


@given(st.binary(max_size=50))
def test_any_bytes(raw: bytes) -> None:
    with pytest.raises((JsonInvalid, DocumentInvalid)):
        parse_document(raw, media_type=None)


# index


def test_index_with_every_field() -> None:
    raw = encode(INDEX, artifactType="application/x", subject=CONFIG, annotations={"a": "b"})
    index = as_index(raw)
    assert index.raw == raw
    assert len(index.manifests) == 4
    assert (index.artifact_type, index.annotations) == ("application/x", {"a": "b"})
    assert index.subject is not None
    assert [str(platform) for platform in index.platforms] == [
        "linux/amd64",
        "linux/arm64/v8",
        "linux/arm/v6",
        "linux/arm/v7",
    ]


def test_empty_index() -> None:
    index = as_index(encode(INDEX, manifests=[]))
    assert index.manifests == ()
    with pytest.raises(PlatformNotFound, match="offers nothing"):
        select(index, Platform.parse("linux/amd64"))


@pytest.mark.parametrize(
    ("wanted", "content"),
    [
        ("linux/amd64", b"amd64"),
        ("linux/x86_64", b"amd64"),
        ("linux/amd64/v3", b"amd64"),
        ("linux/arm64", b"arm64"),
        ("linux/aarch64", b"arm64"),
    ],
)
def test_select(wanted: str, content: bytes) -> None:
    assert select(as_index(encode(INDEX)), Platform.parse(wanted)).digest == Digest.of(content)


def entry(name: str, platform: Json | None, media_type: str = m.OCI_MANIFEST, **more: t.Any) -> Json:
    return descriptor(media_type, name.encode(), platform=platform, **more)


def index_of(*entries: Json) -> Index:
    return as_index(encode(INDEX, manifests=entries))


ARM = {"os": "linux", "architecture": "arm"}
AMD64 = {"os": "linux", "architecture": "amd64"}
UNKNOWN = {"os": "unknown", "architecture": "unknown"}


def chosen(index: Index, wanted: str) -> list[str]:
    names = {str(Digest.of(name.encode())): name for name in ("a", "b", "c", "d", "e")}
    return [names[str(found.digest)] for found in index.candidates(Platform.parse(wanted))]


def test_the_best_variant_and_the_first_of_equals() -> None:
    index = index_of(
        entry("a", {**ARM, "variant": "v5"}),
        entry("b", {**ARM, "variant": "v7"}),
        entry("c", {**ARM, "variant": "v6"}),
        entry("d", ARM),
        entry("e", {**ARM, "variant": "v8"}),
    )
    assert chosen(index, "linux/arm/v7") == ["b", "d", "c", "a"]
    assert chosen(index, "linux/arm/v6") == ["c", "a"]
    assert chosen(index, "linux/arm/v8") == ["e", "b", "d", "c", "a"]


def test_attestations_and_unknown_types_are_never_chosen() -> None:
    index = index_of(
        entry("a", UNKNOWN),
        entry("b", AMD64, media_type="application/vnd.example.unknown.v1+json"),
        entry("c", None, artifactType="application/vnd.example.signature"),
        entry("d", AMD64, media_type=m.OCI_CONFIG),
        entry("e", AMD64),
    )
    assert len(index.manifests) == 5
    assert chosen(index, "linux/amd64") == ["e"]
    assert chosen(index, "linux/arm64") == []
    assert [str(platform) for platform in index.platforms] == ["linux/amd64"]


def test_entries_without_a_platform_come_last() -> None:
    index = index_of(entry("a", None), entry("b", AMD64), entry("c", None, artifactType=m.OCI_CONFIG))
    assert chosen(index, "linux/amd64") == ["b", "a", "c"]
    assert chosen(index, "linux/s390x") == ["a", "c"]
    assert select(index, Platform.parse("linux/s390x")).digest == Digest.of(b"a")


def test_nested_indexes_are_chosen() -> None:
    assert chosen(index_of(entry("a", AMD64, media_type=m.OCI_INDEX)), "linux/amd64") == ["a"]


def test_platforms_are_listed_once() -> None:
    index = index_of(entry("a", AMD64), entry("b", AMD64), entry("c", ARM), entry("d", UNKNOWN), entry("e", None))
    assert [str(platform) for platform in index.platforms] == ["linux/amd64", "linux/arm"]


def test_the_error_names_what_is_offered() -> None:
    index = index_of(entry("a", AMD64), entry("b", {"os": "linux\n", "architecture": "x"}), entry("c", UNKNOWN))
    with pytest.raises(PlatformNotFound) as caught:
        select(index, Platform.parse("linux/s390x"))
    assert caught.value.as_result() == {
        "kind": "platform_not_found",
        "platform": "linux/s390x",
        "offered": "linux/amd64, linux\\n/x",
    }
    assert "the index offers linux/amd64, linux\\n/x;" in caught.value.message
