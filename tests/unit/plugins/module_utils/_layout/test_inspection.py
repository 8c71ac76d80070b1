# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inspecting a layout (image-spec, image-layout.md) verifies everything that index.json leads to."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout import errors
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout, load_layout
from ansible_collections.attested.registry.plugins.module_utils._layout.layout import Inspection
from ansible_collections.attested.registry.plugins.module_utils._layout.orphans import find_orphans
from ansible_collections.attested.registry.plugins.module_utils._layout.view import LayoutView
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.images import images

Build = t.Callable[[pathlib.Path], t.Any]

BASE = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n")])
TOP = images.layer([images.whiteout("etc/motd")], compression="none")
IMAGE = images.image([BASE, TOP])


def inspect(path: pathlib.Path) -> Inspection:
    return inspect_layout(str(path))


def kinds(inspection: Inspection) -> list[str]:
    return [problem.kind for problem in inspection.problems]


def as_sets(inspection: Inspection) -> tuple[set[str], set[str]]:
    layout = inspection.layout
    return {str(digest) for digest in layout.manifests}, {str(digest) for digest in layout.blobs}


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> pathlib.Path:
    return images.write_layout(tmp_path / "layout", {"1.0": IMAGE})


def test_a_sound_layout(layout: pathlib.Path) -> None:
    inspection = inspect(layout)
    assert inspection.problems == ()
    assert inspection.warnings == ()
    assert inspection.orphans == ()
    assert dict(inspection.layout.tags) == {"1.0": Digest.parse(IMAGE.digest)}
    assert as_sets(inspection) == ({IMAGE.digest}, {IMAGE.config.digest, BASE.digest, TOP.digest})
    stored = inspection.layout.blobs[Digest.parse(BASE.digest)]
    assert (stored.size, stored.media_type) == (BASE.size, BASE.media_type)
    assert (layout / stored.path).read_bytes() == BASE.data
    assert load_layout(str(layout)) == inspection.layout


def test_the_result_cannot_be_changed(layout: pathlib.Path) -> None:
    with pytest.raises(TypeError):
        inspect(layout).layout.tags["other"] = Digest.parse(IMAGE.digest)  # type: ignore[index]


# The classes of fault that the layouts of the old server's tests have, one by one.
def _missing(digest: str) -> Build:
    return lambda layout: images.blob_path(layout, digest).unlink()


def _append(digest: str, more: bytes) -> Build:
    return lambda layout: images.write_blob(layout, digest, images.blob_path(layout, digest).read_bytes() + more)


def _flip(digest: str) -> Build:
    def change(layout: pathlib.Path) -> None:
        data = bytearray(images.blob_path(layout, digest).read_bytes())
        data[-1] ^= 1
        images.write_blob(layout, digest, bytes(data))

    return change


FAULTS: list[tuple[str, Build, str, str | None]] = [
    ("missing_index", lambda layout: (layout / "index.json").unlink(), "index_missing", None),
    ("missing_manifest", _missing(IMAGE.digest), "manifest_missing", IMAGE.digest),
    ("missing_config", _missing(IMAGE.config.digest), "config_missing", IMAGE.config.digest),
    ("missing_blob", _missing(TOP.digest), "blob_missing", TOP.digest),
    ("wrong_manifest_size", _append(IMAGE.digest, b" "), "wrong_size", IMAGE.digest),
    ("wrong_manifest_digest", _flip(IMAGE.digest), "wrong_digest", IMAGE.digest),
    ("wrong_config_size", _append(IMAGE.config.digest, b" "), "wrong_size", IMAGE.config.digest),
    ("wrong_config_digest", _flip(IMAGE.config.digest), "wrong_digest", IMAGE.config.digest),
    ("wrong_layer_size", _append(BASE.digest, b"\0"), "wrong_size", BASE.digest),
    ("wrong_layer_digest", _flip(BASE.digest), "wrong_digest", BASE.digest),
]


@pytest.mark.parametrize(("change", "kind", "digest"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_faults(layout: pathlib.Path, change: Build, kind: str, digest: str | None) -> None:
    change(layout)
    inspection = inspect(layout)
    assert kinds(inspection) == [kind]
    problem = inspection.problems[0]
    assert problem.fields["path"] == str(layout)
    assert problem.fields.get("digest") == digest
    assert digest is None or digest in problem.message
    with pytest.raises(errors.LayoutError) as caught:
        load_layout(str(layout))
    assert caught.value.kind == kind


def test_problems_contain_expected_and_actual_values(layout: pathlib.Path) -> None:
    images.write_blob(layout, BASE.digest, b"short")
    assert inspect(layout).problems[0].fields == {
        "path": str(layout),
        "digest": BASE.digest,
        "expected": BASE.size,
        "actual": 5,
    }
    images.write_blob(layout, BASE.digest, b"x" * BASE.size)
    fields = inspect(layout).problems[0].fields
    assert (fields["expected"], fields["actual"]) == (BASE.digest, images.digest_of(b"x" * BASE.size))


def test_only_content_without_problems_is_offered(layout: pathlib.Path) -> None:
    _flip(BASE.digest)(layout)
    assert as_sets(inspect(layout)) == ({IMAGE.digest}, {IMAGE.config.digest, TOP.digest})
    _flip(IMAGE.digest)(layout)
    inspection = inspect(layout)
    assert as_sets(inspection) == (set(), set())
    assert dict(inspection.layout.tags) == {}


def test_every_problem_is_found_and_each_once(tmp_path: pathlib.Path) -> None:
    both = images.index([IMAGE, images.image([BASE], platform="linux/arm64")])
    layout = images.write_layout(tmp_path / "layout", {"1": both, "2": IMAGE})
    _flip(BASE.digest)(layout)
    _missing(TOP.digest)(layout)
    assert sorted(kinds(inspect(layout))) == ["blob_missing", "wrong_digest"]


def test_one_wrong_size_in_a_document_does_not_hide_the_content(tmp_path: pathlib.Path) -> None:
    document = IMAGE.document()
    document["layers"] = [BASE.descriptor(size=1), BASE.descriptor()]
    liar = images.document_of(document, IMAGE)
    inspection = inspect(images.write_layout(tmp_path / "layout", {"1": liar}))
    assert kinds(inspection) == ["wrong_size"]
    assert BASE.digest in as_sets(inspection)[1]


# What makes a layout.
@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"imageLayoutVersion":"1.1.0"}',
        b'{"imageLayoutVersion":1}',
        b'{"imageLayoutVersion":"1.0.0","imageLayoutVersion":"1.0.0"}',
    ],
)
def test_not_a_layout(layout: pathlib.Path, content: bytes | None) -> None:
    (layout / "oci-layout").unlink()
    if content is not None:
        (layout / "oci-layout").write_bytes(content)
    assert kinds(inspect(layout)) == ["layout_invalid"]


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_no_directory(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    inspection = inspect(tmp_path / name)
    assert kinds(inspection) == ["layout_invalid"]
    assert inspection.problems[0].fields["path"] == str(tmp_path / name)


def test_media_types_may_be_absent_where_the_specification_says_so(tmp_path: pathlib.Path) -> None:
    silent = images.image([BASE], changes={"mediaType": None})
    layout = images.write_layout(tmp_path / "layout", {"1": silent}, changes={"mediaType": None})
    inspection = inspect(layout)
    assert inspection.problems == ()
    assert inspection.layout.manifests[Digest.parse(silent.digest)].media_type == images.OCI_MANIFEST


@pytest.mark.parametrize(
    "changes",
    [
        {"schemaVersion": 1},
        {"mediaType": images.OCI_MANIFEST},
        {"mediaType": images.DOCKER_INDEX},
        {"manifests": None},
        {"manifests": [{}]},
        {"manifests": [IMAGE.descriptor(digest="sha256:../../../../etc/passwd")]},
        {"manifests": [IMAGE.descriptor(digest=IMAGE.digest.upper())]},
        {"manifests": [IMAGE.descriptor(size=-1)]},
        {"layers": []},
    ],
)
def test_index_json_that_breaks_its_specification(layout: pathlib.Path, changes: dict[str, t.Any]) -> None:
    images.write_index(layout, [IMAGE.descriptor()], changes=changes)
    assert kinds(inspect(layout)) == ["document_invalid"]


def test_index_json_has_a_limit(layout: pathlib.Path) -> None:
    images.write_index(layout, [IMAGE.descriptor()], changes={"annotations": {"a": "x" * (4 << 20)}})
    assert kinds(inspect(layout)) == ["document_invalid"]


def test_a_manifest_has_a_limit_and_just_below_is_fine(tmp_path: pathlib.Path) -> None:
    fine = images.image([BASE], annotations={"a": "x" * 4_100_000})
    huge = images.image([BASE], annotations={"a": "x" * (4 << 20)})
    assert inspect(images.write_layout(tmp_path / "fine", {"1": fine})).problems == ()
    assert kinds(inspect(images.write_layout(tmp_path / "huge", {"1": huge}))) == ["document_invalid"]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"schemaVersion":2}'])
def test_invalid_manifests_are_a_problem(tmp_path: pathlib.Path, data: bytes) -> None:
    content = images.Content(data, images.OCI_MANIFEST)
    inspection = inspect(images.write_layout(tmp_path / "layout", {"1": content}))
    assert kinds(inspection) == ["document_invalid"]
    assert inspection.problems[0].fields["digest"] == content.digest


# What a layout may hold.
def test_docker_images(tmp_path: pathlib.Path) -> None:
    old = images.image([images.layer([images.file("a")], docker=True)], docker=True)
    many = images.index([old], docker=True)
    inspection = inspect(images.write_layout(tmp_path / "layout", {"1": old, "2": many}))
    assert inspection.problems == ()
    assert {str(stored.media_type) for stored in inspection.layout.manifests.values()} == {
        images.DOCKER_MANIFEST,
        images.DOCKER_INDEX,
    }


def test_artifacts_and_other_digests(tmp_path: pathlib.Path) -> None:
    notes = images.Content(b"some notes", "text/plain", algorithm="sha512")
    other = images.artifact("application/vnd.example.notes", [notes], changes={"subject": IMAGE.descriptor()})
    inspection = inspect(images.write_layout(tmp_path / "layout", {"notes": other}))
    assert inspection.problems == ()
    assert as_sets(inspection) == ({other.digest}, {notes.digest, images.digest_of(b"{}")})
    assert [str(descriptor.digest) for descriptor in inspection.absent] == [IMAGE.digest]


def test_a_subject_that_is_there_is_verified_too(tmp_path: pathlib.Path) -> None:
    other = images.artifact("a/b", [], changes={"subject": IMAGE.descriptor()})
    layout = images.write_layout(tmp_path / "layout", {"notes": other})
    for digest, data in IMAGE.blobs().items():
        images.write_blob(layout, digest, data)
    inspection = inspect(layout)
    assert (inspection.problems, inspection.absent, inspection.orphans) == ((), (), ())
    assert as_sets(inspection)[0] == {IMAGE.digest, other.digest}
    _flip(TOP.digest)(layout)
    assert kinds(inspect(layout)) == ["wrong_digest"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "lie", [{"size": 1}, {"mediaType": images.OCI_INDEX}, {"mediaType": images.DOCKER_MANIFEST}, {"mediaType": "a/b"}]
)
def test_what_refers_to_an_image_cannot_make_a_layout_invalid(
    tmp_path: pathlib.Path, lie: dict[str, t.Any], nested: bool
) -> None:
    """A registry does not compare the descriptor of a subject with the subject."""
    liar = images.artifact("a/b", [], changes={"subject": IMAGE.descriptor(**lie)})
    content = images.index([images.index([IMAGE])]) if nested else IMAGE
    layout = images.write_layout(tmp_path / "layout", {"0": liar, "1": content})
    inspection = inspect(layout)
    assert inspection.problems == ()
    assert {layer.digest for layer in IMAGE.layers} <= as_sets(inspection)[1]
    assert inspection.layout.manifests[Digest.parse(IMAGE.digest)].media_type == IMAGE.media_type
    with LayoutView(str(layout)) as view:
        assert find_orphans(view, view.index, document=view.document).count == 0


def test_a_subject_that_is_stored_as_a_layer_need_not_be_complete(tmp_path: pathlib.Path) -> None:
    about = images.Content(IMAGE.data, "application/x")
    other = images.artifact("a/b", [about], changes={"subject": IMAGE.descriptor()})
    assert inspect(images.write_layout(tmp_path / "layout", {"about": other})).problems == ()


@pytest.mark.parametrize("docker", [False, True])
def test_nondistributable_layers_need_not_be_there(tmp_path: pathlib.Path, docker: bool) -> None:
    foreign = images.layer([images.file("a")], docker=docker, nondistributable=True, stored=False)
    image = images.image([BASE, foreign])
    layout = images.write_layout(tmp_path / "layout", {"1": image})
    inspection = inspect(layout)
    assert inspection.problems == ()
    assert [str(descriptor.digest) for descriptor in inspection.absent] == [foreign.digest]
    images.write_blob(layout, foreign.digest, foreign.data)
    assert foreign.digest in as_sets(inspect(layout))[1]
    images.write_blob(layout, foreign.digest, b"?" * foreign.size)
    assert kinds(inspect(layout)) == ["wrong_digest"]


def test_entries_of_unknown_types_are_content_like_any_other(tmp_path: pathlib.Path) -> None:
    thing = images.Content(b"a thing", "application/vnd.example.thing")
    layout = images.write_layout(tmp_path / "layout", {"thing": thing, "1": IMAGE})
    inspection = inspect(layout)
    assert inspection.problems == ()
    assert set(inspection.layout.tags) == {"1"}
    assert thing.digest in as_sets(inspection)[1]
    assert "thing" in inspection.warnings[0]
    _missing(thing.digest)(layout)
    assert kinds(inspect(layout)) == ["blob_missing"]


def test_content_may_be_a_manifest_and_a_layer(tmp_path: pathlib.Path) -> None:
    wrapper = images.artifact("a/b", [images.Content(IMAGE.data, "application/json")])
    inspection = inspect(images.write_layout(tmp_path / "layout", {"1": wrapper, "2": IMAGE}))
    assert inspection.problems == ()
    manifests, blobs = as_sets(inspection)
    assert IMAGE.digest in manifests
    assert IMAGE.digest in blobs


@pytest.mark.parametrize("first", [True, False])
def test_a_document_has_one_type(layout: pathlib.Path, first: bool) -> None:
    path = layout / "index.json"
    index = json.loads(path.read_bytes())
    (entry,) = index["manifests"]
    other = {**entry, "mediaType": "application/vnd.oci.image.index.v1+json"}
    index["manifests"] = [other, entry] if first else [entry, other]
    path.write_text(json.dumps(index))
    inspection = inspect(layout)
    assert kinds(inspection) == ["document_invalid"]
    assert inspection.problems[0].fields["digest"] == IMAGE.digest


def test_empty_content(tmp_path: pathlib.Path) -> None:
    empty = images.Content(b"", "application/octet-stream")
    inspection = inspect(images.write_layout(tmp_path / "layout", {"1": images.artifact("a/b", [empty])}))
    assert inspection.problems == ()
    assert empty.digest in as_sets(inspection)[1]


# Nesting.
def _nested(depth: int) -> images.Content:
    content: images.Content = IMAGE
    for dummy in range(depth):
        content = images.index([content])
    return content


def test_nested_indexes(tmp_path: pathlib.Path) -> None:
    inspection = inspect(images.write_layout(tmp_path / "deep", {"1": _nested(8)}))
    assert inspection.problems == ()
    assert len(inspection.layout.manifests) == 9
    too_deep = inspect(images.write_layout(tmp_path / "too-deep", {"1": _nested(9)}))
    assert kinds(too_deep) == ["document_invalid"]
    assert IMAGE.digest not in as_sets(too_deep)[0]


def test_the_shortest_way_to_an_index_counts(tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "layout", {"deep": _nested(9), "shallow": _nested(2)})
    assert inspect(layout).problems == ()


def test_a_missing_nested_index(tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "layout", {"1": _nested(2), "2": _nested(1)})
    _missing(_nested(1).digest)(layout)
    assert kinds(inspect(layout)) == ["index_missing"]


PLATFORMS = {name: images.image([BASE], platform=name) for name in ("linux/arm64", "linux/s390x", "linux/amd64")}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("missing", [["linux/arm64"], ["linux/arm64", "linux/s390x"], ["linux/amd64"]])
def test_a_sparse_index_costs_its_platforms(tmp_path: pathlib.Path, missing: list[str], nested: bool) -> None:
    many = images.index(list(PLATFORMS.values()))
    layout = images.write_layout(tmp_path / "layout", {"1": images.index([many]) if nested else many, "2": IMAGE})
    for name in missing:
        _missing(PLATFORMS[name].digest)(layout)
    inspection = inspect(layout)
    assert inspection.problems == ()
    assert [entry.platform for entry in inspection.sparse] == missing
    assert set(inspection.layout.tags) == {"1", "2"}
    assert {image.digest for name, image in PLATFORMS.items() if name not in missing} <= as_sets(inspection)[0]
    (warning,) = inspection.warnings
    assert str(inspection.sparse[0].parent) in warning
    assert ", ".join(missing) in warning


def test_a_long_list_of_missing_platforms_is_cut(tmp_path: pathlib.Path) -> None:
    entries = [IMAGE.descriptor(digest=images.digest_of(b"%d" % number), platform=None) for number in range(9)]
    many = images.index([IMAGE], changes={"manifests": [IMAGE.descriptor(), *entries]})
    inspection = inspect(images.write_layout(tmp_path / "layout", {"1": many}))
    assert len(inspection.sparse) == 9
    (warning,) = inspection.warnings
    assert entries[4]["digest"] in warning
    assert entries[5]["digest"] not in warning
    assert "and 4 more" in warning


def test_what_is_missing_from_index_json_is_a_problem(tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "layout", {"1": images.index([IMAGE]), "2": IMAGE})
    _missing(IMAGE.digest)(layout)
    assert kinds(inspect(layout)) == ["manifest_missing"]


def test_an_index_that_claims_to_hold_itself(tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "layout", {"1": IMAGE})
    fake = images.digest_of(b"anything")
    document = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": []}
    size = len(images.to_json({**document, "manifests": [IMAGE.descriptor(digest=fake, mediaType=images.OCI_INDEX)]}))
    entry = IMAGE.descriptor(digest=fake, mediaType=images.OCI_INDEX, size=size)
    images.write_blob(layout, fake, images.to_json({**document, "manifests": [entry]}))
    images.write_index(layout, [entry])
    assert kinds(inspect(layout)) == ["wrong_digest"]


# What is there and not referred to.
def test_orphans(layout: pathlib.Path) -> None:
    orphan = images.digest_of(b"orphan")
    images.write_blob(layout, orphan, b"orphan")
    images.write_blob(layout, "sha512:short", b"")
    (layout / "blobs" / "README").write_bytes(b"")
    (layout / "unknown-file").write_bytes(b"")
    inspection = inspect(layout)
    assert inspection.problems == ()
    assert inspection.orphans == ("README", f"sha256/{orphan[7:]}", "sha512/short")


def test_a_layout_without_content(tmp_path: pathlib.Path) -> None:
    layout = images.write_layout(tmp_path / "layout", {})
    (layout / "blobs" / "sha256").rmdir()
    (layout / "blobs").rmdir()
    inspection = inspect(layout)
    assert (inspection.problems, as_sets(inspection)) == ((), (set(), set()))
    images.write_index(layout, [IMAGE.descriptor()])
    assert kinds(inspect(layout)) == ["manifest_missing"]
