# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option tags_from of oci_layout copies many tags, keeps the layout like the repository, and asks little."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._module.layout import entries
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    SigningKey,
    signature_tag,
    signatures,
    simple_signing,
)
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

KEY = SigningKey.make("p256")
BASE = images.layer([images.file("etc/motd", b"hello\n")])
TAGS = ("1.9", "1.10", "1.11", "2.0", "nightly")
RELEASES = {tag: images.image([BASE], annotations={"tag": tag}) for tag in TAGS}
OLD = images.image([images.layer([images.file("etc/old", b"")])])
ARM = images.image([images.layer([images.file("etc/arch", b"arm64\n")])], platform="linux/arm64")
MANY = images.index([images.image([BASE], platform="linux/amd64"), ARM])
ONES = {tag: RELEASES[tag].digest for tag in ("1.10", "1.11", "1.9")}


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "app"


@pytest.fixture
def server(registry: FaultyRegistry) -> FaultyRegistry:
    registry.publish("team/app", RELEASES)
    return registry


@pytest.fixture
def layout(run_module: t.Any, server: FaultyRegistry, dest: pathlib.Path) -> t.Any:
    def run(*, tags_from: t.Any = None, **options: t.Any) -> t.Any:
        settings = {"registry": server.name, "repository": "team/app", "dest": str(dest), "retries": 0, "diff": True}
        if tags_from is not None:
            settings["tags_from"] = tags_from
        server.requests.clear()
        result = run_module("oci_layout", **{**settings, **options})
        assert result.results.get("error", {}).get("kind") != "internal", result["msg"]
        return result

    return run


def asked(server: FaultyRegistry) -> list[str]:
    return sorted(f"{request.method} {request.path.partition('/team/app/')[2]}" for request in server.requests)


def tags(dest: pathlib.Path) -> dict[str, str]:
    """The tags of a layout, after a check that all of it is right."""
    inspection = inspect_layout(str(dest))
    assert [problem.message for problem in inspection.problems] == []
    return {tag: str(digest) for tag, digest in inspection.layout.tags.items()}


def refer(subject: images.Content) -> images.Image:
    return images.artifact(
        "application/spdx+json", [images.Content(b"sbom", "text/plain")], changes={"subject": subject.descriptor()}
    )


def test_check_run_check_run(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    options = {"tags_from": {"pattern": "1.*"}}
    predicted = layout(**options, check=True)
    assert (predicted["changed"], predicted["digests"], predicted["tags"]) == (True, ONES, ONES)
    assert not dest.exists()
    run = layout(**options)
    assert (run["changed"], run["digests"], run["diff"]) == (True, ONES, predicted["diff"])
    assert (run["before"], run["diff"]["before"]["tags"]) == (dict.fromkeys(ONES), {})
    assert (run["tag"], run["digest"], run["image"]) == (None, None, None)
    assert tags(dest) == ONES == run["diff"]["after"]["tags"]
    # three manifests, and the config and the layer that all have
    assert run["blobs"] == {"present": 0, "downloaded": 5, "left_out": 0}
    assert len([line for line in asked(server) if line.startswith("GET blobs/")]) == 2
    for check in (True, False):
        again = layout(**options, check=check)
        assert (again["changed"], again["before"], again["pruned"]["tags"]) == (False, ONES, [])
        assert again["blobs"] == {"present": 5, "downloaded": 0, "left_out": 0}
        assert asked(server) == ["GET tags/list", *(f"HEAD manifests/{tag}" for tag in ONES)]


def test_a_tag_that_moves_and_one_that_is_new(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    layout(tags_from={"pattern": "1.*"})
    server.publish("team/app", {"1.9": OLD, "1.12": RELEASES["1.9"]})
    run = layout(tags_from={"pattern": "1.*"})
    assert run["before"] == {**ONES, "1.12": None}
    assert run["digests"] == {**ONES, "1.9": OLD.digest, "1.12": RELEASES["1.9"].digest} == tags(dest)
    assert run["blobs"]["downloaded"] == 3


def test_without_prune_other_tags_stay(layout: t.Any, dest: pathlib.Path) -> None:
    layout(reference="nightly")
    layout(tags_from={"pattern": "1.*"})
    layout(tags_from={"pattern": "1.*", "newest": 1})
    assert tags(dest) == {**ONES, "nightly": RELEASES["nightly"].digest}


def test_the_newest_tags_are_kept_and_others_are_removed(
    layout: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    server.publish("team/app", {"1.8": OLD})
    layout(reference="1.8")
    layout(reference="1.8", dest_tag="mine")
    options = {"tags_from": {"pattern": "1.*", "newest": 2, "prune": True}, "prune": True}
    predicted = layout(**options, check=True)
    assert (predicted["pruned"]["tags"], set(tags(dest))) == (["1.8"], {"1.8", "mine"})
    run = layout(**options)
    wanted = {"1.10": ONES["1.10"], "1.11": ONES["1.11"], "mine": OLD.digest}
    assert (run["pruned"], run["diff"]) == ({"tags": ["1.8"], "blobs": [], "bytes": 0}, predicted["diff"])
    assert tags(dest) == wanted == run["tags"]
    assert layout(**options)["changed"] is False
    # without a pattern, all other tags are removed, and their files with prune
    run = layout(tags_from={"newest": 1, "prune": True}, prune=True)
    assert (run["pruned"]["tags"], tags(dest)) == (["1.10", "1.11", "mine"], {"2.0": RELEASES["2.0"].digest})
    assert sorted(run["pruned"]["blobs"]) == sorted(
        {ONES["1.10"], ONES["1.11"], OLD.digest, OLD.layers[0].digest, OLD.config.digest}
    )
    assert run["orphans"] == 0


def test_tags_that_the_repository_no_longer_has(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    layout(tags_from={"pattern": "1.*"})
    for tag in ONES:
        del server.repositories["team/app"].tags[tag]
    run = layout(tags_from={"pattern": "1.*"})
    assert (run["changed"], tags(dest), len(run.warnings)) == (False, ONES, 1)
    run = layout(tags_from={"pattern": "1.*", "prune": True})
    assert (run.failed, run["error"]["option"], tags(dest)) == (True, "tags_from.prune", ONES)
    server.repositories["team/app"].tags["1.12"] = RELEASES["1.9"].digest
    run = layout(tags_from={"pattern": "1.*", "prune": True})
    assert (run["changed"], run["pruned"]["tags"], list(tags(dest))) == (True, sorted(ONES), ["1.12"])


def test_no_layout_is_made_for_no_tag(layout: t.Any, dest: pathlib.Path) -> None:
    run = layout(tags_from={"pattern": "3*", "prune": True})
    assert (run["changed"], run["digests"], dest.exists()) == (False, {}, False)
    assert 'tags_from selects no tag of "team/app"' in run.warnings[0]


def test_a_limit_stops_before_anything_is_written(layout: t.Any, dest: pathlib.Path) -> None:
    run = layout(tags_from={"limit": 3})
    assert (run.failed, run["error"]["option"], dest.exists()) == (True, "tags_from.limit", False)
    assert '5 tags of "team/app" match' in run["msg"]


def test_manifests_in_memory_are_bounded(layout: t.Any, dest: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_TASK_BYTES", 3 * RELEASES["1.9"].size)
    run = layout(tags_from={"pattern": "*"})
    assert (run["error"]["kind"], dest.exists()) == ("unsupported", False)
    assert "narrow tags_from.pattern" in run["msg"]


def test_images_that_contradict_each_other(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    wrong = images.image([BASE], changes={"layers": [{**BASE.descriptor(), "size": BASE.size + 1}]})
    server.publish("team/app", {"1.12": wrong})
    run = layout(tags_from={"pattern": "1.*"})
    assert (run["error"]["kind"], dest.exists()) == ("manifest_invalid", False)
    assert f"{BASE.digest} is listed with" in run["msg"]


def test_a_failed_image_publishes_none(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    layout(tags_from={"pattern": "1.*"})
    server.publish("team/app", {"1.9": OLD, "1.12": ARM})
    server.on(ARM.layers[0].digest, Reply(body=b"x" * ARM.layers[0].size), method="GET", times=1)
    run = layout(tags_from={"pattern": "1.*", "prune": True})
    assert (run["error"]["kind"], tags(dest)) == ("digest_mismatch", ONES)
    run = layout(tags_from={"pattern": "1.*", "prune": True})
    assert tags(dest) == {**ONES, "1.9": OLD.digest, "1.12": ARM.digest} == run["digests"]


def test_a_missing_repository_is_named(layout: t.Any, dest: pathlib.Path) -> None:
    run = layout(repository="team/other", tags_from={})
    assert (run["error"]["kind"], dest.exists()) == ("not_found", False)


def test_with_pull_missing_only_new_tags_are_asked_for(layout: t.Any, server: FaultyRegistry) -> None:
    layout(tags_from={"pattern": "1.*"}, pull="missing")
    server.publish("team/app", {"1.9": OLD, "1.12": RELEASES["2.0"]})
    run = layout(tags_from={"pattern": "1.*"}, pull="missing")
    assert run["digests"] == {**ONES, "1.12": RELEASES["2.0"].digest}
    assert asked(server) == ["GET manifests/1.12", "GET tags/list"]


def test_one_platform_of_each(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    server.publish("team/multi", {"1": MANY, "2": images.index([ARM])})
    options = {"repository": "team/multi", "tags_from": {"pattern": "*"}, "platform": "linux/arm64"}
    assert layout(**options)["digests"] == {"1": ARM.digest, "2": ARM.digest} == tags(dest)
    assert layout(**options)["changed"] is False
    assert len(server.requests) == 3


def test_referrers_come_and_go_with_their_images(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    sboms = {tag: refer(RELEASES[tag]) for tag in ("1.10", "1.11")}
    for sbom in sboms.values():
        server.add_content("team/app", sbom)
    signed = signatures([simple_signing(KEY, ONES["1.10"], "team/app")])
    server.publish("team/app", {signature_tag(ONES["1.10"]): signed})
    options = {"referrers": True, "cosign_tags": True, "prune": True}
    run = layout(tags_from={"pattern": "1.*", "prune": True}, **options)
    assert {item["digest"] for item in run["referrers"]} == {signed.digest, *(item.digest for item in sboms.values())}
    assert tags(dest) == {**ONES, signature_tag(ONES["1.10"]): signed.digest}
    assert layout(tags_from={"pattern": "1.*", "prune": True}, **options)["changed"] is False
    run = layout(tags_from={"pattern": "1.*", "newest": 1, "prune": True}, **options)
    assert (run["tags"], run["orphans"]) == ({"1.11": ONES["1.11"]}, 0)
    assert run["diff"]["after"]["referrers"] == [sboms["1.11"].digest]
    # without a pattern, the tags for what is attached are tags of the repository too
    server.publish("team/app", {"1.10": RELEASES["1.10"]})
    run = layout(tags_from={"prune": True}, **options)
    assert not run.failed, run["msg"]
    assert set(tags(dest)) == {*TAGS, signature_tag(ONES["1.10"])}
    assert layout(tags_from={"prune": True}, **options)["changed"] is False


def test_what_moves_to_another_tag_keeps_its_referrers(
    layout: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    server.publish("team/app", {"a": OLD, "b": ARM})
    server.add_content("team/app", refer(OLD))
    layout(tags_from={"pattern": "[ab]"}, referrers=True)
    server.publish("team/app", {"a": ARM, "b": OLD})
    run = layout(tags_from={"pattern": "[ab]"}, referrers=True, prune=True)
    assert (tags(dest), run["pruned"]["blobs"]) == ({"a": ARM.digest, "b": OLD.digest}, [])
    assert run["diff"]["after"]["referrers"] == [refer(OLD).digest]


def sign(server: FaultyRegistry, *tagged: str) -> dict[str, images.Image]:
    made = {}
    for tag in tagged:
        layers = [simple_signing(KEY, RELEASES[tag].digest, f"{server.name}/team/app:{tag}")]
        made[signature_tag(RELEASES[tag].digest)] = signatures(layers)
    server.publish("team/app", made)
    return made


@pytest.mark.parametrize("module", ["oci_layout", "oci_image_copy"])
def test_all_images_must_be_signed_and_signatures_are_none_of_them(
    run_module: t.Any, server: FaultyRegistry, dest: pathlib.Path, module: str
) -> None:
    with FaultyRegistry(writable=True) as target:
        place = {"dest": str(dest)} if module == "oci_layout" else {"target": {"registry": target.name}}
        signature = {"keys": [KEY.write(dest.with_name("key.pub"))]}

        def run() -> t.Any:
            options = {"repository": "team/app", "signature": signature, "tags_from": {}, **place}
            return run_module(module, registry=server.name, **options)

        sign(server, *TAGS[1:])
        refused = run()
        assert (refused["error"]["kind"], "1.9" in refused["msg"]) == ("signature_invalid", True), refused["msg"]
        assert (dest.exists(), target.repositories) == (False, {})
        sign(server, TAGS[0])
        assert set(run()["digests"]) == set(TAGS)
        assert run()["changed"] is False


def test_the_keys_are_returned_for_each_tag(layout: t.Any, server: FaultyRegistry, dest: pathlib.Path) -> None:
    sign(server, "1.9", "1.10", "1.11")
    keys = [KEY.write(dest.with_name("key.pub"))]
    run = layout(tags_from={"pattern": "1.*"}, signature={"keys": keys})
    assert {tag: found["key"] for tag, found in run["signatures"].items()} == dict.fromkeys(ONES, KEY.fingerprint)
    assert run["diff"]["after"]["signatures"] == run["signatures"]
    assert {tag: found["digest"] for tag, found in run["signatures"].items()} == ONES


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"reference": "1.9"}, "tags_from|reference"),
        ({"dest_tag": "1.9"}, "tags_from|dest_tag"),
        ({"image": "registry.example/app:1", "repository": None}, "tags_from|image"),
        ({"layout": "/srv/app", "repository": None}, "tags_from|layout"),
        ({"state": "absent"}, "state is absent but any of the following are missing"),
        ({"tags_from": {"newest": 0}}, "The option newest is 0: it must be 1 or more"),
        ({"tags_from": {"pattern": "(", "pattern_type": "regex"}}, "is not a regular expression"),
    ],
)
def test_options_that_cannot_be_used(layout: t.Any, dest: pathlib.Path, options: t.Any, text: str) -> None:
    run = layout(**{"tags_from": {}, **options})
    assert (run.failed, text in run["msg"], dest.exists()) == (True, True, False), run["msg"]
