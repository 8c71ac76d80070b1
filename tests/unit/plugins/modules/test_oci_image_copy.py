# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""oci_image_copy: from registries, layouts and archives to a registry, one image or many tags."""

from __future__ import annotations

import functools
import json
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.options import spec
from ansible_collections.attested.registry.tests.support.images import archives, images, signatures
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import (
    FaultyRegistry,
    Reply,
    error,
    redirect,
)

AMD, ARM, ARM7 = "linux/amd64", "linux/arm64/v8", "linux/arm/v7"


@pytest.fixture
def target() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry(writable=True) as server:
        yield server


@pytest.fixture
def both(base: images.Layer, top: images.Layer) -> images.Index:
    """An index for three platforms, whose images share a layer."""
    members = [
        images.image([base, top], platform=AMD),
        images.image([base], platform=ARM),
        images.image([top], platform=ARM7),
    ]
    return images.index(members, annotations={"org.example.kept": "yes"})


@pytest.fixture
def copy(run_module: t.Any, registry: FaultyRegistry, target: FaultyRegistry) -> t.Any:
    def run(*, check: bool = False, diff: bool = False, to: t.Any = None, **options: t.Any) -> t.Any:
        given = {"registry": registry.name, "repository": "app", **options}
        place = {"registry": target.name, "repository": "site/app", **(to or {})}
        return run_module(
            "oci_image_copy",
            check=check,
            diff=diff,
            target={k: v for k, v in place.items() if v is not None},
            **{k: v for k, v in given.items() if v is not None},
        )

    return run


def writes(server: FaultyRegistry) -> list[str]:
    return [f"{request.method} {request.path}" for request in server.requests if request.method not in ("GET", "HEAD")]


def asked(server: FaultyRegistry) -> list[str]:
    return [f"{request.method} {request.path.partition('/v2/')[2]}" for request in server.requests]


def assert_has(
    server: FaultyRegistry, image: images.Content, repository: str = "site/app", *, uploads: int | None = 0
) -> None:
    """Check that all of an image is there; uploads is the number of sessions that have not ended, None for any."""
    found = server.repositories[repository]
    assert found.manifests[image.digest][0] == image.data
    assert image.blobs().keys() <= found.blobs.keys() | found.manifests.keys()
    assert uploads is None or len(found.uploads) == uploads


def test_check_run_check_run(copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image) -> None:
    registry.publish("app", {"2": new})
    predicted = copy(check=True, reference="2")
    assert (predicted["changed"], target.repositories, writes(target)) == (True, {}, [])
    assert not registry.sent("/blobs/")
    done = copy(reference="2", diff=True)
    assert (done["changed"], done["digest"], done["digests"]) == (True, new.digest, {"2": new.digest})
    assert (done["target"], done["before"]) == (f"{target.name}/site/app", {"2": None})
    assert done["blobs"] == predicted["blobs"] == {"present": 0, "mounted": 0, "copied": 3, "left_out": 0}
    assert (done["diff"]["before"], done["diff"]["after"]) == ({}, {"2": new.digest})
    assert done["stats"]["uploaded_bytes"] == sum(len(blob.data) for blob in (new.config, *new.layers))
    assert_has(target, new)
    assert target.repositories["site/app"].tags == {"2": new.digest}
    for check in (True, False):
        registry.clear()
        target.clear()
        again = copy(check=check, reference="2")
        assert (again["changed"], again["before"]) == (False, {"2": new.digest})
        assert (asked(registry), asked(target)) == (["HEAD app/manifests/2"], ["HEAD site/app/manifests/2"])


def test_an_upgrade_sends_what_is_new(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, old: images.Image, new: images.Image
) -> None:
    registry.publish("app", {"1": old})
    copy(reference="1", to={"tags": ["stable"]})
    registry.publish("app", {"2": new})
    done = copy(reference="2", to={"tags": ["stable", "2"]}, diff=True)
    assert done["before"] == {"stable": old.digest, "2": None}
    assert done["blobs"] == {"present": 1, "mounted": 0, "copied": 2, "left_out": 0}
    assert done["diff"]["before"] == {"stable": old.digest}
    assert done["diff"]["after"] == {"stable": new.digest, "2": new.digest}
    assert target.repositories["site/app"].tags == {"stable": new.digest, "2": new.digest}


def test_an_index_is_copied_with_its_digest_children_first(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, both: images.Index
) -> None:
    registry.publish("app", {"1": both})
    done = copy(reference="1")
    assert done["digest"] == both.digest
    assert_has(target, both)
    puts = [
        request.path.rpartition("/")[2]
        for request in target.requests
        if request.method == "PUT" and "/manifests/" in request.path
    ]
    assert puts[-1] == "1"
    assert set(puts[:-1]) == {member.digest for member in both.manifests}


def test_a_manifest_that_is_a_layer_too(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image
) -> None:
    kept = images.artifact("application/vnd.example.archive", [images.Content(new.data, new.media_type)])
    both_roles = images.index([new, kept])
    registry.publish("app", {"1": both_roles})
    assert copy(reference="1")["changed"]
    found = target.repositories["site/app"]
    assert (new.digest in found.blobs, new.digest in found.manifests) == (True, True)


def test_platforms_make_a_smaller_index(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, both: images.Index
) -> None:
    registry.publish("app", {"1": both})
    done = copy(reference="1", platforms=[AMD, ARM])
    found = target.repositories["site/app"]
    small = json.loads(found.manifests[done["digest"]][0])
    assert [entry["platform"]["architecture"] for entry in small["manifests"]] == ["amd64", "arm64"]
    assert small["annotations"] == {"org.example.kept": "yes"}
    assert done["digest"] != both.digest
    assert both.digest in done.warnings[0]
    assert len(found.manifests) == 3
    again = copy(reference="1", platforms=[AMD, ARM])
    assert not again["changed"]
    all_of_them = copy(reference="1", platforms=[AMD, ARM, ARM7])
    assert (all_of_them["digest"], all_of_them.warnings) == (both.digest, [])


def test_a_platform_that_is_not_there(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, both: images.Index, new: images.Image
) -> None:
    registry.publish("app", {"1": both, "2": new})
    done = copy(reference="1", platforms=["linux/s390x"])
    assert (done.failed, "linux/s390x" in done["msg"], "linux/arm64" in done["msg"]) == (True, True, True)
    assert copy(reference="2", platforms=["linux/s390x"]).failed
    assert copy(reference="2", platforms=[AMD])["digest"] == new.digest


@pytest.mark.parametrize("shape", ["directory", "archive", "docker"])
def test_from_a_layout_or_archive(
    copy: t.Any, target: FaultyRegistry, tmp_path: pathlib.Path, new: images.Image, shape: str
) -> None:
    path = tmp_path / "images"
    if shape == "directory":
        images.write_layout(path, {"2": new})
    else:
        path.write_bytes(
            archives.oci_archive({"2": new}) if shape == "archive" else archives.docker_save_new({"app:2": new})
        )
    source = {"registry": None, "repository": None, "layout": str(path)}
    done = copy(**source)
    assert (done["changed"], done["stats"]["downloaded_bytes"]) == (True, 0)
    found = target.repositories["site/app"]
    assert found.tags == {"2": done["digest"]}
    document = json.loads(found.manifests[done["digest"]][0])
    assert document["config"]["digest"] == new.config.digest
    assert len(found.blobs) == 3
    if shape != "docker":
        assert_has(target, new)
    assert not copy(**source)["changed"]


def test_blobs_of_the_same_registry_are_mounted(copy: t.Any, target: FaultyRegistry, new: images.Image) -> None:
    target.publish("app", {"2": new})
    done = copy(registry=target.name, reference="2", to={"registry": None, "tags": ["stable"]})
    assert done["blobs"] == {"present": 0, "mounted": 3, "copied": 0, "left_out": 0}
    assert done["stats"]["uploaded_bytes"] == done["stats"]["downloaded_bytes"] == 0
    assert_has(target, new)


def test_repositories_that_do_not_have_a_blob_leave_no_uploads_behind(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image
) -> None:
    registry.publish("app", {"2": new})
    assert copy(reference="2", mount_from=["one", "two", "three"])["changed"]
    assert_has(target, new)


def test_without_mounting_blobs_are_sent(copy: t.Any, target: FaultyRegistry, new: images.Image) -> None:
    target.publish("app", {"2": new})
    target.on("mount=", error(404, "UNSUPPORTED", "no"), method="POST")
    done = copy(registry=target.name, reference="2", to={"registry": target.name})
    assert (done["blobs"]["copied"], done["blobs"]["mounted"]) == (3, 0)
    assert_has(target, new)


def test_a_digest_alone_is_stored_under_it(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image
) -> None:
    registry.publish("app", {"2": new})
    done = copy(reference=new.digest)
    assert (done["changed"], done["digests"]) == (True, {new.digest: new.digest})
    assert_has(target, new)
    assert target.repositories["site/app"].tags == {}
    registry.clear()
    assert not copy(reference=new.digest)["changed"]
    assert registry.requests == []


def test_a_tag_that_yaml_reads_as_a_number(copy: t.Any, registry: FaultyRegistry, new: images.Image) -> None:
    registry.publish("app", {"2": new})
    done = copy(reference="2", to={"tags": ["1.9", 1.1]})
    assert list(done["digests"]) == ["1.9", "1.1"]
    assert [text for text in done.warnings if "target.tags[1] is a number" in text]


def test_an_empty_list_of_tags_means_none(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image
) -> None:
    registry.publish("app", {"2": new})
    assert copy(reference="2", to={"tags": []})["digests"] == {new.digest: new.digest}
    assert target.repositories["site/app"].tags == {}
    assert not copy(reference="2", to={"tags": []})["changed"]


def test_chunks(copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image) -> None:
    registry.publish("app", {"2": new})
    copy(reference="2", chunk_size=100)
    assert_has(target, new)
    assert max(len(request.body) for request in target.requests if request.method == "PATCH") == 100


# --- tags_from ---


@pytest.fixture
def releases(registry: FaultyRegistry, base: images.Layer) -> dict[str, images.Image]:
    made = {tag: images.image([base], annotations={"tag": tag}) for tag in ("1.9", "1.10", "1.11", "2.0", "nightly")}
    registry.publish("app", made)
    return made


def test_many_tags(copy: t.Any, target: FaultyRegistry, releases: dict[str, images.Image]) -> None:
    done = copy(tags_from={"pattern": "1.*"}, diff=True)
    wanted = {tag: releases[tag].digest for tag in ("1.9", "1.10", "1.11")}
    assert (done["changed"], done["digests"], done["digest"]) == (True, wanted, None)
    assert target.repositories["site/app"].tags == wanted
    assert done["diff"]["after"] == wanted
    assert done["blobs"] == {"present": 0, "mounted": 0, "copied": 2, "left_out": 0}
    target.clear()
    assert not copy(tags_from={"pattern": "1.*"})["changed"]
    assert sorted(asked(target)) == sorted(f"HEAD site/app/manifests/{tag}" for tag in wanted)


def test_the_newest_tags_are_kept_and_others_are_removed(
    copy: t.Any, target: FaultyRegistry, releases: dict[str, images.Image], old: images.Image
) -> None:
    target.publish("site/app", {"1.8": old, "mine": old})
    options = {"tags_from": {"pattern": "1.*", "newest": 2, "prune": True}}
    predicted = copy(check=True, **options)
    assert (predicted["pruned"], writes(target)) == (["1.8"], [])
    done = copy(diff=True, **options)
    assert (done["pruned"], done["diff"]["before"]) == (["1.8"], {"1.8": old.digest})
    assert target.repositories["site/app"].tags == {
        "1.11": releases["1.11"].digest,
        "1.10": releases["1.10"].digest,
        "mine": old.digest,
    }
    assert not copy(**options)["changed"]


def test_a_registry_that_deletes_by_digest_alone(
    copy: t.Any, target: FaultyRegistry, releases: dict[str, images.Image], old: images.Image, new: images.Image
) -> None:
    target.publish("site/app", {"1.8": old, "1.7": new, "mine": old})
    target.on("/manifests/1", error(405, "UNSUPPORTED", "no"), method="DELETE")
    options = {"tags_from": {"pattern": "1.*", "prune": True}}
    done = copy(**options)
    assert (done["error"]["kind"], "the tag mine leads to the same image" in done["msg"]) == ("unsupported", True)
    assert target.repositories["site/app"].tags["1.8"] == old.digest
    del target.repositories["site/app"].tags["mine"]
    assert copy(**options)["pruned"] == ["1.7", "1.8"]
    assert set(target.repositories["site/app"].tags) == {"1.9", "1.10", "1.11"}
    assert releases["1.9"].digest in target.repositories["site/app"].manifests


def test_an_empty_source_removes_nothing(
    copy: t.Any, target: FaultyRegistry, releases: dict[str, images.Image], old: images.Image
) -> None:
    target.publish("site/app", {"3.0": old})
    done = copy(tags_from={"pattern": "3.*", "prune": True})
    assert (done.failed, done["error"]["option"]) == (True, "tags_from.prune")
    assert target.repositories["site/app"].tags == {"3.0": old.digest}
    assert not copy(tags_from={"pattern": "4.*", "prune": True}).failed


def test_the_index_of_referrers_is_not_pruned(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image, old: images.Image
) -> None:
    target.referrers = False
    target.on("/manifests/", lambda request: Reply(drop=("OCI-Subject",)), method="PUT")
    registry.publish("app", {"2": new})
    registry.add_content("app", refer(new, b"sbom"))
    target.publish("site/app", {"1": old})
    options = {"tags_from": {"prune": True}, "referrers": True}
    assert copy(**options)["pruned"] == ["1"]
    assert set(target.repositories["site/app"].tags) == {"2", new.digest.replace(":", "-")}
    assert not copy(**options)["changed"]


def test_a_limit_stops_before_anything_is_copied(copy: t.Any, target: FaultyRegistry, releases: t.Any) -> None:
    done = copy(tags_from={"limit": 3})
    assert (done.failed, done["error"]["option"]) == (True, "tags_from.limit")
    assert "5 tags" in done["msg"]
    assert target.requests == []


# --- referrers and signatures ---


def refer(subject: images.Content, text: bytes) -> images.Image:
    changes = {"subject": subject.descriptor(), "annotations": {"org.example": text.decode()}}
    return images.artifact("application/spdx+json", [images.Content(text, "text/plain")], changes=changes)


@pytest.fixture
def referred(registry: FaultyRegistry, both: images.Index) -> dict[str, images.Image]:
    """An index with an SBOM, the signature of that, an SBOM of one platform, and a signature by tag."""
    sbom = refer(both, b"sbom")
    made = {"sbom": sbom, "signed": refer(sbom, b"signed"), "arm": refer(both.manifests[1], b"arm")}
    by_tag = images.image([images.layer([images.file("sig", b"")])])
    registry.publish("app", {"1": both, f"{both.digest.replace(':', '-')}.sig": by_tag})
    for image in made.values():
        registry.add_content("app", image)
    return {**made, "tag": by_tag}


@pytest.mark.parametrize("api", [True, False])
def test_referrers_travel(
    copy: t.Any,
    run_module: t.Any,
    target: FaultyRegistry,
    both: images.Index,
    referred: dict[str, images.Image],
    api: bool,
) -> None:
    target.referrers = api
    if not api:
        target.on("/manifests/", lambda request: Reply(drop=("OCI-Subject",)), method="PUT")
    attached = sorted(referred[name].digest for name in ("sbom", "signed", "arm"))
    options = {"reference": "1", "referrers": True, "cosign_tags": True}
    predicted = copy(check=True, **options)
    done = copy(diff=True, **options)
    assert (done["referrers"], predicted["referrers"], done["digest"]) == (attached, attached, both.digest)
    assert set(attached) <= set(done["diff"]["after"])
    for image in (both, *referred.values()):
        assert_has(target, image)
    tag = f"{both.digest.replace(':', '-')}.sig"
    assert target.repositories["site/app"].tags[tag] == referred["tag"].digest
    place = {"registry": target.name, "repository": "site/app"}
    for subject, names in ((both, ["sbom"]), (referred["sbom"], ["signed"]), (both.manifests[1], ["arm"])):
        listed = run_module("oci_referrers", **place, reference=subject.digest)
        found = [item for item in listed["referrers"] if item["source"] != "cosign_tag"]
        assert {item["digest"] for item in found} >= {referred[name].digest for name in names}
        assert found[0]["annotations"]["org.example"] == names[0]
    again = copy(**options)
    assert (again["changed"], again["referrers"]) == (False, [])


@pytest.mark.parametrize("kind", ["manifest", "index"])
def test_a_referrer_that_the_image_contains_as_another_kind_of_file(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, base: images.Layer, kind: str
) -> None:
    """An index lists a document with the type of a file, and the document refers to an image of the index."""
    image = images.image([base])
    referrer: images.Content = refer(image, b"of the image")
    if kind == "index":
        referrer = images.index([refer(image, b"inner")], changes={"subject": image.descriptor()})
    listed = [image.descriptor(), referrer.descriptor(mediaType="application/x")]
    around = images.index([image, referrer], changes={"manifests": listed})
    registry.publish("app", {"1": around})
    registry.add_content("app", referrer)
    registry.add_blob("app", referrer.data)
    run = copy(reference="1", referrers=True)
    assert not run.failed, run["msg"]
    copied = target.repositories["site/app"]
    assert referrer.blobs().keys() <= copied.manifests.keys() | copied.blobs.keys()
    assert referrer.digest in copied.manifests
    assert copy(reference="1", referrers=True)["changed"] is False


def test_a_new_referrer_is_copied_alone(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image
) -> None:
    registry.publish("app", {"2": new})
    copy(reference="2", referrers=True)
    sbom = refer(new, b"later")
    registry.add_content("app", sbom)
    assert not copy(reference="2")["changed"]
    target.clear()
    done = copy(reference="2", referrers=True)
    assert (done["changed"], done["referrers"], done["digests"]["2"]) == (True, [sbom.digest], new.digest)
    assert not [line for line in writes(target) if line.endswith("/2")]
    assert not copy(reference="2", referrers=True)["changed"]


def test_only_a_signed_image_is_copied(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, tmp_path: pathlib.Path, new: images.Image
) -> None:
    key = signatures.SigningKey.make("p256")
    option = {"keys": [key.write(tmp_path / "key.pub")], "identity": "none"}
    registry.publish("app", {"2": new})
    refused = copy(reference="2", signature=option)
    assert (refused["error"]["kind"], writes(target)) == ("signature_invalid", [])
    signed = signatures.signatures([signatures.simple_signing(key, new.digest, "any/app")])
    registry.publish("app", {signatures.signature_tag(new.digest): signed})
    done = copy(reference="2", signature=option, cosign_tags=True)
    assert (done["changed"], done["signature"]["digest"]) == (True, new.digest)
    # the signature is at the target, too, so that it can be verified there
    options = {"registry": target.name, "repository": "site/app", "reference": "2", "signature": option}
    assert copy(to={"repository": "production/app"}, **options)["changed"]


@pytest.mark.parametrize("platforms", [None, [AMD]])
def test_a_tag_that_moves_after_the_check_does_not_matter(
    copy: t.Any,
    registry: FaultyRegistry,
    target: FaultyRegistry,
    tmp_path: pathlib.Path,
    both: images.Index,
    platforms: list[str] | None,
) -> None:
    key = signatures.SigningKey.make("p256")
    signed = signatures.signatures([signatures.simple_signing(key, both.digest, "any/app")])
    registry.publish("app", {"1": both, signatures.signature_tag(both.digest): signed})
    other = images.index([images.image([images.layer([images.file("evil", b"")])], platform=AMD)])

    def move(request: t.Any) -> None:
        registry.publish("app", {"1": other})

    registry.on(r"manifests/sha256-.*\.sig", move)
    option = {"keys": [key.write(tmp_path / "key.pub")], "identity": "none"}
    done = copy(reference="1", signature=option, platforms=platforms)
    assert done["changed"], done
    assert other.digest not in target.repositories["site/app"].manifests
    assert both.manifests[0].digest in target.repositories["site/app"].manifests


@pytest.mark.parametrize("signed", [True, False])
def test_annotations_of_islet(
    copy: t.Any,
    registry: FaultyRegistry,
    target: FaultyRegistry,
    tmp_path: pathlib.Path,
    base: images.Layer,
    signed: bool,
) -> None:
    root, vendor, other = (signatures.SigningKey.make("p384", name) for name in ("root", "vendor", "other"))
    config = images.config([base]).data
    signer = root if signed else other
    image = images.image([base], annotations=signatures.islet_annotations(signer, vendor, config))
    registry.publish("app", {"2": images.index([image])})
    done = copy(reference="2", signature={"format": "islet", "keys": [root.write(tmp_path / "root.pub")]})
    assert done.failed is not signed
    assert bool(target.repositories) is signed


# --- what can go wrong ---


def test_a_wrong_layer_is_never_complete_at_the_target(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image
) -> None:
    registry.publish("app", {"2": new})
    layer = new.layers[0]
    registry.on(f"/blobs/{layer.digest}", Reply(body=b"x" * len(layer.data)))
    done = copy(reference="2")
    assert (done.failed, done["error"]["kind"]) == (True, "digest_mismatch")
    assert target.repositories["site/app"].tags == {}
    assert layer.digest not in target.repositories["site/app"].blobs
    assert target.repositories["site/app"].uploads == {}


def test_a_read_only_target_is_named(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image
) -> None:
    registry.publish("app", {"2": new})
    target.writable = False
    done = copy(reference="2")
    assert (done.failed, done["error"]["kind"], target.name in done["msg"]) == (True, "unsupported", True)


def test_hints_about_the_source_are_not_given_for_the_target(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, new: images.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish("app", {"2": new})
    monkeypatch.setitem(spec.REGISTRY["registry"], "default", registry.name)
    missing = copy(registry=None, reference="9")
    assert "is the default of the option registry" in missing["msg"]
    target.writable = False
    done = copy(registry=None, reference="2")
    assert (done.failed, "the default of the option" in done["msg"]) == (True, False)


def test_an_interrupted_copy_goes_on(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, both: images.Index
) -> None:
    registry.publish("app", {"1": both})
    target.on("/manifests/", error(403, "DENIED", "no"), method="PUT", times=1)
    assert copy(reference="1").failed
    assert target.repositories["site/app"].tags == {}
    done = copy(reference="1")
    assert done["blobs"]["copied"] == 0
    assert_has(target, both)


@pytest.mark.exhaustive
@pytest.mark.parametrize("is_done", [True, False])
def test_a_run_that_ends_at_any_write_is_completed_by_the_next(
    copy: t.Any, registry: FaultyRegistry, both: images.Index, is_done: bool
) -> None:
    """The registry is lost before or after it has done what a request asks for."""
    old = images.image([images.layer([images.file("of/another/image", b"")])])
    registry.publish("app", {"1": both})
    with FaultyRegistry(writable=True) as whole:
        copy(reference="1", to={"registry": whole.name}, parallel=1)
        total = len(writes(whole))
    assert total > 10
    for number in range(total):
        with FaultyRegistry(writable=True) as server:
            server.publish("site/app", {"1": old})
            server.on("", functools.partial(_lose, server, number, is_done))
            place = {"registry": server.name}
            is_last = is_done and number == total - 1
            # of the last answer, the task needs the status alone
            assert copy(reference="1", to=place, parallel=1, retries=0).failed is not is_last, number
            assert server.repositories["site/app"].tags["1"] == (both.digest if is_last else old.digest)
            server.clear()
            done = copy(reference="1", to=place)
            assert done["changed"] is not is_last
            assert_has(server, both, uploads=None)
            assert server.repositories["site/app"].tags["1"] == both.digest


def _lose(server: FaultyRegistry, number: int, is_done: bool, request: t.Any) -> Reply | None:
    """End all connections from a write on, before or after it is done."""
    if len(writes(server)) <= number:
        return None
    is_first = len(writes(server)) == number + 1
    return Reply(cut=0, length=1, close=True) if is_done and is_first else Reply(raw=b"")


def test_another_task_that_copies_the_same_does_no_harm(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, both: images.Index
) -> None:
    """It ends while this one sends its first blob."""
    registry.publish("app", {"1": both})
    target.on("/blobs/uploads/", lambda request: target.publish("site/app", {"1": both}), method="PUT", times=1)
    assert copy(reference="1", parallel=1)["changed"]
    assert_has(target, both)


@pytest.mark.parametrize(
    ("options", "to", "text"),
    [
        ({}, {"image": "localhost:1/app:1"}, "target.registry cannot be used with target.image"),
        (
            {},
            {"registry": None, "repository": None, "image": "localhost:1/a@sha256:" + "0" * 64},
            "target.image has a digest",
        ),
        ({}, {"tags": ["a b"]}, "The option target.tags cannot be used: "),
        ({}, {"repository": "UPPER"}, "The option target.repository cannot be used: "),
        ({"mount_from": ["base", "UPPER"]}, {}, "The option mount_from cannot be used: "),
        ({"tags_from": {}}, {"tags": ["1"]}, "target.tags cannot be used with tags_from"),
        ({"tags_from": {}, "reference": "1"}, {}, "mutually exclusive"),
        ({"tags_from": {"newest": 0}}, {}, "newest"),
        ({"chunk_size": 0}, {}, "chunk_size"),
        ({"platforms": ["linux"]}, {}, "platform"),
        ({"layout": "/x", "registry": None, "repository": None}, {"registry": None}, "target.registry is missing"),
        ({"layout": "/x", "registry": None, "repository": None}, {"repository": None}, "target.repository is missing"),
        ({}, {"username": "u"}, "target"),
        ({}, {"tls": "ra-tls"}, "target: "),
    ],
)
def test_options_that_cannot_be_used(
    copy: t.Any, registry: FaultyRegistry, target: FaultyRegistry, options: t.Any, to: t.Any, text: str
) -> None:
    done = copy(to=to, **options)
    assert (done.failed, text in done["msg"]) == (True, True), done["msg"]
    assert writes(target) == []


def test_the_target_gets_no_credentials_of_the_source(
    run_module: t.Any, target: FaultyRegistry, new: images.Image
) -> None:
    with FaultyRegistry(auth="basic", users={"reader": "s3cret"}) as source:
        source.publish("app", {"2": new})
        target.auth, target.users = "basic", {"writer": "other"}
        options = {
            "registry": source.name,
            "repository": "app",
            "reference": "2",
            "username": "reader",
            "password": "s3cret",
        }
        place = {"registry": target.name, "repository": "app"}
        assert run_module("oci_image_copy", target=place, **options).failed
        assert not any(
            "s3cret" in str(request.headers) or (request.header("Authorization") or "") for request in target.requests
        )
        done = run_module("oci_image_copy", target={**place, "username": "writer", "password": "other"}, **options)
    assert done["changed"], done
    assert "other" not in done.output.replace("others", "")
    assert_has(target, new, "app")


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_registry_cannot_have_images_of_others_copied(
    run_module: t.Any, target: FaultyRegistry, new: images.Image, tmp_path: pathlib.Path, auth: t.Any
) -> None:
    """It redirects to a registry that this host has a login for, and reads what arrives at the target."""
    file = tmp_path / "auth.json"
    with FaultyRegistry(auth=auth, users={"u": "hunter2"}, anonymous=False, host="localhost") as private:
        private.publish("private", {"1": new})
        file.write_text(json.dumps({"auths": {private.name: {"username": "u", "password": "hunter2"}}}))
        target.on("/v2/app/", lambda asked: redirect(private.url + asked.target.replace("/app/", "/private/")))
        options = {"registry": target.name, "repository": "app", "reference": "1", "auth_file": str(file)}
        options |= {"target": {"repository": "copied"}, "retries": 0}
        run = run_module("oci_image_copy", **options)
        assert run["error"]["kind"] == "unauthorized"
        assert f"add {private.name} to the option trusted_redirect_hosts" in "".join(run.warnings)
        assert target.repositories == {}
        assert all(request.header("Authorization") is None for request in private.requests)
        assert run_module("oci_image_copy", **options, trusted_redirect_hosts=["localhost"])["changed"]
