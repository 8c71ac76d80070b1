# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_image_info shows a verified image and its platforms, and uses each source of credentials."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

SECRET = "correct horse battery staple"


@pytest.fixture
def info(run_module: t.Any, registry: FaultyRegistry, old: images.Image) -> t.Any:
    registry.publish("team/app", {"1": old})

    def run(**options: t.Any) -> t.Any:
        return run_module("oci_image_info", **{"registry": registry.name, "repository": "team/app", **options})

    return run


def test_shows_all_of_an_image(info: t.Any, registry: FaultyRegistry, old: images.Image, base: images.Layer) -> None:
    run = info(reference="1")
    assert run["changed"] is False
    image = run["image"]
    assert image["registry"] == registry.name
    assert (image["repository"], image["tag"], image["digest"]) == ("team/app", "1", old.digest)
    assert image["config_digest"] == old.config.digest
    assert image["config"] == json.loads(old.config.data)
    assert image["annotations"] == {"org.example.version": "1"}
    assert image["platform"] == "linux/amd64"
    assert image["platforms"] == ["linux/amd64"]
    assert image["index_digest"] is None
    assert image["total_size"] == old.config.size + base.size
    layer = {"digest": base.digest, "size": base.size, "diff_id": base.diff_id, "annotations": {}}
    assert image["layers"] == [{**layer, "media_type": base.media_type}]


def test_downloads_no_layer(info: t.Any, registry: FaultyRegistry, base: images.Layer) -> None:
    info(reference="1")
    assert not registry.sent(base.digest)


def test_check_mode_is_the_same(info: t.Any) -> None:
    assert info(reference="1", check=True)["image"] == info(reference="1")["image"]


@pytest.mark.parametrize(
    "names", [{"host": "", "app_name": "", "tag": ""}, {"host": "", "name": "", "digest": ""}], ids=["old", "short"]
)
def test_options_have_the_names_of_older_clients(
    run_module: t.Any, registry: FaultyRegistry, old: images.Image, names: dict[str, str]
) -> None:
    registry.publish("app", {"latest": old})
    values = {"host": registry.name, "app_name": "app", "name": "app", "tag": "latest", "digest": old.digest}
    run = run_module("oci_image_info", **{name: values[name] for name in names})
    assert run["image"]["digest"] == old.digest


def test_reference_is_latest_when_nothing_is_said(info: t.Any, registry: FaultyRegistry, new: images.Image) -> None:
    registry.publish("team/app", {"latest": new})
    assert info()["image"]["tag"] == "latest"


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/aarch64", "linux/arm64/v8"])
def test_an_index_is_followed_to_the_platform(
    info: t.Any, registry: FaultyRegistry, old: images.Image, platform: str
) -> None:
    arm = images.image([images.layer([images.file("arm", b"")])], platform="linux/arm64")
    both = images.index([old, arm])
    registry.publish("team/app", {"both": both})
    image = info(reference="both", platform=platform)["image"]
    assert (image["digest"], image["index_digest"]) == (arm.digest, both.digest)
    assert image["platforms"] == ["linux/amd64", "linux/arm64"]


def test_an_error_about_a_missing_platform_lists_the_offered_ones(
    info: t.Any, registry: FaultyRegistry, old: images.Image
) -> None:
    registry.publish("team/app", {"both": images.index([old])})
    run = info(reference="both", platform="linux/s390x")
    assert run.failed
    assert run["error"]["kind"] == "platform_not_found"
    assert "linux/amd64" in run["msg"]


def test_a_tag_with_a_digest_has_to_lead_to_it(info: t.Any, old: images.Image, new: images.Image) -> None:
    assert info(reference=f"1@{old.digest}")["image"]["digest"] == old.digest
    run = info(reference=f"1@{new.digest}")
    assert run.failed
    assert run["error"]["actual"] == old.digest


def test_an_artifact_is_shown_too(info: t.Any, registry: FaultyRegistry) -> None:
    thing = images.artifact("application/vnd.example.sbom", [images.layer([])])
    registry.publish("team/app", {"sbom": thing})
    image = info(reference="sbom")["image"]
    assert (image["artifact_type"], image["config"]) == ("application/vnd.example.sbom", None)


def test_a_query_picks_from_the_result(info: t.Any) -> None:
    run = info(reference="1", query="image.config.config.Env[0]")
    assert run["query_result"] == "PATH=/usr/bin:/bin"
    assert set(run.results) - {"invocation"} == {"changed", "query_result"}  # ansible-core 2.21 returns no invocation


@pytest.mark.parametrize("query", ["image[", "", "nosuch(@)", "length(`1`)"])
def test_a_bad_query_is_one_clear_error(info: t.Any, query: str) -> None:
    run = info(reference="1", query=query)
    assert run.failed
    assert run["error"]["kind"] == "query_invalid"
    assert "\n" not in run["msg"]


def test_a_bad_query_is_found_before_anything_is_asked(info: t.Any, registry: FaultyRegistry) -> None:
    info(reference="1", query="image[")
    assert registry.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repository": "UPPER"}, "must be lower case"),
        ({"repository": "../escape"}, "invalid"),
        ({"reference": "no tag"}, "tag"),
        ({"reference": "sha256:abc"}, "digest"),
        ({"platform": "linux"}, "platform"),
        ({"registry": "user:pw@host"}, "user name"),
        ({"registry": "ftp://host"}, "http"),
        ({"username": "me"}, "required together"),
        ({"username": "me", "password": "opensesame", "token": "abracadabra"}, "mutually exclusive"),
        ({"client_key": "/key.pem"}, "client_cert"),
        ({"retries": -1}, "retries"),
        ({"timeout": 0}, "more than 0"),
        ({"auth_file": "/nonexistent/auth.json"}, "does not exist"),
    ],
)
def test_bad_input_is_refused_in_words(
    info: t.Any, registry: FaultyRegistry, options: dict[str, t.Any], message: str
) -> None:
    registry.auth = "basic"
    run = info(**options)
    assert run.failed
    assert message in run["msg"]
    assert "Traceback" not in run.output


def test_an_error_about_a_missing_tag_has_all_fields(info: t.Any, registry: FaultyRegistry) -> None:
    run = info(reference="2")
    assert run.failed
    facts = {"kind": "not_found", "registry": registry.name, "repository": "team/app", "reference": "2", "status": 404}
    assert facts.items() <= run["error"].items()
    assert all(word in run["msg"] for word in ("team/app", registry.name, "2"))


def test_a_registry_that_is_not_there(info: t.Any) -> None:
    with FaultyRegistry() as gone:
        name = gone.name
    run = info(registry=name, retries=0)
    assert run.failed
    assert run["error"]["kind"] == "connection"


def test_a_wrong_digest_is_detected(info: t.Any, registry: FaultyRegistry, old: images.Image) -> None:
    registry.on(f"/blobs/{old.config.digest}", Reply(body=old.config.data.replace(b"amd64", b"arm64")))
    run = info(reference="1", retries=0)
    assert run.failed
    assert run["error"]["kind"] == "digest_mismatch"


def test_an_unforeseen_error_is_a_sentence_that_asks_for_a_report(info: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.attested.registry.plugins.module_utils._registry.client import Registry

    def surprise(*args: t.Any, **kwargs: t.Any) -> None:
        raise ZeroDivisionError("what\nnow")

    monkeypatch.setattr(Registry, "resolve", surprise)
    run = info(reference="1")
    assert run.failed
    assert run["error"] == {"kind": "internal", "exception": "ZeroDivisionError"}
    assert "ZeroDivisionError: what now; please report" in run["msg"]
    assert "Traceback" not in run.output


# --- credentials ---


@pytest.fixture
def private(registry: FaultyRegistry) -> FaultyRegistry:
    registry.auth = "basic"
    registry.users = {"reader": SECRET}
    return registry


def auth_file(registry: FaultyRegistry) -> str:
    import base64

    entry = base64.b64encode(f"reader:{SECRET}".encode()).decode()
    return json.dumps({"auths": {registry.name: {"auth": entry}}})


def test_username_and_password(info: t.Any, private: FaultyRegistry) -> None:
    run = info(reference="1", username="reader", password=SECRET)
    assert not run.failed
    assert SECRET not in run.output


def test_a_bad_password_is_named_as_such_and_not_shown(info: t.Any, private: FaultyRegistry) -> None:
    run = info(reference="1", username="reader", password="wrong horse", retries=0)
    assert run.failed
    assert run["error"]["kind"] == "unauthorized"
    assert "rejected the user name" in run["msg"]
    assert "wrong horse" not in run.output


def test_a_ready_token(info: t.Any, registry: FaultyRegistry) -> None:
    registry.on("/manifests/", lambda request: None if request.header("Authorization") == "Bearer abc" else error(401))
    run = info(reference="1", token="abc", retries=0)
    assert not run.failed


def test_the_auth_file_of_the_option(info: t.Any, private: FaultyRegistry, tmp_path: t.Any) -> None:
    path = tmp_path / "auth.json"
    path.write_text(auth_file(private))
    run = info(reference="1", auth_file=str(path))
    assert not run.failed
    assert SECRET not in run.output


@pytest.mark.parametrize("place", [".docker/config.json", ".config/containers/auth.json"])
def test_the_auth_files_of_docker_and_podman(
    info: t.Any, private: FaultyRegistry, tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(auth_file(private))
    assert not info(reference="1").failed


def test_options_come_before_files(
    info: t.Any, private: FaultyRegistry, tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    (tmp_path / "auth.json").write_text(auth_file(private))
    assert info(reference="1", username="reader", password="wrong", retries=0).failed


def test_a_secret_of_a_file_is_kept_out_of_what_a_registry_makes_us_say(
    info: t.Any, private: FaultyRegistry, tmp_path: t.Any
) -> None:
    path = tmp_path / "auth.json"
    path.write_text(auth_file(private))
    private.on("/manifests/", lambda request: error(403, "DENIED", SECRET) if request.header("Authorization") else None)
    run = info(reference="1", auth_file=str(path), retries=0)
    assert run.failed
    assert SECRET not in run.output


def test_a_credential_helper_is_asked(
    info: t.Any, private: FaultyRegistry, tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f'#!/bin/sh\ncat >/dev/null\necho \'{{"Username": "reader", "Secret": "{SECRET}"}}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credsStore": "test"}))
    run = info(reference="1", auth_file=str(path))
    assert not run.failed
    assert SECRET not in run.output
