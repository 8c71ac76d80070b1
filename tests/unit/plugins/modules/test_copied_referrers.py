# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option referrers of oci_layout and oci_archive copies what refers to an image, and keeps it right."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._module.layout import contents as layout_contents
from ansible_collections.attested.registry.plugins.module_utils._module.layout import referrers as module
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    SigningKey,
    signature_tag,
    signatures,
    simple_signing,
)
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

AMD = images.image([images.layer([images.file("etc/arch", b"amd64\n")])], platform="linux/amd64")
ARM = images.image([images.layer([images.file("etc/arch", b"arm64\n")])], platform="linux/arm64")
MANY = images.index([AMD, ARM])
NEXT = images.image([images.layer([images.file("etc/next", b"")])])
SBOM_TYPE = "application/spdx+json"
SIGNATURE_TYPE = "application/vnd.example.signature"


def refer(subject: images.Content, kind: str = SBOM_TYPE, text: bytes = b"it") -> images.Image:
    changes = {"subject": subject.descriptor(), "annotations": {"org.example": text.decode()}}
    return images.artifact(kind, [images.Content(text, "text/plain")], changes=changes)


SBOM = refer(MANY)
SIGNED_SBOM = refer(SBOM, SIGNATURE_TYPE, b"of the SBOM")
SIGNATURE = refer(MANY, SIGNATURE_TYPE, b"of the index")
OF_ARM = refer(ARM, text=b"of arm64")
ALL = (SBOM, SIGNED_SBOM, OF_ARM)
# the image and its referrers, each with a config and a layer, the empty config once
FILES = 7 + 2 * len(ALL) + 1


@pytest.fixture
def server(registry: FaultyRegistry) -> FaultyRegistry:
    registry.publish("team/app", {"1.0": MANY, "next": NEXT})
    for content in ALL:
        registry.add_content("team/app", content)
    return registry


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "app"


@pytest.fixture
def layout(run_module: t.Any, server: FaultyRegistry, dest: pathlib.Path) -> t.Any:
    def run(**options: t.Any) -> t.Any:
        settings = {"registry": server.name, "repository": "team/app", "reference": "1.0", "referrers": True}
        server.requests.clear()
        result = run_module("oci_layout", dest=str(dest), retries=0, diff=True, **{**settings, **options})
        assert result.results.get("error", {}).get("kind") != "internal", result["msg"]
        return result

    return run


@pytest.fixture
def archive(run_module: t.Any, server: FaultyRegistry, dest: pathlib.Path) -> t.Any:
    def run(**options: t.Any) -> t.Any:
        settings = {"registry": server.name, "repository": "team/app", "reference": "1.0", "referrers": True}
        server.requests.clear()
        return run_module("oci_archive", dest=f"{dest}.tar", retries=0, diff=True, **{**settings, **options})

    return run


def digests(*contents: images.Content) -> list[str]:
    return sorted(content.digest for content in contents)


def copied(run: t.Any) -> list[str]:
    assert not run.failed, run["msg"]
    return [item["digest"] for item in run["referrers"]]


def listed(dest: pathlib.Path, subject: images.Content) -> list[str]:
    """What a server lists that has loaded the layout, after a check that all of it is right."""
    inspection = inspect_layout(str(dest))
    assert [problem.message for problem in inspection.problems] == []
    return sorted(str(item.digest) for item in inspection.layout.referrers.get(Digest.parse(subject.digest), ()))


def test_check_run_check_run(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    predicted = layout(check=True)
    assert (predicted["changed"], predicted["blobs"]["downloaded"]) == (True, FILES)
    assert not dest.exists()
    run = layout()
    assert (run["changed"], run["blobs"], run["diff"]) == (True, predicted["blobs"], predicted["diff"])
    assert copied(run) == digests(*ALL) == copied(predicted)
    assert {"digest": SBOM.digest, "artifact_type": SBOM_TYPE, "tag": None} in run["referrers"]
    assert run["diff"]["before"]["referrers"] == []
    assert run["diff"]["after"]["referrers"] == digests(*ALL)
    assert (listed(dest, MANY), listed(dest, SBOM), listed(dest, ARM)) == (
        [SBOM.digest],
        [SIGNED_SBOM.digest],
        [OF_ARM.digest],
    )
    assert run["tags"] == {"1.0": MANY.digest}
    for check in (True, False):
        again = layout(check=check)
        assert (again["changed"], copied(again)) == (False, digests(*ALL))
        assert [(request.method, request.path) for request in server.requests] == [
            ("HEAD", "/v2/team/app/manifests/1.0"),
            ("GET", f"/v2/team/app/referrers/{MANY.digest}"),
        ]


def test_a_new_referrer_changes_the_layout(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    layout()
    server.add_content("team/app", SIGNATURE)
    run = layout()
    assert (run["changed"], run["blobs"]["downloaded"]) == (True, 2)
    assert listed(dest, MANY) == digests(SBOM, SIGNATURE)
    assert run["diff"]["before"]["referrers"] == digests(*ALL)
    assert run["diff"]["after"]["referrers"] == digests(*ALL, SIGNATURE)
    assert layout()["changed"] is False


def test_a_new_referrer_of_a_referrer_is_found_with_validate(
    layout: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    layout()
    other = refer(SBOM, SIGNATURE_TYPE, b"another")
    server.add_content("team/app", other)
    assert layout()["changed"] is False
    assert layout(validate=True)["changed"] is True
    assert listed(dest, SBOM) == digests(SIGNED_SBOM, other)


def test_the_option_for_an_image_that_is_there(layout: t.Any, dest: pathlib.Path) -> None:
    run = layout(referrers=False)
    assert (run["changed"], copied(run), "referrers" in run["diff"]["after"]) == (True, [], False)
    run = layout()
    assert (run["changed"], run["blobs"]["present"]) == (True, 7)
    assert copied(run) == digests(*ALL)
    # without the option, they stay
    assert layout(referrers=False)["changed"] is False
    assert listed(dest, MANY) == [SBOM.digest]


def test_what_the_registry_no_longer_lists_stays(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    layout()
    del server.repositories["team/app"].manifests[SBOM.digest]
    run = layout()
    assert (run["changed"], copied(run)) == (True, [OF_ARM.digest])
    assert listed(dest, MANY) == [SBOM.digest]
    assert layout()["changed"] is False


def test_a_damaged_referrer_is_repaired(layout: t.Any, dest: pathlib.Path) -> None:
    layout()
    for content in (SBOM, SIGNED_SBOM):
        images.blob_path(dest, content.digest).unlink()
    run = layout()
    assert (run["changed"], run["blobs"]["downloaded"]) == (True, 2)
    assert listed(dest, SBOM) == [SIGNED_SBOM.digest]


def test_another_image_takes_the_referrers_of_the_old_one_away(layout: t.Any, dest: pathlib.Path) -> None:
    layout()
    run = layout(reference="next", dest_tag="1.0", prune=True)
    assert (copied(run), run["orphans"]) == ([], 0)
    assert run["diff"]["after"]["referrers"] == []
    (entry,) = json.loads((dest / "index.json").read_bytes())["manifests"]
    assert entry["digest"] == NEXT.digest
    assert len(run["pruned"]["blobs"]) == FILES
    assert layout(reference="next", dest_tag="1.0", prune=True)["changed"] is False


def test_referrers_of_an_image_with_another_tag_stay(layout: t.Any, dest: pathlib.Path) -> None:
    layout()
    layout(dest_tag="other")
    layout(reference="next", dest_tag="1.0")
    assert listed(dest, MANY) == [SBOM.digest]
    # an image for one platform, which the index that goes had too
    layout(platform="linux/arm64", dest_tag="arm")
    layout(reference="next", dest_tag="other")
    assert (listed(dest, MANY), listed(dest, SBOM), listed(dest, ARM)) == ([], [], [OF_ARM.digest])


def test_absent(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    layout()
    options = {"state": "absent", "prune": True, "check": True}
    predicted = layout(**options)
    run = layout(**{**options, "check": False})
    assert run["diff"] == predicted["diff"]
    assert (run["changed"], run["diff"]["after"]["referrers"]) == (True, [])
    assert json.loads((dest / "index.json").read_bytes())["manifests"] == []
    assert len(run["pruned"]["blobs"]) == FILES
    assert layout(**options)["changed"] is False
    assert server.requests == []


def test_absent_without_the_option_keeps_them(layout: t.Any, dest: pathlib.Path) -> None:
    layout()
    run = layout(state="absent", referrers=False, prune=True)
    assert (run["changed"], run["pruned"]["blobs"]) == (True, [])
    assert listed(dest, MANY) == [SBOM.digest]


def test_by_digest(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    assert copied(layout(reference=ARM.digest)) == [OF_ARM.digest]
    assert layout(reference=ARM.digest)["changed"] is False
    assert [request.path for request in server.requests] == [f"/v2/team/app/referrers/{ARM.digest}"]
    assert layout(reference=ARM.digest, state="absent")["changed"] is True
    assert json.loads((dest / "index.json").read_bytes())["manifests"] == []


def test_of_one_platform(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    assert copied(layout(platform="linux/arm64")) == [OF_ARM.digest]
    assert layout(platform="linux/arm64")["changed"] is False
    assert len(server.requests) == 2
    assert listed(dest, ARM) == [OF_ARM.digest]


def test_pull_missing_asks_nobody(layout: t.Any, server: FaultyRegistry) -> None:
    layout(pull="missing")
    server.add_content("team/app", SIGNATURE)
    run = layout(pull="missing")
    assert (run["changed"], copied(run), server.requests) == (False, digests(*ALL), [])


def test_without_the_api(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    server.referrers = False
    tag = MANY.digest.replace(":", "-")
    server.publish("team/app", {tag: images.index([SBOM])})
    assert copied(layout()) == [SBOM.digest]
    assert layout()["changed"] is False
    assert [request.method for request in server.requests] == ["HEAD", "GET", "GET"]


def test_referrers_that_cannot_be_copied(layout: t.Any, server: FaultyRegistry) -> None:
    server.referrers = False
    gone = refer(MANY, text=b"gone")
    artifact = {**gone.descriptor(), "mediaType": "application/vnd.oci.artifact.manifest.v1+json"}
    odd = images.document_of({**SBOM.document(), "schemaVersion": 3}, SBOM)
    server.add_manifest("team/app", odd.data, odd.media_type)
    entries = [gone.descriptor(), {**artifact, "digest": images.digest_of(b"x")}, OF_ARM.descriptor(), odd.descriptor()]
    listing = images.index([], changes={"manifests": entries})
    server.publish("team/app", {MANY.digest.replace(":", "-"): listing})
    run = layout()
    assert copied(run) == []
    first, second, third, fourth = run.warnings
    assert f"The referrer {gone.digest} is not copied: it is listed, but it is not there." in first
    assert 'its type "application/vnd.oci.artifact.manifest.v1+json" is not supported' in second
    assert f"it is listed as a referrer of {MANY.digest}, but does not refer to it" in third
    assert f"{odd.digest} is not copied: it cannot be used (Reading the manifest {odd.digest} failed" in fourth


def test_a_referrer_with_other_bytes_is_an_error(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    server.on(f"/manifests/{SBOM.digest}", Reply(body=SBOM.data + b" "))
    assert layout()["error"]["kind"] == "digest_mismatch"
    assert not dest.exists()


def test_a_list_that_cannot_be_read_changes_nothing(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    server.on("/referrers/", Reply(status=403, body=b""))
    assert layout()["error"]["kind"] == "denied"
    assert not dest.exists()


def test_too_many(layout: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REFERRERS", 1)
    run = layout()
    assert run["error"]["kind"] == "unsupported"
    assert f"Listing the referrers of {MANY.digest} failed: there are more than 1; set referrers to false" in run["msg"]


def test_a_registry_that_lists_the_same_lost_referrers_for_everything_is_asked_for_few(
    layout: t.Any, server: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of many referrers would be a subject with a list of referrers that are not there."""
    monkeypatch.setattr(module, "MAX_LISTED", 20)
    lost = [refer(NEXT, text=b"%d" % number).descriptor() for number in range(8)]
    document = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": [SBOM.descriptor(), *lost]}
    server.on("/referrers/", Reply(body=images.to_json(document)))
    run = layout()
    assert run["error"]["kind"] == "unsupported"
    assert "there are more than 20; set referrers to false" in run["msg"]
    assert len(server.sent("/manifests/")) <= 20


def test_documents_that_refer_to_something_else_count_for_the_limit_of_memory(
    layout: t.Any, server: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout_contents, "MAX_DOCUMENT_BYTES", 10_000)
    large = [refer(NEXT, text=b"%d" % number + b"." * 3000) for number in range(8)]
    for content in large:
        server.add_content("team/app", content)
    document = {"schemaVersion": 2, "manifests": [content.descriptor() for content in large]}
    server.on("/referrers/", Reply(body=images.to_json(document)))
    run = layout()
    assert run["error"]["kind"] == "unsupported"
    assert "10000 bytes of them; choose a platform, or leave out the referrers" in run["msg"]
    assert sum(bool(server.sent(content.digest)) for content in large) < 4


def test_referrers_that_refer_to_each_other_through_an_index(layout: t.Any, server: FaultyRegistry) -> None:
    """A referrer may be an index, which has the image itself among its manifests."""
    around = images.index([MANY, AMD], changes={"subject": MANY.descriptor(), "artifactType": SBOM_TYPE})
    server.add_content("team/app", around)
    assert around.digest in copied(layout())
    assert layout()["changed"] is False


# --- tags of cosign --------------------------------------------------------------------------------------------------

COSIGN = images.image([images.layer(b"signature", media_type="application/vnd.dev.cosign.simplesigning.v1+json")])
COSIGN_TAG = MANY.digest.replace(":", "-") + ".sig"
TAGS = {"cosign_tags": True, "referrers": False}


def test_tags_of_cosign(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    server.publish("team/app", {COSIGN_TAG: COSIGN})
    predicted = layout(**TAGS, check=True)
    run = layout(**TAGS)
    assert (run["changed"], run["diff"]) == (True, predicted["diff"])
    assert run["tags"] == {"1.0": MANY.digest, COSIGN_TAG: COSIGN.digest}
    assert run["referrers"] == [{"digest": COSIGN.digest, "artifact_type": None, "tag": COSIGN_TAG}]
    assert layout(**TAGS)["changed"] is False
    assert len(server.requests) == 4
    # another signature is another manifest under the same tag
    again = images.image([*COSIGN.layers, images.layer(b"more", media_type="text/plain")])
    server.publish("team/app", {COSIGN_TAG: again})
    run = layout(**TAGS)
    assert (run["changed"], run["tags"][COSIGN_TAG], run["blobs"]["downloaded"]) == (True, again.digest, 3)
    # what the registry no longer has stays
    del server.repositories["team/app"].tags[COSIGN_TAG]
    run = layout(**TAGS)
    assert (run["changed"], run["tags"][COSIGN_TAG]) == (False, again.digest)


def test_tags_of_cosign_go_with_their_image(layout: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    server.publish("team/app", {COSIGN_TAG: COSIGN})
    both = {"cosign_tags": True, "referrers": True}
    assert copied(layout(**both)) == [COSIGN.digest, *digests(*ALL)]
    run = layout(**both, reference="next", dest_tag="1.0", prune=True)
    assert (run["tags"], run["orphans"], run["diff"]["after"]["referrers"]) == ({"1.0": NEXT.digest}, 0, [])
    layout(**both)
    run = layout(**both, state="absent", prune=True)
    assert (run["tags"], run["orphans"]) == ({}, 0)


def test_a_referrer_with_a_tag_of_cosign_is_one_entry(
    layout: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    server.add_tag("team/app", COSIGN_TAG, SBOM.digest)
    run = layout(cosign_tags=True)
    assert (run["changed"], run["tags"][COSIGN_TAG]) == (True, SBOM.digest)
    entries = json.loads((dest / "index.json").read_bytes())["manifests"]
    assert sorted(entry["digest"] for entry in entries) == digests(MANY, *ALL)
    assert listed(dest, MANY) == [SBOM.digest]
    assert layout(cosign_tags=True)["changed"] is False


def test_pull_missing_asks_for_no_tag(layout: t.Any, server: FaultyRegistry) -> None:
    server.publish("team/app", {COSIGN_TAG: COSIGN})
    layout(cosign_tags=True, pull="missing")
    del server.repositories["team/app"].tags[COSIGN_TAG]
    run = layout(cosign_tags=True, pull="missing")
    assert (run["changed"], copied(run)) == (False, [COSIGN.digest, *digests(*ALL)])
    assert server.requests == []


def test_tags_of_cosign_in_archives(
    archive: t.Any, run_module: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    server.publish("team/app", {COSIGN_TAG: COSIGN})
    run = archive(cosign_tags=True)
    assert (run["changed"], copied(run)) == (True, [COSIGN.digest, *digests(*ALL)])
    assert archive(cosign_tags=True)["changed"] is False
    before = archive(cosign_tags=True, dest_name="2.0")["diff"]["before"]
    assert before["names"] == ["1.0", f"{server.name}/team/app:1.0"]
    assert "cosign_tags: true contradict" in archive(cosign_tags=True, referrers=False, format="docker")["msg"]
    # the image is found without a reference, and so is its signature
    found = run_module("oci_referrers", layout=f"{dest}.tar")
    assert [(item["digest"], item["tag"]) for item in found["referrers"]] == [
        (SBOM.digest, None),
        (COSIGN.digest, COSIGN_TAG),
    ]
    options = {"layout": f"{dest}.tar", "dest": str(dest), "cosign_tags": True, "referrers": True}
    run = run_module("oci_layout", **options)
    assert run["tags"] == {"2.0": MANY.digest, COSIGN_TAG: COSIGN.digest}
    assert run_module("oci_layout", **options)["changed"] is False
    run = archive(referrers=False)
    assert (run["changed"], run["diff"]["after"]["referrers"]) == (True, [])


def test_a_signature_goes_with_an_archive(
    archive: t.Any, run_module: t.Any, dest: pathlib.Path, server: FaultyRegistry, tmp_path: pathlib.Path
) -> None:
    key = SigningKey.make("p256")
    key.write(tmp_path / "cosign.pub")
    signed = signatures([simple_signing(key, MANY.digest, f"{server.name}/team/app")])
    server.publish("team/app", {signature_tag(MANY.digest): signed})
    options = {"layout": f"{dest}.tar", "signature": {"keys": [str(tmp_path / "cosign.pub")], "identity": "none"}}
    archive(referrers=False)
    assert run_module("oci_image_info", **options)["error"]["kind"] == "signature_invalid"
    archive(referrers=False, cosign_tags=True)
    assert not run_module("oci_image_info", **options).failed


# --- archives --------------------------------------------------------------------------------------------------------


def test_an_archive(archive: t.Any, run_module: t.Any, dest: pathlib.Path, server: FaultyRegistry) -> None:
    predicted = archive(check=True)
    run = archive()
    assert (run["changed"], run["diff"], copied(run)) == (True, predicted["diff"], digests(*ALL))
    assert run["diff"]["after"]["referrers"] == digests(*ALL)
    bytes_before = pathlib.Path(f"{dest}.tar").read_bytes()
    again = archive()
    assert (again["changed"], len(server.requests), again["before"]) == (False, 2, MANY.digest)
    found = run_module("oci_referrers", layout=f"{dest}.tar")
    assert (found["digest"], [item["digest"] for item in found["referrers"]]) == (MANY.digest, [SBOM.digest])
    # of the same image and referrers, the same bytes
    pathlib.Path(f"{dest}.tar").unlink()
    archive()
    assert pathlib.Path(f"{dest}.tar").read_bytes() == bytes_before


def test_an_archive_follows_the_registry(archive: t.Any, server: FaultyRegistry) -> None:
    archive()
    server.add_content("team/app", SIGNATURE)
    run = archive()
    assert (run["changed"], run["blobs"]["downloaded"]) == (True, 2)
    assert run["diff"]["before"]["referrers"] == digests(*ALL)
    del server.repositories["team/app"].manifests[SBOM.digest]
    run = archive()
    assert (run["changed"], copied(run)) == (True, digests(OF_ARM, SIGNATURE))
    assert archive()["changed"] is False
    run = archive(referrers=False)
    assert (run["changed"], run["diff"]["after"]["referrers"]) == (True, [])
    assert archive(referrers=False)["changed"] is False


def test_an_archive_for_docker_has_none(archive: t.Any) -> None:
    run = archive(format="docker")
    assert run["error"]["kind"] == "configuration"
    assert "format: docker and referrers: true contradict each other" in run["msg"]


def test_from_an_archive_to_a_layout(
    archive: t.Any, run_module: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    archive()
    server.requests.clear()
    options = {"layout": f"{dest}.tar", "dest": str(dest), "referrers": True}
    run = run_module("oci_layout", **options)
    assert (run["changed"], copied(run)) == (True, digests(*ALL))
    assert listed(dest, SBOM) == [SIGNED_SBOM.digest]
    assert run_module("oci_layout", **options)["changed"] is False
    assert server.requests == []


def test_the_only_image_of_an_archive_needs_no_reference(archive: t.Any, run_module: t.Any, dest: pathlib.Path) -> None:
    archive(reference=AMD.digest)
    archive(reference=ARM.digest)
    run = run_module("oci_image_info", layout=f"{dest}.tar", platform="linux/arm64")
    assert run["image"]["digest"] == ARM.digest


def test_the_only_image_with_a_name_needs_no_reference(run_module: t.Any, dest: pathlib.Path) -> None:
    """oras writes no artifact type to the entries of some referrers."""
    bare = dataclasses.replace(SBOM, artifact_type=None)
    images.write_layout(dest, {"1.0": MANY}, untagged=[bare, SIGNED_SBOM])
    run = run_module("oci_referrers", layout=str(dest))
    assert (run["digest"], [item["digest"] for item in run["referrers"]]) == (MANY.digest, [SBOM.digest])
    images.write_layout(dest, {"1.0": MANY, "2.0": NEXT}, untagged=[SBOM])
    assert run_module("oci_referrers", layout=str(dest))["error"]["kind"] == "ambiguous"


def test_a_referrer_that_describes_its_subject_wrongly_keeps_no_other_image_from_being_served(
    layout: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    changes = {"subject": MANY.descriptor(size=1)}
    liar = images.artifact(SBOM_TYPE, [images.Content(b"lies", "text/plain")], changes=changes)
    server.add_content("team/app", liar)
    assert liar.digest in copied(layout(prune=True))
    assert inspect_layout(str(dest)).problems == ()
    assert layout(prune=True)["changed"] is False


def test_an_image_that_is_listed_as_another_kind_of_file_first_is_complete(
    layout: t.Any, dest: pathlib.Path, server: FaultyRegistry
) -> None:
    listed = [AMD.descriptor(mediaType="application/x"), AMD.descriptor(), ARM.descriptor()]
    server.add_content("team/app", images.index([AMD, ARM], changes={"manifests": listed}))
    server.add_blob("team/app", AMD.data)
    server.add_tag("team/app", "1.0", images.index([AMD, ARM], changes={"manifests": listed}).digest)
    assert layout()["changed"]
    assert all(images.blob_path(dest, digest).exists() for digest in AMD.blobs())
    assert not inspect_layout(str(dest)).problems


@pytest.mark.parametrize("others", [images.OCI_INDEX, images.DOCKER_MANIFEST])
def test_an_image_that_is_listed_with_two_types_is_refused(
    layout: t.Any, dest: pathlib.Path, server: FaultyRegistry, others: str
) -> None:
    """The server serves nothing of a layout with such an index."""
    listed = [AMD.descriptor(), ARM.descriptor(), AMD.descriptor(mediaType=others)]
    twice = images.index([AMD, ARM], changes={"manifests": listed})
    server.publish("team/app", {"1.0": twice})
    run = layout()
    assert run["error"]["kind"] == "manifest_invalid"
    assert f"{AMD.digest} is listed with the types" in run["msg"]
    assert not dest.exists()
