# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mirrors with options of their own, such as repository_prefix: all modules take them, and none shows a secret."""

from __future__ import annotations

import pathlib
import typing as t
from urllib.parse import unquote

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.release import __version__ as core_version
from ansible_collections.attested.registry.tests.support.attestation.attesting_front import (
    AttestingFront,
    accepting,
    make_realm,
)
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.images.images import Image
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

PAGE = Reply(status=200, body=b"<!doctype html><html>Portal</html>", headers={"Content-Type": "text/html"})
PULLS = [
    "oci_image_info",
    "oci_manifest",
    "oci_blob",
    "oci_image_unpack",
    "oci_image_export",
    "oci_layout",
    "oci_archive",
]
LISTS = ["oci_tags", "oci_catalog"]


@pytest.fixture
def cache() -> t.Iterator[FaultyRegistry]:
    """A stand-in for a proxy cache: it has images below hub/ for those who log in, and a page everywhere else."""
    with FaultyRegistry(auth="bearer", users={"you": "s3cret-own"}, anonymous=False) as server:
        server.on("", lambda request: None if request.target.startswith(("/v2/hub/", "/token")) else PAGE)
        yield server


@pytest.fixture
def run(
    run_module: t.Any, registry: FaultyRegistry, cache: FaultyRegistry, new: Image, tmp_path: pathlib.Path
) -> t.Callable[..., t.Any]:
    """Runs a module with what it needs for the same image."""
    registry.publish("team/app", {"1.0": new})
    cache.publish("hub/team/app", {"1.0": new})
    dest, platform = str(tmp_path / "dest"), {"platform": "linux/amd64"}
    own: dict[str, dict[str, t.Any]] = {
        "oci_tags": {},
        "oci_catalog": {},
        "oci_image_info": {"reference": "1.0", **platform},
        "oci_manifest": {"reference": "1.0"},
        "oci_blob": {"digest": new.layers[0].digest, "dest": dest},
        "oci_image_unpack": {"reference": "1.0", "dest": dest, "ownership": False, **platform},
        "oci_layout": {"reference": "1.0", "dest": dest},
        "oci_archive": {"reference": "1.0", "dest": dest, **platform},
        "oci_image_export": {"reference": "1.0", "dest": dest, "ownership": False, **platform},
    }

    def start(name: str, *mirrors: t.Any, **changes: t.Any) -> t.Any:
        repository = {} if name == "oci_catalog" else {"repository": "team/app"}
        given = {"registry": registry.name, "retries": 0, **repository, **own[name], **changes}
        return run_module(name, mirrors=list(mirrors), **given)

    return start


@pytest.fixture
def hub(cache: FaultyRegistry) -> dict[str, str]:
    return {"registry": cache.name, "repository_prefix": "hub", "username": "you", "password": "s3cret-own"}


@pytest.mark.parametrize("name", PULLS)
def test_every_module_pulls_from_a_mirror_with_a_prefix(
    run: t.Any, registry: FaultyRegistry, cache: FaultyRegistry, hub: dict[str, str], name: str
) -> None:
    done = run(name, hub, username="me", password="s3cret-task")
    assert not done.failed, done.results
    assert registry.requests == []
    assert done.warnings == []
    assert cache.sent("/v2/hub/team/app/")
    (token,) = cache.sent("/token")
    assert "scope=repository:hub/team/app:pull" in unquote(token.target)
    assert "s3cret" not in done.output
    assert "hub" not in str({name: value for name, value in done.results.items() if name != "invocation"})


@pytest.mark.parametrize("name", ["oci_image_unpack", "oci_image_export", "oci_layout", "oci_archive", "oci_blob"])
def test_a_second_run_is_unchanged_wherever_the_image_comes_from(run: t.Any, hub: dict[str, str], name: str) -> None:
    assert run(name, hub, check=True)["changed"]
    assert run(name, hub)["changed"]
    assert not run(name, hub)["changed"]
    assert not run(name)["changed"]


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_those_of_the_registry(
    run: t.Any, registry: FaultyRegistry, cache: FaultyRegistry, hub: dict[str, str], name: str
) -> None:
    done = run(name, hub)
    assert not done.failed
    assert registry.requests
    assert cache.requests == []


@pytest.mark.parametrize("name", ["oci_image_info", "oci_image_unpack", "oci_layout", "oci_blob"])
@pytest.mark.parametrize("status", [200, 404])
def test_a_mirror_with_another_prefix_is_one_warning(
    run: t.Any, registry: FaultyRegistry, cache: FaultyRegistry, hub: dict[str, str], name: str, status: int
) -> None:
    if status == 404:
        cache.on("", error(404, "NOT_FOUND", "project quay not found"))
    done = run(name, {**hub, "repository_prefix": "quay"}, hub["registry"])
    assert not done.failed
    assert registry.requests
    assert len(done.warnings) == 2
    for warning, path in zip(done.warnings, ("quay/team/app", "team/app")):
        assert f"The mirror {cache.name} was skipped at {cache.url}/v2/{path}/" in warning
        assert "Check the registry and the repository_prefix of the mirror." in warning


def test_credentials_of_a_mirror_go_to_no_other_server(
    run: t.Any, registry: FaultyRegistry, cache: FaultyRegistry, hub: dict[str, str]
) -> None:
    registry.auth, registry.users, registry.anonymous = "bearer", {"me": "s3cret-task"}, False
    cache.on("/blobs/", error(500))
    with FaultyRegistry(auth="basic", users={"x": "y"}) as other:
        done = run("oci_image_unpack", other.name, hub, username="me", password="s3cret-task")
    assert not done.failed, done.results
    assert other.requests
    assert [request for request in other.requests if request.header("Authorization")] == []
    for server, own in ((cache, "Basic eW91OnMzY3JldC1vd24="), (registry, "Basic bWU6czNjcmV0LXRhc2s=")):
        values = {request.header("Authorization") for request in server.sent("/token")}
        assert values == {own}
    assert "s3cret" not in done.output


def test_the_certificate_of_a_mirror_is_verified_by_its_own_ca(
    run: t.Any, registry: FaultyRegistry, new: Image, tmp_path: pathlib.Path
) -> None:
    own, other = Authority(tmp_path, "own"), Authority(tmp_path, "other")
    with FaultyRegistry(tls=server_context(own.server())) as mirror:
        mirror.publish("hub/team/app", {"1.0": new})
        entry = {"registry": mirror.name, "repository_prefix": "hub"}
        trusted = run("oci_image_info", {**entry, "ca_path": str(own.path)})
        assert (trusted.warnings, registry.requests) == ([], [])
        refused = run("oci_image_info", {**entry, "ca_path": str(other.path)})
    assert not refused.failed
    assert registry.requests
    assert f"The mirror {mirror.name} was skipped" in refused.warnings[0]


def test_a_mirror_may_require_an_attestation(
    run: t.Any, registry: FaultyRegistry, new: Image, tmp_path: pathlib.Path
) -> None:
    realm, authority = make_realm(tmp_path / "realm"), Authority(tmp_path)
    with FaultyRegistry() as behind:
        behind.publish("hub/team/app", {"1.0": new})
        with AttestingFront(behind.port, authority.server(), accepting(realm)) as front:
            entry = {
                "registry": f"127.0.0.1:{front.port}",
                "repository_prefix": "hub",
                "tls": "ra-tls",
                "ca_path": str(authority.path),
                "ratls": {"evidence": "simulated", "path": str(realm), "key_type": "ec-p256"},
            }
            done = run("oci_image_unpack", entry)
            assert not done.failed, done.results
            assert front.connections > 0
    assert registry.requests == []
    assert behind.sent("/v2/hub/team/app/blobs/")
    assert "ratls" not in done.results


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"registry": "m.example", "password": "s3cret", "username": "me", "tls": "maybe"}, "mirrors[1].tls"),
        ({"registry": "m.example", "password": "s3cret"}, "mirrors[1].username, mirrors[1].password"),
        ({"registry": "m.example", "passwort": "s3cret"}, "mirrors[1].passwort does not exist"),
        ({"registry": "m.example", "username": "me", "password": ["s3cret"], "ratls": 1}, "mirrors[1].ratls"),
        ({"registry": "me:s3cret@m.example"}, "mirrors[1]: The registry must not contain"),
        ({"registry": "m.example", "client_cert": "/absent", "auth_file": "/absent.json"}, "mirrors[1]: "),
        (
            {"registry": "m.example", "ca_path": "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----"},
            "mirrors[1]: Cannot use the option ca_path",
        ),
    ],
)
def test_a_mirror_that_cannot_be_used_is_an_error_without_secrets(
    run: t.Any, cache: FaultyRegistry, entry: dict[str, t.Any], words: str
) -> None:
    done = run("oci_image_info", cache.name, entry)
    assert done.failed
    assert words in done["msg"]
    assert "s3cret" not in done.output


# ansible-core 2.21 returns them only if the controller asks for them
RETURNS_OPTIONS = tuple(map(int, core_version.split(".")[:2])) < (2, 21)


@pytest.mark.parametrize("wrong", [{}, {"timeout": "never"}, {"no_such_option": 1}])
def test_no_secret_is_logged_or_returned_whatever_is_wrong(
    run: t.Any, hub: dict[str, str], monkeypatch: pytest.MonkeyPatch, wrong: dict[str, t.Any]
) -> None:
    """Ansible logs all options to the system log, and returns them even if it refuses one."""
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda self, *texts, **more: logged.append(f"{texts} {more}"))
    as_text = ["{'registry': 'h'", " 'password': 's3cret-text'}"]
    for mirrors in ([hub], [{"registry": "127.0.0.1:1", "token": "s3cret-token"}], [{"passwort": "s3cret"}], as_text):
        done = run("oci_image_info", *mirrors, **wrong)
        assert done.failed or not wrong
        assert "s3cret" not in done.output
        assert RETURNS_OPTIONS is ("invocation" in done.results)
    assert len(logged) == (0 if wrong else 4)
    assert "s3cret" not in str(logged)
    assert wrong or "repository_prefix" in logged[0]
