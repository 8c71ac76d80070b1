# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An index is changed entry by entry, and nothing that does not change is lost."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.index import document as module
from ansible_collections.attested.registry.plugins.module_utils._module.index.document import Entry, IndexDocument
from ansible_collections.attested.registry.plugins.module_utils._oci.descriptor import Descriptor
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.document import parse_document
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DocumentInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.index import Index
from ansible_collections.attested.registry.plugins.module_utils._oci.media_type import OCI_MANIFEST
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from ansible_collections.attested.registry.tests.support.images import images
from hypothesis import given
from hypothesis import strategies as st

AMD, ARM, V6 = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/arm/v6"))
UNKNOWN = Platform("unknown", "unknown")


def entry(name: str, platform: Platform | None = None, **annotations: str) -> Entry:
    digest = Digest.of(name.encode())
    return Entry.of(Descriptor(OCI_MANIFEST, digest, len(name), platform=platform, annotations=annotations))


def index_of(*entries: Entry, **members: t.Any) -> IndexDocument:
    value = {"schemaVersion": 2, "manifests": [item.value for item in entries], **members}
    parsed = parse_document(images.to_json(value), media_type=images.OCI_INDEX)
    assert isinstance(parsed, Index)
    return IndexDocument.of(parsed)


def digests(index: IndexDocument) -> list[Digest]:
    return [item.digest for item in index.entries]


def test_new() -> None:
    index = IndexDocument.empty().with_entries([entry("a", AMD), entry("b", ARM)], exact=False)
    assert json.loads(index.to_bytes()) == {
        "schemaVersion": 2,
        "mediaType": images.OCI_INDEX,
        "manifests": [entry("a", AMD).value, entry("b", ARM).value],
    }


def test_what_is_there_changes_nothing() -> None:
    index = index_of(entry("a", AMD), entry("b", ARM), entry("c"))
    for exact, wanted in ((False, ["a"]), (False, ["c", "b", "a"]), (True, ["c", "b", "a"])):
        entries = [item for name in wanted for item in index.entries if item.digest == entry(name).digest]
        assert index.with_entries(entries, exact=exact) is index
    assert index.without([]) is index


def test_unknown_fields_stay_as_they_are() -> None:
    kept = {**entry("a").value, "x": {"y": [1, None]}, "annotations": {"org.example": "1"}}
    old = index_of(Entry(entry("a").descriptor, kept), z="w", annotations={"b": "ü"}, mediaType=images.OCI_INDEX)
    found = old.find(entry("a").digest)
    assert found is not None
    changed = found.with_changes(platform=ARM, annotations={"new": "2"}, exact=False)
    new = json.loads(old.with_entries([changed, entry("b", AMD)], exact=False).to_bytes())
    assert (new["z"], new["annotations"], list(new)) == (
        "w",
        {"b": "ü"},
        ["schemaVersion", "manifests", "z", "annotations", "mediaType"],
    )
    annotations = {"org.example": "1", "new": "2"}
    assert new["manifests"][0] == {**kept, "platform": ARM.as_dict(), "annotations": annotations}


def test_exact_replaces_all_annotations() -> None:
    old = entry("a", AMD, one="1", two="2")
    assert old.with_changes(platform=AMD, annotations={"one": "1"}, exact=False) is old
    changed = old.with_changes(platform=None, annotations={"one": "1"}, exact=True)
    assert changed.value["annotations"] == {"one": "1"}


def test_an_image_takes_the_place_of_that_for_its_platform() -> None:
    index = index_of(entry("a", AMD), entry("b", ARM), entry("c", V6))
    assert digests(index.with_entries([entry("new", ARM)], exact=False)) == digests(
        index_of(entry("a"), entry("new"), entry("c"))
    )
    # linux/arm64 and linux/arm64/v8 are the same platform
    short = Platform("linux", "arm64")
    assert len(index.with_entries([entry("new", short)], exact=False).entries) == 3


def test_attestations_go_with_their_image() -> None:
    image = entry("a", AMD)
    attestation = entry("attestation", UNKNOWN, **{"vnd.docker.reference.digest": str(image.digest)})
    other = entry("other", UNKNOWN, **{"vnd.docker.reference.digest": str(entry("b").digest)})
    index = index_of(image, attestation, entry("b", ARM), other)
    assert digests(index.with_entries([entry("new", AMD)], exact=False)) == digests(
        index_of(entry("new"), entry("b"), other)
    )
    assert digests(index.without([index.entries[2]])) == digests(index_of(image, attestation))


def test_versions_of_windows_are_different_platforms() -> None:
    old, new = (Platform("windows", "amd64", os_version=version) for version in ("10.0.1", "10.0.2"))
    index = index_of(entry("a", old))
    assert len(index.with_entries([entry("b", new)], exact=False).entries) == 2


def test_entries_without_a_platform_are_kept() -> None:
    index = index_of(entry("a"), entry("b", UNKNOWN))
    assert len(index.with_entries([entry("c"), entry("d", UNKNOWN)], exact=False).entries) == 4


def test_exact() -> None:
    index = index_of(entry("a", AMD), entry("b", ARM), entry("c"))
    assert digests(index.with_entries([entry("new", V6), index.entries[1]], exact=True)) == digests(
        index_of(entry("b"), entry("new"))
    )


def test_one_digest_for_two_platforms() -> None:
    index = index_of(entry("a", AMD), entry("a", ARM))
    assert index.with_entries(index.entries[:1], exact=False) is index
    assert index.find(entry("a").digest, ARM) is index.entries[1]
    assert digests(index.without([index.entries[0]])) == digests(index_of(entry("a")))
    platforms = [item.platform for item in index.with_entries([entry("a", V6)], exact=False).entries]
    assert platforms == [AMD, ARM, V6]
    # an entry without a platform gets one
    assert len(index_of(entry("a")).with_entries([entry("a", AMD)], exact=False).entries) == 1


def test_an_index_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(DocumentInvalid, match="it would have 2.. bytes, and 100 is the limit"):
        IndexDocument.empty().with_entries([entry("a", AMD)], exact=False).to_bytes()


ENTRIES = st.builds(entry, st.sampled_from("abcd"), st.sampled_from([None, AMD, ARM, V6, UNKNOWN]))


def unique(entries: list[Entry]) -> list[Entry]:
    return list({(item.digest, item.platform): item for item in entries}.values())


@given(st.lists(ENTRIES, max_size=5), st.lists(ENTRIES, min_size=1, max_size=3).map(unique), st.booleans())
def test_whatever_is_there_and_wanted(old: list[Entry], wanted: list[Entry], exact: bool) -> None:
    """All that is wanted is there, once; the second time, nothing changes; what is left is a valid index."""
    platforms = [item.platform for item in wanted if item.platform is not None]
    index = index_of(*old).with_entries(wanted, exact=exact)
    values = [item.value for item in index.entries]
    assert all(values.count(item.value) >= 1 for item in wanted)
    if exact:
        assert len(values) == len(wanted)
    if len(platforms) == len(set(platforms)):
        assert all([item.platform for item in index.entries].count(platform) == 1 for platform in platforms)
    assert index.with_entries(wanted, exact=exact) is index
    assert index_of(*index.entries).entries == index.entries
