# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_referrers lists referrers by the API, the referrers tag and the tags of cosign, and in layouts."""

from __future__ import annotations

import pathlib
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.registry import layout_referrers
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

ARM = images.image([images.layer([images.file("f", b"arm")])], platform="linux/arm64")
AMD = images.image([images.layer([images.file("f", b"amd")])])
INDEX = images.index([AMD, ARM])
SBOM_TYPE = "application/spdx+json"
COSIGN_SIG = "application/vnd.dev.cosign.artifact.sig.v1+json"


def refer(subject: images.Content, kind: str = SBOM_TYPE, text: bytes = b"it") -> images.Image:
    changes = {"subject": subject.descriptor(), "annotations": {"org.example": text.decode()}}
    return images.artifact(kind, [images.Content(text, "text/plain")], changes=changes)


SBOM = refer(INDEX)
BUNDLE = refer(INDEX, "application/vnd.dev.sigstore.bundle.v0.3+json", b"bundle")
OF_ARM = refer(ARM, text=b"for arm")
SIGNATURE = images.image([images.layer(b"signature", media_type="application/vnd.dev.cosign.simplesigning.v1+json")])
MISSING = f"sha256:{'0' * 64}"
SIGNATURE_TAG = INDEX.digest.replace(":", "-") + ".sig"


@pytest.fixture
def referrers(run_module: t.Any, registry: FaultyRegistry) -> t.Any:
    registry.publish("team/app", {"1.0": INDEX, "other": AMD, SIGNATURE_TAG: SIGNATURE})
    for content in (SBOM, BUNDLE, OF_ARM):
        registry.add_content("team/app", content)

    def run(**options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "reference": "1.0", "retries": 0}
        return run_module("oci_referrers", **{**settings, **options})

    return run


def digests(run: t.Any) -> list[str]:
    assert run["count"] == len(run["referrers"])
    return [item["digest"] for item in run["referrers"]]


@pytest.mark.parametrize("check", [False, True])
def test_lists_referrers_and_what_cosign_tagged(referrers: t.Any, registry: FaultyRegistry, check: bool) -> None:
    run = referrers(check=check)
    assert (run["changed"], run["digest"], run["count"]) == (False, INDEX.digest, 3)
    assert run["referrers"][0] == {
        "digest": SBOM.digest,
        "media_type": SBOM.media_type,
        "artifact_type": SBOM_TYPE,
        "size": SBOM.size,
        "annotations": {"org.example": "it"},
        "source": "api",
        "tag": None,
    }
    assert run["referrers"][2] == {
        "digest": SIGNATURE.digest,
        "media_type": SIGNATURE.media_type,
        "artifact_type": COSIGN_SIG,
        "size": SIGNATURE.size,
        "annotations": {},
        "source": "cosign",
        "tag": SIGNATURE_TAG,
    }
    assert [request.method for request in registry.requests] == ["HEAD", "GET", "GET", "GET", "GET"]


def test_of_one_type(referrers: t.Any, registry: FaultyRegistry) -> None:
    assert digests(referrers(artifact_type=SBOM_TYPE)) == [SBOM.digest]
    assert len(registry.requests) == 2
    assert digests(referrers(artifact_type=COSIGN_SIG)) == [SIGNATURE.digest]
    assert len(registry.requests) == 5


def test_of_a_platform(referrers: t.Any) -> None:
    run = referrers(platform="linux/arm64")
    assert (run["digest"], digests(run)) == (ARM.digest, [OF_ARM.digest])
    assert referrers(platform="linux/s390x")["error"]["kind"] == "platform_not_found"


def test_by_the_referrers_tag(referrers: t.Any, registry: FaultyRegistry) -> None:
    registry.referrers = False
    listed = images.index([SBOM])
    registry.add_tag("team/app", INDEX.digest.replace(":", "-"), registry.add_content("team/app", listed))
    run = referrers()
    assert digests(run) == [SBOM.digest, SIGNATURE.digest]
    assert [item["source"] for item in run["referrers"]] == ["tag", "cosign"]


def test_a_referrer_that_has_a_tag_of_cosign_too_is_listed_once(referrers: t.Any, registry: FaultyRegistry) -> None:
    registry.add_tag("team/app", SIGNATURE_TAG, BUNDLE.digest)
    run = referrers()
    assert digests(run) == [SBOM.digest, BUNDLE.digest]
    assert [(item["source"], item["tag"]) for item in run["referrers"]] == [("api", None), ("api", SIGNATURE_TAG)]


def test_a_digest_needs_no_look_up(referrers: t.Any, registry: FaultyRegistry) -> None:
    assert digests(referrers(reference=ARM.digest)) == [OF_ARM.digest]
    assert registry.sent(f"manifests/{ARM.digest}$") == []


def test_an_image_without_referrers(referrers: t.Any) -> None:
    for reference in ("other", AMD.digest):
        assert digests(referrers(reference=reference)) == []


@pytest.mark.parametrize(
    "options",
    [{"reference": "edge"}, {"reference": MISSING}, {"repository": "b", "reference": AMD.digest}],
)
def test_what_is_not_there_is_an_error(referrers: t.Any, options: dict[str, str]) -> None:
    run = referrers(**options)
    assert (run.failed, run["error"]["kind"]) == (True, "not_found")


def test_a_tag_that_leads_elsewhere(referrers: t.Any) -> None:
    assert referrers(reference=f"1.0@{AMD.digest}")["error"]["kind"] == "digest_mismatch"


@pytest.mark.parametrize("path", ["/referrers/", r"\.sig$"])
def test_a_list_that_cannot_be_read_is_an_error(referrers: t.Any, registry: FaultyRegistry, path: str) -> None:
    """An empty list would say that an image has no signature."""
    registry.on(path, error(403, "DENIED"))
    run = referrers()
    assert (run.failed, run["error"]["kind"]) == (True, "denied")


def test_wrong_bytes_under_a_tag_of_cosign(referrers: t.Any, registry: FaultyRegistry) -> None:
    registry.on(r"\.sig$", Reply(body=b"{}"))
    assert referrers()["error"]["kind"] == "digest_mismatch"


def test_a_query(referrers: t.Any) -> None:
    assert referrers(query="referrers[].artifact_type")["query_result"] == [SBOM_TYPE, BUNDLE.artifact_type, COSIGN_SIG]


def test_options_that_do_not_fit(run_module: t.Any) -> None:
    assert "one of the following is required: image, repository, layout" in run_module("oci_referrers")["msg"]
    run = run_module("oci_referrers", layout="/x", repository="app")
    assert "The options layout and repository are mutually exclusive" in run["msg"]


# --- layouts ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> pathlib.Path:
    tagged = {"1.0": INDEX, SIGNATURE_TAG: SIGNATURE}
    return images.write_layout(tmp_path / "layout", tagged, untagged=[SBOM, BUNDLE, OF_ARM])


def pack(layout: pathlib.Path) -> pathlib.Path:
    archive = layout.with_suffix(".tar")
    with tarfile.open(archive, "w") as file:
        file.add(layout, ".")
    return archive


@pytest.mark.parametrize("packed", [False, True])
def test_of_a_layout(run_module: t.Any, layout: pathlib.Path, packed: bool) -> None:
    path = pack(layout) if packed else layout
    run = run_module("oci_referrers", layout=str(path), reference="1.0")
    assert (run["digest"], digests(run)) == (INDEX.digest, [SBOM.digest, BUNDLE.digest, SIGNATURE.digest])
    assert [item["source"] for item in run["referrers"]] == ["layout", "layout", "cosign"]
    assert run["referrers"][0]["annotations"] == {"org.example": "it"}
    run = run_module("oci_referrers", layout=str(path), reference="1.0", artifact_type=SBOM_TYPE)
    assert digests(run) == [SBOM.digest]
    run = run_module("oci_referrers", layout=str(path), reference="1.0", platform="linux/arm64")
    assert digests(run) == [OF_ARM.digest]


def test_of_an_index_in_a_layout(run_module: t.Any, tmp_path: pathlib.Path) -> None:
    """Layouts of other tools keep the index of the referrers tag schema; an entry may be missing."""
    listed = images.index([SBOM, BUNDLE])
    path = images.write_layout(tmp_path / "it", {"1.0": INDEX, INDEX.digest.replace(":", "-"): listed})
    images.blob_path(path, BUNDLE.digest).unlink()
    run = run_module("oci_referrers", layout=str(path), reference="1.0")
    assert (digests(run), run.warnings) == ([SBOM.digest], [])


def test_a_damaged_manifest_in_a_layout(run_module: t.Any, layout: pathlib.Path) -> None:
    images.write_blob(layout, SBOM.digest, SBOM.data[:-1] + b" ")
    run = run_module("oci_referrers", layout=str(layout), reference="1.0")
    assert digests(run) == [BUNDLE.digest, SIGNATURE.digest]
    (warning,) = run.warnings
    assert "A manifest is left out." in warning
    assert SBOM.digest in warning


@pytest.mark.parametrize(("limit", "value"), [("MAX_DOCUMENTS", 3), ("MAX_DOCUMENT_BYTES", 900)])
def test_a_layout_above_the_limits(
    run_module: t.Any, layout: pathlib.Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(layout_referrers, limit, value)
    run = run_module("oci_referrers", layout=str(layout), reference="1.0")
    assert run["error"]["kind"] == "unsupported"
    assert f"Listing the referrers in {layout} failed" in run["msg"]


def test_a_digest_that_a_layout_lacks(run_module: t.Any, layout: pathlib.Path) -> None:
    run = run_module("oci_referrers", layout=str(layout), reference=MISSING)
    assert run["error"]["kind"] == "not_found"
