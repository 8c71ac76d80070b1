# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""index.json (image-spec, image-layout.md) gains and loses tags; all other entries and fields stay as they are."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.errors import DocumentRefused
from ansible_collections.attested.registry.plugins.module_utils._layout.index_file import IndexFile
from ansible_collections.attested.registry.plugins.module_utils._layout.tags import tag_of
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images import images
from hypothesis import given, settings
from hypothesis import strategies as st

ONE = images.image([images.layer([images.file("one")])])
TWO = images.image([images.layer([images.file("two")])])


def descriptor(content: images.Content, **annotations: str) -> Descriptor:
    return Descriptor.from_json({**content.descriptor(), "annotations": dict(annotations)}, where="test")


def index_of(*entries: dict[str, t.Any], **more: t.Any) -> IndexFile:
    return IndexFile.parse(json.dumps({"schemaVersion": 2, "manifests": list(entries), **more}).encode())


def tagged(content: images.Content, name: str, **more: t.Any) -> dict[str, t.Any]:
    return content.descriptor(annotations={images.REF_NAME: name}, **more)


def written(index: IndexFile) -> list[t.Any]:
    found: list[t.Any] = json.loads(index.to_bytes())["manifests"]
    return found


def test_an_empty_one() -> None:
    index = IndexFile.empty()
    assert (index.entries, index.tags) == ((), {})
    assert json.loads(index.to_bytes()) == {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": []}


def test_null_is_an_empty_list() -> None:
    index = IndexFile.parse(b'{"schemaVersion":2,"manifests":null}').with_tag("a", descriptor(ONE))
    assert {tag: str(digest) for tag, digest in index.tags.items()} == {"a": ONE.digest}


def test_a_tag_is_added_at_the_end_and_replaced_in_its_place() -> None:
    index = IndexFile.empty().with_tag("a", descriptor(ONE)).with_tag("b", descriptor(ONE))
    index = index.with_tag("a", descriptor(TWO))
    assert written(index) == [tagged(TWO, "a"), tagged(ONE, "b")]
    assert IndexFile.parse(index.to_bytes()).tags == index.tags


def test_nothing_to_change_gives_the_same_object() -> None:
    index = index_of(tagged(ONE, "a"), TWO.descriptor())
    assert index.with_tag("a", descriptor(ONE)) is index
    assert index.with_untagged(descriptor(ONE)) is index
    assert index.with_untagged(descriptor(TWO)) is index
    assert index.without_tag("b") is index
    assert index.without_untagged(descriptor(ONE).digest) is index


def test_a_full_reference_is_its_tag() -> None:
    index = index_of(tagged(ONE, "registry.example/app:a"))
    assert index.with_tag("a", descriptor(ONE)) is index
    assert written(index.with_tag("a", descriptor(TWO))) == [tagged(TWO, "a")]
    assert index.without_tag("a").entries == ()


def test_the_last_of_several_counts_and_the_others_go() -> None:
    index = index_of(tagged(ONE, "a"), TWO.descriptor(), tagged(TWO, "a"))
    found = index.tagged("a")
    assert found is not None
    assert str(found.digest) == TWO.digest
    assert written(index.with_tag("a", descriptor(ONE))) == [tagged(ONE, "a"), TWO.descriptor()]
    assert written(index.without_tag("a")) == [TWO.descriptor()]


def test_what_is_not_known_stays() -> None:
    more = {"com.example": {"deep": [1, None, "é"]}, "platform": {"architecture": "amd64", "os": "linux"}}
    index = index_of({**tagged(ONE, "a"), **more}, annotations={"x": "y"}, extra=1.5)
    changed = json.loads(index.with_tag("a", descriptor(ONE, mark="1")).with_tag("b", descriptor(TWO)).to_bytes())
    assert (changed["annotations"], changed["extra"]) == ({"x": "y"}, 1.5)
    assert changed["manifests"][0] == {
        **ONE.descriptor(),
        **more,
        "annotations": {images.REF_NAME: "a", "mark": "1"},
    }


def test_fields_about_the_previous_content_are_removed() -> None:
    index = index_of({**tagged(ONE, "a"), "platform": {"architecture": "amd64", "os": "linux"}, "data": None})
    assert written(index.with_tag("a", descriptor(TWO))) == [tagged(TWO, "a")]


def test_a_tag_is_removed_only_where_it_leads() -> None:
    index = index_of(tagged(ONE, "a"))
    assert index.without_tag("a", digest=descriptor(TWO).digest) is index
    assert index.without_tag("a", digest=descriptor(ONE).digest).entries == ()


def test_untagged_entries_are_removed_by_digest_and_named_ones_are_spared() -> None:
    index = index_of(ONE.descriptor(), tagged(ONE, "not a tag"), tagged(ONE, "a"))
    assert written(index.without_untagged(descriptor(ONE).digest)) == [tagged(ONE, "not a tag"), tagged(ONE, "a")]


def test_an_index_above_the_size_limit_is_not_written() -> None:
    index = IndexFile.empty().with_tag("a", descriptor(ONE, padding="x" * (4 * 1024 * 1024)))
    with pytest.raises(DocumentRefused, match="is the limit"):
        index.to_bytes()


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=6
)
names = st.sampled_from(["a", "b", "x/y:a", "", "not a tag"]) | st.text(max_size=5)
entries = st.fixed_dictionaries(
    {
        "mediaType": st.just(images.OCI_MANIFEST),
        "digest": st.sampled_from([ONE.digest, TWO.digest]),
        "size": st.just(1),
    },
    optional={"annotations": st.dictionaries(st.just(images.REF_NAME), names), "com.example": anything},
)
documents = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "manifests": st.lists(entries, max_size=5)}, optional={"com.example": anything}
)


@settings(deadline=None, max_examples=examples(100))
@given(data=st.binary(max_size=64) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(data: bytes) -> None:
    try:
        index = IndexFile.parse(data)
    except DocumentRefused:
        return
    assert IndexFile.parse(index.to_bytes()).entries == index.entries


@settings(deadline=None, max_examples=examples(100))
@given(document=documents, tag=st.sampled_from(["a", "b"]), content=st.sampled_from([ONE, TWO]))
def test_any_index(document: t.Any, tag: str, content: images.Content) -> None:
    """Other tags, and everything else in the file, are the same after a change, which can be undone."""
    index = IndexFile.parse(json.dumps(document).encode())
    others = [entry.value for entry in index.entries if entry.tag != tag]
    changed = IndexFile.parse(index.with_tag(tag, descriptor(content)).to_bytes())
    assert str(changed.tags[tag]) == content.digest
    assert [entry.value for entry in changed.entries if entry.tag != tag] == others
    assert {**changed.document, "manifests": []} == {**index.document, "manifests": []}
    assert changed.with_tag(tag, descriptor(content)) is changed
    removed = changed.without_tag(tag)
    assert [entry.value for entry in removed.entries] == others
    assert tag_of(tag) not in removed.tags
