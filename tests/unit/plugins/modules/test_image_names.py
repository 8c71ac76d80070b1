# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module that takes the name of an image accepts the same forms and explains the others in the same way."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply

MODULES = ["oci_image_info", "oci_image_unpack", "oci_layout"]
IMAGE = images.image([images.layer([images.file("f", b"1")])])
OTHER = images.image([images.layer([images.file("f", b"2")])])
TAGS = ["1.9", "1.10", "1.2", "2.0-rc1", "edge", "old"]


@pytest.fixture(params=MODULES)
def task(request: pytest.FixtureRequest, run_module: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path) -> t.Any:
    registry.publish("team/app", {**dict.fromkeys(TAGS, IMAGE), "other": OTHER})
    more: dict[str, t.Any] = {"retries": 0}
    if request.param != "oci_image_info":
        more["dest"] = str(tmp_path / "dest")
    if request.param == "oci_image_unpack":
        more["ownership"] = False
    return lambda **options: run_module(request.param, **more, **options)


@pytest.mark.parametrize(
    ("suffix", "tag"), [(":1.9", "1.9"), (f"@{IMAGE.digest}", None), (f":1.9@{IMAGE.digest}", "1.9")]
)
def test_one_string_names_an_image(task: t.Any, registry: FaultyRegistry, suffix: str, tag: str | None) -> None:
    run = task(image=f"{registry.name}/team/app{suffix}")
    shown = run["image"]
    assert (shown["registry"], shown["repository"], shown["tag"]) == (registry.name, "team/app", tag)
    assert (shown["digest"], run.warnings) == (IMAGE.digest, [])


def test_a_name_without_a_host_is_one_of_docker_hub(task: t.Any) -> None:
    run = task(image="debian", total_timeout=0.001)
    assert (run["error"]["registry"], run["error"]["repository"]) == ("docker.io", "library/debian")


@pytest.mark.parametrize(
    "image", ["http://{0}/a:1", "https://u:secret@{0}/a", "docker://{0}/a", "{0}/A:1", "", "a:b:c"]
)
def test_an_invalid_image_name_is_refused(task: t.Any, registry: FaultyRegistry, image: str) -> None:
    run = task(image=image.format(registry.name))
    assert run["error"]["kind"] == "reference_invalid"
    assert ("scheme" in run["msg"]) == ("://" in image)
    assert "secret" not in run["msg"]
    assert registry.requests == []


@pytest.mark.parametrize("name", ["registry", "host", "repository", "name", "app_name", "reference", "tag", "digest"])
def test_one_string_and_its_parts_are_mutually_exclusive(task: t.Any, registry: FaultyRegistry, name: str) -> None:
    run = task(image=f"{registry.name}/team/app:1.9", **{name: "latest"})
    assert f"The options image and {name} are mutually exclusive" in run["msg"]
    assert "module_defaults" in run["msg"]
    assert registry.requests == []


def test_one_of_both_is_needed(task: t.Any) -> None:
    assert "image" in task()["msg"]


@pytest.mark.parametrize("repository", ["repository", "name"])
def test_tag_and_digest_together_pin_the_tag(task: t.Any, registry: FaultyRegistry, repository: str) -> None:
    options = {"registry": registry.name, repository: "team/app"}
    assert task(**options, tag="other", digest=IMAGE.digest)["error"]["kind"] == "digest_mismatch"
    run = task(**options, tag="1.9", digest=IMAGE.digest)
    assert (run["image"]["tag"], run["image"]["digest"], run.warnings) == ("1.9", IMAGE.digest, [])
    for alone in ({"tag": "1.9"}, {"digest": IMAGE.digest}, {"reference": f"1.9@{IMAGE.digest}"}):
        run = task(**options, **alone)
        assert (run["image"]["digest"], run.warnings) == (IMAGE.digest, [])


@pytest.mark.parametrize("option", ["tag", "digest"])
def test_reference_goes_with_neither(task: t.Any, registry: FaultyRegistry, option: str) -> None:
    run = task(registry=registry.name, repository="team/app", reference="1.9", **{option: "1.9"})
    assert f"reference and {option} are mutually exclusive" in run["msg"]


@pytest.mark.parametrize("option", ["reference", "tag", "digest"])
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("quay.io/org/app:1.0", "registry: quay.io, repository: org/app, reference: 1.0, or the full name as image"),
        ("localhost:5000/app", "registry: localhost:5000, repository: app, or the full name as image"),
        ("org/app:1.0", "give repository: org/app, reference: 1.0."),
        ("app:1.0", "give repository: app, reference: 1.0."),
        (f"quay.io/app@{IMAGE.digest}", f"registry: quay.io, repository: app, reference: {IMAGE.digest}, or the full"),
    ],
)
def test_an_image_in_place_of_a_tag(task: t.Any, registry: FaultyRegistry, option: str, text: str, parts: str) -> None:
    run = task(registry=registry.name, repository="team/app", **{option: text})
    assert (run["error"]["kind"], parts in run["msg"]) == ("reference_invalid", True), run["msg"]
    assert f"The option {option} is" in run["msg"]


@pytest.mark.parametrize("option", ["repository", "name", "app_name"])
@pytest.mark.parametrize(
    "module", [*MODULES, "oci_tags", "oci_blob", "oci_manifest", "oci_referrers", "oci_artifact", "oci_tag"]
)
def test_an_image_in_place_of_a_repository(
    run_module: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, module: str, option: str
) -> None:
    more = {
        "oci_tags": {},
        "oci_tag": {"tags": ["x"]},
        "oci_image_info": {},
        "oci_manifest": {},
        "oci_referrers": {},
        "oci_blob": {"dest": "/x", "digest": IMAGE.digest},
    }
    more = more.get(module, {"dest": str(tmp_path / "x")})
    run = run_module(module, registry=registry.name, **{option: "quay.io/org/app:1.0"}, **more)
    assert run["error"]["kind"] == "reference_invalid"
    assert f"The option {option} is" in run["msg"]
    assert "registry: quay.io, repository: org/app, reference: 1.0" in run["msg"]
    run = run_module(module, registry=registry.name, **{option: "quay.io/org/app"}, **more)
    assert "if quay.io is a host, give registry: quay.io and repository: org/app" in run["msg"]


@pytest.mark.parametrize("option", ["reference", "tag"])
@pytest.mark.parametrize(("value", "text"), [(1.9, "1.9"), (True, "True")])
def test_a_tag_that_yaml_reads_as_something_else(
    task: t.Any, registry: FaultyRegistry, option: str, value: t.Any, text: str
) -> None:
    registry.publish("team/app", {text: IMAGE})
    run = task(registry=registry.name, repository="team/app", **{option: value})
    (warning,) = run.warnings
    assert f"The option {option} is" in warning
    assert f'read as "{text}"' in warning
    for right in (text, 19):
        assert task(registry=registry.name, repository="team/app", **{option: right}).warnings == []


def test_the_default_tag_that_is_missing(task: t.Any, registry: FaultyRegistry) -> None:
    for options in ({"registry": registry.name, "repository": "team/app"}, {"image": f"{registry.name}/team/app"}):
        registry.clear()
        run = task(**options)
        assert "latest is the default of the option reference" in run["msg"]
        assert "the repository has the tags 2.0-rc1, 1.10, 1.9, 1.2, other and others" in run["msg"]
        assert len(registry.sent("/tags/list")) == 1


def test_a_tag_that_is_missing(task: t.Any, registry: FaultyRegistry) -> None:
    run = task(registry=registry.name, repository="team/app", reference="edgy")
    assert "the default" not in run["msg"]
    assert "the repository has the tags edge, 2.0-rc1" in run["msg"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(401),
        Reply(body=b"no JSON"),
        Reply(body=b'{"tags": null}'),
        Reply(body=b'{"tags": [1, "-", {}, null]}'),
        Reply(body=b"x" * 2_000_000),
    ],
)
def test_tags_that_cannot_be_listed_are_no_error(task: t.Any, registry: FaultyRegistry, reply: Reply) -> None:
    registry.on("/tags/list", reply)
    run = task(registry=registry.name, repository="team/app")
    assert run["error"]["kind"] == "not_found"
    assert run["msg"].endswith("latest is the default of the option reference.")
    assert len(registry.sent("/tags/list")) == 1


def test_a_forgotten_registry(run_module: t.Any, tmp_path: pathlib.Path) -> None:
    for module, more in (
        ("oci_tags", {}),
        ("oci_tag", {"tags": ["x"]}),
        ("oci_image_info", {}),
        ("oci_manifest", {}),
        ("oci_referrers", {}),
        ("oci_image_unpack", {"dest": str(tmp_path / "tree")}),
        ("oci_layout", {"dest": str(tmp_path / "layout")}),
        ("oci_archive", {"dest": str(tmp_path / "archive")}),
        ("oci_image_export", {"dest": str(tmp_path / "exported")}),
        ("oci_artifact", {"dest": str(tmp_path / "files")}),
        ("oci_blob", {"dest": str(tmp_path / "blob"), "digest": IMAGE.digest}),
    ):
        run = run_module(module, repository="team/app", retries=0, **more)
        assert "localhost:1337 is the default of the option registry" in run["msg"], module
        run = run_module(module, repository="team/app", registry="localhost:1", retries=0, **more)
        assert "default of the option registry" not in run["msg"]
