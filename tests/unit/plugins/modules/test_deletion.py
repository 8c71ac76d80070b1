# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules oci_manifest and oci_blob delete with state=absent, only what the task names, and nothing twice."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

IMAGE = images.image([images.layer([images.file("f", b"content")])])
OTHER = images.image([images.layer([images.file("f", b"other")])])
LAYER = IMAGE.layers[0]


@pytest.fixture
def registry() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry(writable=True) as server:
        server.publish("team/app", {"1.0": IMAGE, "stable": IMAGE, "2.0": OTHER})
        yield server


@pytest.fixture
def delete(run_module: t.Any, registry: FaultyRegistry) -> t.Any:
    def run(module: str, **options: t.Any) -> t.Any:
        settings = {"registry": registry.name, "repository": "team/app", "state": "absent", "retries": 0}
        return run_module(module, **{**settings, **options})

    return run


def tags(registry: FaultyRegistry) -> dict[str, str]:
    return registry.repositories["team/app"].tags


def methods(registry: FaultyRegistry) -> list[str]:
    return [request.method for request in registry.requests]


# --- oci_manifest ---


@pytest.mark.parametrize(
    "options",
    [{"reference": "1.0"}, {"tag": "stable"}, {"digest": IMAGE.digest}, {"reference": f"1.0@{IMAGE.digest}"}],
)
def test_a_manifest_goes_with_all_its_tags(delete: t.Any, registry: FaultyRegistry, options: dict[str, str]) -> None:
    checked = delete("oci_manifest", **options, check=True, diff=True)
    assert methods(registry) == ["HEAD"]
    run = delete("oci_manifest", **options, diff=True)
    assert tags(registry) == {"2.0": OTHER.digest}
    assert IMAGE.digest not in registry.repositories["team/app"].manifests
    assert run.results == checked.results
    assert (run["changed"], run["exists"], run["digest"]) == (True, False, IMAGE.digest)
    assert run["diff"] == {"before": {"digest": IMAGE.digest}, "after": {}}
    # the layers stay
    assert LAYER.digest in registry.repositories["team/app"].blobs
    again = delete("oci_manifest", **options)
    assert (again["changed"], again["exists"]) == (False, False)
    assert "digest" not in again.results


def test_the_full_name_of_an_image(delete: t.Any, registry: FaultyRegistry) -> None:
    name = f"{registry.name}/team/app"
    run = delete("oci_manifest", image=name, registry=None, repository=None)
    assert "the default latest is not enough" in run["msg"]
    assert delete("oci_manifest", image=f"{name}:2.0", registry=None, repository=None)["digest"] == OTHER.digest


def test_a_manifest_in_a_missing_repository(delete: t.Any) -> None:
    assert not delete("oci_manifest", repository="team/none", reference="1.0")["changed"]


def test_the_tag_must_lead_to_the_digest(delete: t.Any, registry: FaultyRegistry) -> None:
    run = delete("oci_manifest", reference=f"1.0@{OTHER.digest}")
    assert run["error"]["kind"] == "digest_mismatch"
    assert len(tags(registry)) == 3


def test_the_default_is_not_enough(delete: t.Any, registry: FaultyRegistry) -> None:
    registry.add_tag("team/app", "latest", IMAGE.digest)
    run = delete("oci_manifest")
    assert run["error"]["kind"] == "option_invalid"
    assert "the default latest is not enough; set reference, tag or digest" in run["msg"]
    assert registry.requests == []


@pytest.mark.parametrize("options", [{"platform": "linux/amd64"}, {"head": True}, {"dest": "/x"}])
def test_options_for_reading(delete: t.Any, registry: FaultyRegistry, options: dict[str, t.Any]) -> None:
    run = delete("oci_manifest", reference="1.0", **options)
    assert f"The options state=absent and {next(iter(options))} are mutually exclusive" in run["msg"]
    assert registry.requests == []


def test_a_query(delete: t.Any) -> None:
    run = delete("oci_manifest", reference="1.0", query="exists")
    assert (run["changed"], run["query_result"]) == (True, False)


# --- oci_blob ---


def test_a_blob(delete: t.Any, registry: FaultyRegistry) -> None:
    checked = delete("oci_blob", digest=LAYER.digest, check=True, diff=True)
    assert methods(registry) == ["HEAD"]
    run = delete("oci_blob", digest=LAYER.digest, diff=True)
    assert LAYER.digest not in registry.repositories["team/app"].blobs
    assert run.results == checked.results
    assert (run["changed"], run["digest"], run["size"]) == (True, LAYER.digest, LAYER.size)
    assert run["diff"] == {"before": {"digest": LAYER.digest, "size": LAYER.size}, "after": {}}
    again = delete("oci_blob", digest=LAYER.digest)
    assert (again["changed"], again["size"]) == (False, None)


@pytest.mark.parametrize("options", [{"dest": "/x"}, {"range": "0-1"}])
def test_options_for_downloads(delete: t.Any, registry: FaultyRegistry, options: dict[str, str]) -> None:
    run = delete("oci_blob", digest=LAYER.digest, **options)
    assert f"The options state=absent and {next(iter(options))} are mutually exclusive" in run["msg"]
    assert registry.requests == []


def test_a_download_needs_its_options(delete: t.Any) -> None:
    run = delete("oci_blob", digest=LAYER.digest, state="present")
    assert "any of the following are missing: dest, range" in run["msg"]


# --- both ---


@pytest.mark.parametrize("refusal", [error(405, "UNSUPPORTED"), error(400), error(404)])
@pytest.mark.parametrize(
    ("module", "options"), [("oci_manifest", {"reference": "1.0"}), ("oci_blob", {"digest": LAYER.digest})]
)
def test_a_registry_without_deletion(
    delete: t.Any, registry: FaultyRegistry, refusal: Reply, module: str, options: dict[str, str]
) -> None:
    registry.on("", refusal, method="DELETE")
    run = delete(module, **options)
    assert run["error"]["kind"] == "unsupported"
    assert "the registry is read-only, or its operator has to enable this" in run["msg"]
