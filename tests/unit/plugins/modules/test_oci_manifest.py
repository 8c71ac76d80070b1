# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_manifest reads manifests and indexes, keeps them in files, and tells whether they exist."""

from __future__ import annotations

import base64
import json
import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import archives, images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

ARM = images.image([images.layer([images.file("f", b"arm")])], platform="linux/arm64")
AMD = images.image([images.layer([images.file("f", b"amd")])])
INDEX = images.index([AMD, ARM])
READ = {"exists", "digest", "media_type", "size", "document", "content", "children"}


@pytest.fixture
def dest(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "manifest.json"


@pytest.fixture
def manifest(run_module: t.Any, registry: FaultyRegistry) -> t.Any:
    registry.publish("team/app", {"multi": INDEX, "1.0": AMD})

    def run(**options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "reference": "multi", "retries": 0}
        return run_module("oci_manifest", **{**settings, **options})

    return run


@pytest.mark.parametrize("check", [False, True])
def test_reads_an_index(manifest: t.Any, check: bool) -> None:
    run = manifest(check=check)
    assert (run["changed"], run["exists"], run["digest"], run["media_type"], run["size"]) == (
        False,
        True,
        INDEX.digest,
        INDEX.media_type,
        len(INDEX.data),
    )
    assert run["document"] == json.loads(INDEX.data)
    assert base64.b64decode(run["content"]) == INDEX.data
    assert [(child["digest"], child["platform"], child["size"]) for child in run["children"]] == [
        (AMD.digest, "linux/amd64", len(AMD.data)),
        (ARM.digest, "linux/arm64", len(ARM.data)),
    ]
    assert run["children"][0]["annotations"] == {}


def test_reads_a_manifest(manifest: t.Any, registry: FaultyRegistry) -> None:
    run = manifest(reference="1.0")
    assert (run["digest"], run["media_type"], run["children"]) == (AMD.digest, AMD.media_type, [])
    assert [request.method for request in registry.requests] == ["GET"]


@pytest.mark.parametrize("reference", ["multi", INDEX.digest, f"multi@{INDEX.digest}"])
def test_one_string_names_it(manifest: t.Any, run_module: t.Any, registry: FaultyRegistry, reference: str) -> None:
    name = f"{registry.name}/team/app{'' if reference.startswith('sha256') else ':'}{reference}"
    name = name.replace("appsha256", "app@sha256")
    assert run_module("oci_manifest", image=name)["digest"] == INDEX.digest


def test_a_tag_that_leads_elsewhere(manifest: t.Any) -> None:
    for head in (False, True):
        run = manifest(reference=f"1.0@{INDEX.digest}", head=head)
        assert run["error"]["kind"] == "digest_mismatch"
        assert "the tag 1.0 now leads to" in run["msg"]


def test_a_platform_is_selected_from_an_index(manifest: t.Any) -> None:
    run = manifest(platform="linux/arm64")
    assert (run["digest"], run["document"]) == (ARM.digest, json.loads(ARM.data))
    assert manifest(platform="linux/s390x")["error"]["kind"] == "platform_not_found"
    assert manifest(reference="1.0", platform="linux/arm64")["error"]["kind"] == "platform_not_found"


@pytest.mark.parametrize("check", [False, True])
def test_a_head_is_no_pull(manifest: t.Any, registry: FaultyRegistry, check: bool) -> None:
    run = manifest(head=True, check=check)
    assert (run["digest"], run["media_type"], run["size"]) == (INDEX.digest, INDEX.media_type, len(INDEX.data))
    assert run["changed"] is False
    assert (READ & run.results.keys()) == {"exists", "digest", "media_type", "size"}
    assert [request.method for request in registry.requests] == ["HEAD"]


def test_a_head_without_a_digest(manifest: t.Any, registry: FaultyRegistry) -> None:
    registry.on("/manifests/", Reply(drop=("Docker-Content-Digest",)))
    run = manifest(head=True)
    assert (run["error"]["kind"], "does not state its digest" in run["msg"]) == ("protocol", True)


def test_a_head_that_is_refused(manifest: t.Any, registry: FaultyRegistry) -> None:
    registry.on("/manifests/", Reply(status=405, body=b""), method="HEAD")
    assert manifest(head=True)["error"]["status"] == 405


def test_the_length_of_a_compressed_answer_is_not_that_of_the_manifest(
    manifest: t.Any, registry: FaultyRegistry
) -> None:
    registry.on("/manifests/", Reply(headers={"Content-Encoding": "gzip"}), method="HEAD")
    assert manifest(head=True)["size"] is None


@pytest.mark.parametrize(
    "missing", [{"reference": "2.0"}, {"repository": "no/such"}, {"reference": "sha256:" + "0" * 64}]
)
@pytest.mark.parametrize("more", [{}, {"head": True}, {"dest": True}, {"platform": "linux/amd64"}])
def test_a_manifest_that_is_missing(
    manifest: t.Any, dest: pathlib.Path, missing: dict[str, t.Any], more: dict[str, t.Any]
) -> None:
    if "dest" in more:
        more = {"dest": str(dest)}
    run = manifest(**missing, **more)
    assert (run.failed, run["error"]["kind"]) == (True, "not_found")
    run = manifest(**missing, **more, fail_if_missing=False)
    assert (run.failed, run["changed"], run["exists"]) == (False, False, False)
    assert (READ & run.results.keys()) == {"exists"}
    assert not dest.exists()


def test_an_index_without_the_manifest_of_the_platform_is_not_missing(
    manifest: t.Any, registry: FaultyRegistry
) -> None:
    del registry.repositories["team/app"].manifests[ARM.digest]
    run = manifest(platform="linux/arm64", fail_if_missing=False)
    assert run["error"]["kind"] == "not_found"
    assert ARM.digest in run["msg"]


def test_a_refused_login_is_not_a_missing_manifest(manifest: t.Any, registry: FaultyRegistry) -> None:
    registry.auth = "basic"
    assert manifest(fail_if_missing=False)["error"]["kind"] == "unauthorized"


def test_check_run_check_run(manifest: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    first = manifest(dest=str(dest), mode="0640", check=True, diff=True)
    assert (first["changed"], first["diff"]["before"]) == (True, {"digest": None})
    assert list(dest.parent.iterdir()) == []

    second = manifest(dest=str(dest), mode="0640", diff=True)
    assert second["changed"] is True
    assert second["diff"]["after"] == {"digest": INDEX.digest, "size": len(INDEX.data), "mode": "0640"}
    assert dest.read_bytes() == INDEX.data
    assert dest.stat().st_mode & 0o777 == 0o640
    assert list(dest.parent.iterdir()) == [dest]

    for check in (True, False):
        registry.clear()
        again = manifest(dest=str(dest), mode="0640", check=check)
        assert again["changed"] is False
        assert {name: again[name] for name in READ} == {name: second[name] for name in READ}
        assert [request.method for request in registry.requests] == ["HEAD"]


def test_a_digest_that_is_there_asks_nobody(manifest: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    assert manifest(reference=AMD.digest, dest=str(dest))["changed"] is True
    registry.clear()
    assert manifest(reference=AMD.digest, dest=str(dest))["changed"] is False
    assert registry.requests == []


def test_a_tag_that_moved_replaces_the_file(manifest: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    manifest(dest=str(dest))
    registry.add_tag("team/app", "multi", AMD.digest)
    run = manifest(dest=str(dest), diff=True)
    assert (run["changed"], run["digest"]) == (True, AMD.digest)
    assert run["diff"]["before"]["digest"] == INDEX.digest
    assert dest.read_bytes() == AMD.data


def test_a_changed_file_is_replaced(manifest: t.Any, dest: pathlib.Path) -> None:
    manifest(dest=str(dest))
    dest.write_bytes(b"{}")
    dest.chmod(0o600)
    assert manifest(dest=str(dest))["changed"] is True
    assert (dest.read_bytes(), dest.stat().st_mode & 0o777) == (INDEX.data, 0o600)


def test_only_the_mode_changes(manifest: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    manifest(dest=str(dest), mode="0644")
    registry.clear()
    run = manifest(dest=str(dest), mode="0600", diff=True)
    assert (run["changed"], dest.stat().st_mode & 0o777) == (True, 0o600)
    assert not registry.sent(method="GET")


def test_a_registry_that_refuses_head_is_asked_for_the_manifest(
    manifest: t.Any, dest: pathlib.Path, registry: FaultyRegistry
) -> None:
    registry.on("/manifests/", Reply(status=405, body=b""), method="HEAD")
    assert manifest(dest=str(dest))["changed"] is True
    assert manifest(dest=str(dest))["changed"] is False


def test_the_manifest_of_a_platform_is_kept(manifest: t.Any, dest: pathlib.Path) -> None:
    assert manifest(platform="linux/arm64", dest=str(dest))["changed"] is True
    assert dest.read_bytes() == ARM.data
    assert manifest(platform="linux/arm64", dest=str(dest))["changed"] is False


@pytest.mark.parametrize("left", [INDEX.data[:10], b"something else", INDEX.data, INDEX.data + b"more"])
def test_an_unfinished_file_of_an_earlier_run(manifest: t.Any, dest: pathlib.Path, left: bytes) -> None:
    partial = dest.parent / f".oci_blob.{INDEX.digest.replace(':', '-')}"
    partial.write_bytes(left)
    partial.chmod(0o600)
    assert manifest(dest=str(dest))["changed"] is True
    assert dest.read_bytes() == INDEX.data
    assert list(dest.parent.iterdir()) == [dest]


def test_a_directory_as_destination(manifest: t.Any, tmp_path: pathlib.Path) -> None:
    run = manifest(dest=str(tmp_path))
    assert run["error"]["kind"] == "destination"
    assert "The manifest cannot be written to" in run["msg"]


def test_content_with_another_digest_is_not_kept(manifest: t.Any, dest: pathlib.Path, registry: FaultyRegistry) -> None:
    registry.on("/manifests/", Reply(body=AMD.data), method="GET")
    assert manifest(reference=INDEX.digest, dest=str(dest))["error"]["kind"] == "digest_mismatch"
    assert list(dest.parent.iterdir()) == []


@pytest.mark.parametrize("option", ["dest", "platform"])
def test_a_head_excludes_what_needs_the_manifest(manifest: t.Any, option: str) -> None:
    assert "mutually exclusive" in manifest(head=True, **{option: "linux/amd64"})["msg"]


def test_a_query_sees_what_is_returned(manifest: t.Any, dest: pathlib.Path) -> None:
    run = manifest(query="children[].platform", dest=str(dest))
    assert (run["query_result"], run["changed"]) == (["linux/amd64", "linux/arm64"], True)
    assert "document" not in run.results


def test_an_invalid_platform_sends_nothing(manifest: t.Any, registry: FaultyRegistry) -> None:
    assert manifest(platform="linux")["error"]["kind"] == "reference_invalid"
    assert registry.requests == []


def test_the_first_mirror_that_has_it(manifest: t.Any, registry: FaultyRegistry) -> None:
    with FaultyRegistry() as empty, FaultyRegistry() as mirror:
        mirror.publish("team/app", {"multi": AMD})
        for head in (False, True):
            run = manifest(mirrors=[empty.name, mirror.name], head=head)
            assert run["digest"] == AMD.digest
            (warning,) = run.warnings
            assert f"The mirror {empty.name} was skipped at {empty.url}/v2/team/app/manifests/multi: " in warning
    assert registry.requests == []


# --- from a layout or an archive ---


def test_reads_an_index_of_an_archive(run_module: t.Any, tmp_path: pathlib.Path, dest: pathlib.Path) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(archives.oci_archive({"multi": INDEX, "1.0": AMD}))

    def run(**options: t.Any) -> t.Any:
        return run_module("oci_manifest", layout=str(path), **options)

    read = run(reference="multi")
    assert (read["exists"], read["digest"], base64.b64decode(read["content"])) == (True, INDEX.digest, INDEX.data)
    assert run(reference=ARM.digest)["digest"] == ARM.digest
    assert run(reference="multi", platform="linux/arm64")["digest"] == ARM.digest
    head = run(reference="multi", head=True)
    assert (head["digest"], head["media_type"], head["size"]) == (INDEX.digest, INDEX.media_type, len(INDEX.data))
    assert [run(reference="multi", dest=str(dest))["changed"] for dummy in range(2)] == [True, False]
    assert dest.read_bytes() == INDEX.data


@pytest.mark.parametrize("reference", ["2.0", "sha256:" + "0" * 64])
def test_a_missing_image_of_an_archive(run_module: t.Any, tmp_path: pathlib.Path, reference: str) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(archives.oci_archive({"1.0": AMD}))
    options = {"layout": str(path), "reference": reference}
    assert run_module("oci_manifest", **options)["error"]["kind"] == "not_found"
    for head in (True, False):
        run = run_module("oci_manifest", **options, head=head, fail_if_missing=False)
        assert (run["changed"], run["exists"]) == (False, False)
