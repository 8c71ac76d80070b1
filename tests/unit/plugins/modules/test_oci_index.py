# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_index makes and changes indexes in a registry, and pushes only what has changed."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

AMD = images.image([images.layer([images.file("f", b"amd")])], platform="linux/amd64")
ARM = images.image([images.layer([images.file("f", b"arm")])], platform="linux/arm64/v8")
NEW = images.image([images.layer([images.file("f", b"new")])], platform="linux/amd64")
FILES = images.artifact("application/vnd.example.files", [images.Content(b"it", "text/plain")])
OTHERS = images.index([ARM, FILES])


@pytest.fixture
def registry() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry(writable=True) as server:
        server.publish("team/app", {"amd": AMD, "arm": ARM, "new": NEW, "files": FILES, "others": OTHERS})
        yield server


@pytest.fixture
def index(run_module: t.Any, registry: FaultyRegistry) -> t.Any:
    def run(*manifests: str | dict[str, t.Any], **options: t.Any) -> t.Any:
        elements = [item if isinstance(item, dict) else {"reference": item} for item in manifests]
        settings = {"registry": registry.name, "repository": "team/app", "tag": "1.0", "retries": 0}
        registry.requests.clear()
        result = run_module("oci_index", manifests=elements, **{**settings, **options})
        assert result.results.get("error", {}).get("kind") != "internal", result["msg"]
        return result

    return run


def stored(registry: FaultyRegistry, tag: str = "1.0") -> dict[str, t.Any]:
    """The document that a tag leads to in the registry."""
    repository = registry.repositories["team/app"]
    data, media_type = repository.manifests[repository.tags[tag]]
    document: dict[str, t.Any] = json.loads(data)
    assert media_type == document["mediaType"]
    return document


def methods(registry: FaultyRegistry) -> list[str]:
    return [request.method for request in registry.requests]


def test_check_run_check_run(index: t.Any, registry: FaultyRegistry) -> None:
    arm = {"reference": ARM.digest, "annotations": {"org.example": "yes"}}
    predicted = index("amd", arm, check=True, diff=True)
    assert (predicted["changed"], predicted["before"], "PUT" in methods(registry)) == (True, None, False)
    assert "1.0" not in registry.repositories["team/app"].tags
    run = index("amd", arm, diff=True)
    assert run["diff"] == predicted["diff"]
    assert run["diff"]["before"] == {"digest": None, "manifests": {}}
    assert run["diff"]["after"] == {
        "digest": registry.repositories["team/app"].tags["1.0"],
        "manifests": {"linux/amd64": [AMD.digest], "linux/arm64/v8": [ARM.digest]},
    }
    assert (run["changed"], run["digest"], run["tag"]) == (True, predicted["digest"], "1.0")
    assert run["digest"] == registry.repositories["team/app"].tags["1.0"]
    assert stored(registry) == {
        "schemaVersion": 2,
        "mediaType": images.OCI_INDEX,
        "manifests": [AMD.descriptor(), ARM.descriptor(annotations={"org.example": "yes"}, platform=ARM.platform)],
    }
    assert run["manifests"][1] == {
        "digest": ARM.digest,
        "media_type": ARM.media_type,
        "size": ARM.size,
        "platform": "linux/arm64/v8",
        "annotations": {"org.example": "yes"},
    }
    for check in (True, False):
        again = index("amd", arm, check=check, diff=True)
        assert (again["changed"], again["digest"], again["before"]) == (False, run["digest"], run["digest"])
        assert again["diff"]["before"] == again["diff"]["after"]
        assert methods(registry) == ["GET", "HEAD"]
        assert again["stats"]["requests"] == 2


def test_a_new_image_takes_the_place_of_the_old_one(index: t.Any, registry: FaultyRegistry) -> None:
    index("amd", "arm")
    run = index("new")
    assert (run["changed"], [item["digest"] for item in run["manifests"]]) == (True, [NEW.digest, ARM.digest])
    assert [item["digest"] for item in stored(registry)["manifests"]] == [NEW.digest, ARM.digest]
    assert index("new")["changed"] is False


def test_exact(index: t.Any, registry: FaultyRegistry) -> None:
    index("amd", "arm", "files")
    assert index("arm", "amd")["changed"] is False
    run = index("arm", "amd", exact=True)
    assert (run["changed"], len(run["manifests"])) == (True, 2)
    assert index("arm", "amd", exact=True)["changed"] is False


def test_an_artifact_has_a_type_and_no_platform(index: t.Any, registry: FaultyRegistry) -> None:
    index("files", "amd")
    assert stored(registry)["manifests"][0] == FILES.descriptor(platform=None, artifactType=FILES.artifact_type)
    assert index("files", "amd")["changed"] is False


def test_an_index_stands_for_its_manifests(index: t.Any, registry: FaultyRegistry) -> None:
    run = index("amd", "others")
    assert [item["digest"] for item in run["manifests"]] == [AMD.digest, ARM.digest, FILES.digest]
    assert index("amd", "others")["changed"] is False
    # all entries of another index, by its digest
    assert index({"reference": OTHERS.digest})["changed"] is False


def test_one_platform_of_an_index(index: t.Any, registry: FaultyRegistry) -> None:
    one = {"reference": "others", "platform": "linux/arm64"}
    run = index(one)
    assert [item["digest"] for item in run["manifests"]] == [ARM.digest]
    assert index(one)["changed"] is False
    run = index({"reference": "others", "platform": "linux/s390x"})
    assert run["error"]["kind"] == "platform_not_found"


def test_a_platform_that_the_task_states(index: t.Any, registry: FaultyRegistry) -> None:
    assert index("amd")["manifests"][0]["platform"] == "linux/amd64"
    named = {"reference": "amd", "platform": "linux/amd64/v3"}
    run = index(named)
    assert (run["changed"], [item["platform"] for item in run["manifests"]]) == (
        True,
        ["linux/amd64", "linux/amd64/v3"],
    )
    assert index(named)["changed"] is False
    run = index(named, exact=True)
    assert (run["changed"], [item["platform"] for item in run["manifests"]]) == (True, ["linux/amd64/v3"])
    # without a platform, the one that is there stays
    assert index("amd")["changed"] is False


def test_annotations(index: t.Any, registry: FaultyRegistry) -> None:
    index({"reference": "amd", "annotations": {"a": "1", "b": "2"}})
    assert index({"reference": "amd", "annotations": {"a": "1"}})["changed"] is False
    assert index({"reference": "amd", "annotations": {"a": "3"}})["changed"] is True
    assert stored(registry)["manifests"][0]["annotations"] == {"a": "3", "b": "2"}
    assert index("amd", exact=True)["changed"] is False
    assert index({"reference": "amd", "annotations": {"a": "3"}}, exact=True)["changed"] is True
    assert stored(registry)["manifests"][0]["annotations"] == {"a": "3"}


def test_fields_that_are_not_known_stay(index: t.Any, registry: FaultyRegistry) -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": images.DOCKER_INDEX,
        "x-more": [{"y": None}],
        "manifests": [{**AMD.descriptor(), "x-entry": 1}],
        "annotations": {"org.example": "kept"},
    }
    digest = registry.add_manifest("team/app", json.dumps(document, indent=3).encode(), images.DOCKER_INDEX)
    registry.add_tag("team/app", "1.0", digest)
    run = index("amd")
    assert (run["changed"], run["digest"]) == (False, digest)
    assert index("arm")["changed"] is True
    assert stored(registry) == {**document, "manifests": [*document["manifests"], ARM.descriptor()]}  # type: ignore[misc]


def test_absent(index: t.Any, registry: FaultyRegistry) -> None:
    index("amd", "arm", "files")
    options = {"state": "absent", "diff": True}
    predicted = index({"platform": "linux/arm64"}, check=True, **options)
    run = index({"platform": "linux/arm64"}, **options)
    assert (run["changed"], run["diff"]) == (True, predicted["diff"])
    assert run["diff"]["after"]["manifests"] == {"linux/amd64": [AMD.digest], "unspecified": [FILES.digest]}
    assert index({"platform": "linux/arm64"}, **options)["changed"] is False
    assert methods(registry) == ["GET"]
    assert index("files", **options)["changed"] is True
    assert index("files", **options)["changed"] is False
    assert index({"reference": FILES.digest}, **options)["changed"] is False
    assert index({"reference": "amd", "platform": "linux/arm64"}, **options)["changed"] is False
    # the manifests themselves stay
    assert {AMD.digest, ARM.digest, FILES.digest} <= registry.repositories["team/app"].manifests.keys()


def test_absent_removes_all_that_an_index_stands_for(index: t.Any) -> None:
    index("amd", "others")
    assert len(index("others", state="absent")["manifests"]) == 1


def test_absent_without_an_index(index: t.Any) -> None:
    run = index({"platform": "linux/amd64"}, state="absent")
    assert (run["changed"], run["digest"], run["manifests"]) == (False, None, [])


@pytest.mark.parametrize("check", [False, True])
def test_the_last_manifest_is_not_removed(index: t.Any, registry: FaultyRegistry, check: bool) -> None:
    index("amd")
    run = index("amd", state="absent", check=check)
    assert run["error"]["kind"] == "unsupported"
    assert "there would be no manifest in it; give others, or delete the tag by oci_tag" in run["msg"]
    registry.publish("team/app", {"empty": images.index([])})
    assert index("empty", tag="2.0", check=check)["error"]["kind"] == "unsupported"


def test_what_is_not_there(index: t.Any, registry: FaultyRegistry) -> None:
    missing = f"sha256:{'0' * 64}"
    for reference in ("edge", missing):
        run = index("amd", reference)
        assert run["error"]["kind"] == "not_found"
        assert run["msg"].startswith(f"manifests[1]: Cannot get the manifest {reference} of team/app from")
        assert "oci_image_copy copies others there" in run["msg"]
    index("amd")
    assert index(missing, state="absent")["changed"] is False
    assert index("edge", state="absent")["error"]["kind"] == "not_found"
    assert "PUT" not in methods(registry)


def test_a_tag_that_leads_to_a_manifest(index: t.Any, registry: FaultyRegistry) -> None:
    run = index("arm", tag="amd")
    assert run["error"]["kind"] == "unsupported"
    assert "the tag leads to a manifest and not to an index" in run["msg"]
    assert registry.repositories["team/app"].tags["amd"] == AMD.digest


def test_one_string_names_it(run_module: t.Any, registry: FaultyRegistry) -> None:
    name = f"{registry.name}/team/app"
    run = run_module("oci_index", image=f"{name}:1.0", manifests=[{"reference": "amd"}])
    assert (run["changed"], stored(registry)["manifests"]) == (True, [AMD.descriptor()])
    run = run_module("oci_index", image=f"{name}@{AMD.digest}", manifests=[{"reference": "amd"}])
    assert "The option image has a digest" in run["msg"]
    run = run_module("oci_index", image=f"{name}:1.0", tag="2.0", manifests=[{"reference": "amd"}])
    assert "The options image and tag are mutually exclusive" in run["msg"]


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ({}, "manifests[0] lacks reference; give the tag or the digest"),
        ({"platform": "linux/amd64"}, "manifests[0] lacks reference"),
        ({"reference": "quay.io/org/app:1.0"}, "copy the image there by oci_image_copy, and give its tag or digest"),
        ({"reference": "a b"}, 'manifests[0]: The tag "a b" is invalid'),
        ({"reference": "sha256:12"}, "manifests[0]: The reference is invalid"),
        ({"reference": "amd", "platform": "arm"}, 'manifests[0]: The platform "arm" is invalid'),
        ({"reference": "amd", "annotations": {"a": 1}}, 'manifests[0].annotations["a"] is the number 1, not a string'),
    ],
)
def test_bad_elements(index: t.Any, registry: FaultyRegistry, element: dict[str, t.Any], message: str) -> None:
    run = index(element)
    assert run["error"]["kind"] == "reference_invalid"
    assert message in run["msg"]
    assert registry.requests == []


def test_a_tag_that_yaml_reads_as_a_number(index: t.Any, registry: FaultyRegistry) -> None:
    registry.publish("team/app", {"1.1": AMD})
    (warning,) = index({"reference": 1.1}).warnings
    assert 'The option manifests[0].reference is a number, not a string, and is read as "1.1"' in warning
    assert index("1.1").warnings == []


def test_bad_options(index: t.Any, run_module: t.Any) -> None:
    assert "The option manifests is empty" in index()["msg"]
    assert "manifests[0] lacks reference or platform" in index({}, state="absent")["msg"]
    assert "The option tag is missing; give the tag of the index." in index("amd", tag=None)["msg"]
    assert 'The tag "a b" is invalid' in index("amd", tag="a b")["msg"]
    run = run_module("oci_index", manifests=[{"reference": "amd"}])
    assert "one of the following is required: image, repository" in run["msg"]


def test_a_read_only_registry(index: t.Any, registry: FaultyRegistry) -> None:
    registry.writable = False
    assert index("amd", check=True)["changed"] is True
    run = index("amd")
    assert run["error"]["kind"] == "unsupported"
    assert "the registry is read-only" in run["msg"]


def test_a_registry_that_refuses_the_index(index: t.Any, registry: FaultyRegistry) -> None:
    registry.on("/manifests/1.0", error(400, "MANIFEST_BLOB_UNKNOWN"), method="PUT")
    run = index("amd")
    assert run.failed
    assert "push the manifest 1.0 to team/app" in run["msg"]


def test_a_registry_that_stores_something_else(index: t.Any, registry: FaultyRegistry) -> None:
    registry.on("/manifests/1.0", Reply(headers={"Docker-Content-Digest": AMD.digest}), method="PUT")
    assert index("amd")["error"]["kind"] == "digest_mismatch"


def test_mirrors_are_not_asked(index: t.Any) -> None:
    with FaultyRegistry() as mirror:
        mirror.publish("team/app", {"amd": NEW, "1.0": OTHERS})
        run = index("amd", mirrors=[mirror.name])
        assert (mirror.requests, [item["digest"] for item in run["manifests"]]) == ([], [AMD.digest])


def test_a_config_without_a_platform(index: t.Any, registry: FaultyRegistry) -> None:
    image = images.image([], config_members={"os": None, "architecture": None})
    registry.publish("team/app", {"none": image})
    run = index("none")
    assert run["manifests"][0]["platform"] is None
    assert index("none")["changed"] is False


def test_a_config_that_is_too_large(index: t.Any, registry: FaultyRegistry) -> None:
    document = AMD.document()
    document["config"]["size"] = 5_000_000
    huge = images.document_of(document, AMD)
    registry.add_tag("team/app", "huge", registry.add_manifest("team/app", huge.data, huge.media_type))
    run = index("huge")
    assert run["error"]["kind"] == "unsupported"
    assert "it has 5000000 bytes" in run["msg"]
    assert index({"reference": "huge", "platform": "linux/amd64"})["changed"] is True
