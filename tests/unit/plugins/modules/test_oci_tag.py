# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_tag sets and removes tags, changes nothing twice, and says what a registry takes along."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

OLD = images.image([images.layer([images.file("f", b"old")])])
NEW = images.index([images.image([images.layer([images.file("f", b"new")])])])


@pytest.fixture
def registry() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry(writable=True) as server:
        server.publish("team/app", {"1.0": OLD, "stable": OLD, "2.0": NEW})
        yield server


@pytest.fixture
def tag(run_module: t.Any, registry: FaultyRegistry) -> t.Any:
    def run(*tags: t.Any, **options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "tags": list(tags), "retries": 0}
        return run_module("oci_tag", **{**settings, **options})

    return run


def tags(registry: FaultyRegistry) -> dict[str, str]:
    return registry.repositories["team/app"].tags


def methods(registry: FaultyRegistry) -> list[str]:
    return [request.method for request in registry.requests]


# --- present ---


def test_sets_tags(tag: t.Any, registry: FaultyRegistry) -> None:
    run = tag("stable", "latest", "2.0", reference="2.0", diff=True)
    assert tags(registry) == {"1.0": OLD.digest, "stable": NEW.digest, "2.0": NEW.digest, "latest": NEW.digest}
    assert (run["changed"], run["digest"]) == (True, NEW.digest)
    assert run["tags"] == [
        {"tag": "stable", "before": OLD.digest, "after": NEW.digest},
        {"tag": "latest", "before": None, "after": NEW.digest},
        {"tag": "2.0", "before": NEW.digest, "after": NEW.digest},
    ]
    assert run["diff"] == {
        "before": {"stable": OLD.digest, "2.0": NEW.digest},
        "after": {"stable": NEW.digest, "latest": NEW.digest, "2.0": NEW.digest},
    }
    # byte for byte, and each tag once
    assert [(request.path, request.body) for request in registry.sent(method="PUT")] == [
        (f"/v2/team/app/manifests/{name}", NEW.data) for name in ("stable", "latest")
    ]


def test_changes_nothing_twice(tag: t.Any, registry: FaultyRegistry) -> None:
    tag("stable", "latest", reference="2.0")
    registry.clear()
    run = tag("stable", "latest", reference="2.0")
    assert not run["changed"]
    assert methods(registry) == ["HEAD", "HEAD", "HEAD"]


def test_check_mode(tag: t.Any, registry: FaultyRegistry) -> None:
    before = dict(tags(registry))
    checked = tag("stable", reference="2.0", check=True)
    assert tags(registry) == before
    assert set(methods(registry)) == {"HEAD"}
    assert checked.results == tag("stable", reference="2.0").results


def test_by_digest(tag: t.Any, registry: FaultyRegistry) -> None:
    assert tag("stable", digest=NEW.digest)["changed"]
    registry.clear()
    assert not tag("stable", digest=NEW.digest)["changed"]
    assert methods(registry) == ["HEAD"]


@pytest.mark.parametrize("check", [False, True])
def test_the_full_name_of_an_image(tag: t.Any, registry: FaultyRegistry, check: bool) -> None:
    image = f"{registry.name}/team/app:2.0@{NEW.digest}"
    run = tag("stable", image=image, registry=None, repository=None, check=check)
    assert run["digest"] == NEW.digest
    assert tags(registry)["stable"] == (OLD.digest if check else NEW.digest)


@pytest.mark.parametrize("reference", ["9.9", f"sha256:{'0' * 64}"])
@pytest.mark.parametrize("check", [False, True])
def test_a_missing_image(tag: t.Any, registry: FaultyRegistry, reference: str, check: bool) -> None:
    run = tag("stable", reference=reference, check=check)
    assert run["error"]["kind"] == "not_found"
    assert reference in run["msg"]
    assert tags(registry)["stable"] == OLD.digest


@pytest.mark.parametrize("check", [False, True])
def test_a_tag_that_leads_to_another_digest(tag: t.Any, registry: FaultyRegistry, check: bool) -> None:
    run = tag("stable", reference=f"1.0@{NEW.digest}", check=check)
    assert run["error"]["kind"] == "digest_mismatch"


def test_an_image_that_moves_meanwhile(tag: t.Any, registry: FaultyRegistry) -> None:
    """Between the look-up and the read of the manifest, somebody pushed to the source tag."""

    def move(dummy: object) -> None:
        tags(registry)["1.0"] = NEW.digest

    registry.on("manifests/1.0", move, method="GET")
    run = tag("latest", reference="1.0")
    assert (run["digest"], tags(registry)["latest"]) == (NEW.digest, NEW.digest)


def test_a_registry_that_states_no_digest(tag: t.Any, registry: FaultyRegistry) -> None:
    registry.on("manifests", Reply(drop=("Docker-Content-Digest",)))
    assert tag("stable", reference="2.0")["changed"]
    assert tags(registry)["stable"] == NEW.digest
    assert not tag("stable", reference="2.0")["changed"]


def test_a_read_only_registry(tag: t.Any, registry: FaultyRegistry) -> None:
    registry.writable = False
    run = tag("latest", reference="2.0")
    assert run["error"]["kind"] == "unsupported"
    assert "Cannot push the manifest latest to team/app" in run["msg"]
    # nothing is written, so nothing is refused
    assert not tag("2.0", reference="2.0").failed


def test_an_immutable_tag(tag: t.Any, registry: FaultyRegistry) -> None:
    registry.on("manifests/stable", error(409, "DENIED", "the tag is immutable"), method="PUT")
    run = tag("stable", reference="2.0")
    assert run["error"]["kind"] == "rejected"
    assert "the tag is immutable" in run["msg"]


# --- absent ---


def test_removes_tags(tag: t.Any, registry: FaultyRegistry) -> None:
    run = tag("stable", "gone", state="absent", diff=True)
    assert tags(registry) == {"1.0": OLD.digest, "2.0": NEW.digest}
    assert (run["changed"], run["deleted_manifests"]) == (True, [])
    assert run["tags"] == [
        {"tag": "stable", "before": OLD.digest, "after": None},
        {"tag": "gone", "before": None, "after": None},
    ]
    assert run["diff"] == {"before": {"stable": OLD.digest}, "after": {}}
    assert not tag("stable", "gone", state="absent")["changed"]


def test_check_mode_of_a_removal(tag: t.Any, registry: FaultyRegistry) -> None:
    before = dict(tags(registry))
    checked = tag("stable", state="absent", check=True)
    assert tags(registry) == before
    assert checked.results == tag("stable", state="absent").results


def test_nothing_to_remove_in_a_missing_repository(tag: t.Any) -> None:
    assert not tag("stable", repository="team/none", state="absent")["changed"]


BY_DIGEST = [error(405, "UNSUPPORTED"), error(400, "DIGEST_INVALID"), error(400, "UNSUPPORTED")]


@pytest.mark.parametrize("refusal", BY_DIGEST)
def test_a_registry_that_deletes_by_digest_alone(tag: t.Any, registry: FaultyRegistry, refusal: Reply) -> None:
    registry.on("manifests/[^:]*$", refusal, method="DELETE")
    before = dict(tags(registry))
    run = tag("stable", state="absent")
    assert run["error"]["kind"] == "unsupported"
    assert run["msg"].startswith(f"Cannot remove the tag stable of team/app from {registry.name}: ")
    wish = f"set delete_manifest to true to delete {OLD.digest}, which has other tags as well: 1.0."
    assert wish in run["msg"]
    assert tags(registry) == before
    run = tag("2.0", state="absent")
    assert "which has no other tag." in run["msg"]


def test_manifests_are_deleted_on_request(tag: t.Any, registry: FaultyRegistry) -> None:
    registry.on("manifests/[^:]*$", error(405), method="DELETE")
    run = tag("2.0", "stable", state="absent", delete_manifest=True)
    assert run["deleted_manifests"] == [NEW.digest, OLD.digest]
    assert tags(registry) == {}
    (warning,) = run.warnings
    assert f"The manifest {OLD.digest} of team/app is deleted with its other tags: 1.0." in warning
    # only one of the tags was tried
    assert len(registry.sent("manifests/[^:]*$", method="DELETE")) == 1
    assert not tag("2.0", "stable", state="absent", delete_manifest=True)["changed"]


def test_a_manifest_is_not_deleted_if_the_tag_can_be(tag: t.Any, registry: FaultyRegistry) -> None:
    assert tag("stable", state="absent", delete_manifest=True)["deleted_manifests"] == []
    assert tags(registry)["1.0"] == OLD.digest


def test_a_registry_without_any_deletion(tag: t.Any, registry: FaultyRegistry) -> None:
    registry.on("manifests", error(405, "UNSUPPORTED"), method="DELETE")
    run = tag("stable", state="absent", delete_manifest=True)
    assert run["error"]["kind"] == "unsupported"
    assert "the registry is read-only" in run["msg"]


def test_many_other_tags(tag: t.Any, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        registry.add_tag("team/app", f"a{number:02}", OLD.digest)
    registry.on("manifests/[^:]*$", error(405), method="DELETE")
    assert (
        "a00, a01, a02, a03, a04, a05, a06, a07, a08, a09 and 10 more." in tag("1.0", "stable", state="absent")["msg"]
    )


# --- options ---


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tags": []}, "The option tags is empty"),
        ({"tags": ["a b"]}, "a b"),
        ({"tags": ["x"], "state": "absent", "reference": "1.0"}, "With state=absent, reference has no meaning"),
        ({"tags": ["x"], "state": "absent", "digest": OLD.digest}, "With state=absent, digest has no meaning"),
    ],
)
def test_options_that_cannot_be_used(
    run_module: t.Any, registry: FaultyRegistry, options: dict[str, t.Any], text: str
) -> None:
    run = run_module("oci_tag", **{"registry": registry.name, "repository": "team/app", **options})
    assert run.failed
    assert text in run["msg"]
    assert registry.requests == []


def test_an_image_with_a_tag_is_no_condition(tag: t.Any, registry: FaultyRegistry) -> None:
    name = f"{registry.name}/team/app"
    options = {"registry": None, "repository": None, "state": "absent"}
    assert "a tag or digest in image has no meaning" in tag("stable", image=f"{name}:1.0", **options)["msg"]
    assert tag("stable", image=name, **options)["changed"]


def test_tags_that_yaml_reads_as_numbers(tag: t.Any) -> None:
    run = tag(1.10, reference="2.0")
    assert "The option tags[0] is a number, not a string" in run.warnings[0]


def test_mirrors_are_not_used(tag: t.Any, registry: FaultyRegistry) -> None:
    with FaultyRegistry(writable=True) as mirror:
        mirror.publish("team/app", {"stable": NEW, "2.0": NEW})
        assert tag("stable", reference="2.0", mirrors=[mirror.name])["changed"]
        assert mirror.requests == []
