# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_login_info lists logins of all places in their order, with user names, without secrets."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import typing as t

import pytest


def entry(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def info(run_module: t.Any) -> t.Any:
    def run(**options: t.Any) -> t.Any:
        found = run_module("oci_login_info", **options)
        assert found["changed"] is False
        assert not any(secret in found.output for secret in ("s3cret", base64.b64encode(b"u:s3cret").decode()))
        return found

    return run


@pytest.fixture
def file(tmp_path: pathlib.Path) -> t.Callable[[t.Any], str]:
    def write(document: t.Any) -> str:
        path = tmp_path / "auth.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return write


def test_kinds(info: t.Any, file: t.Any) -> None:
    path = file(
        {
            "auths": {
                "https://index.docker.io/v1/": entry("u:s3cret"),
                "r.example/team": {**entry("<token>:"), "identitytoken": "s3cret"},
                "token.example": {"registrytoken": "s3cret"},
                "empty.example": {},
                "helped.example": {},
            },
            "credHelpers": {"helped.example": "pass", "123456789012.dkr.ecr.eu-central-1.amazonaws.com": "ecr-login"},
        }
    )
    run = info(auth_file=path)
    assert [(one["registry"], one["username"], one["kind"], one["helper"]) for one in run["logins"]] == [
        ("docker.io", "u", "password", None),
        ("r.example/team", None, "identity_token", None),
        ("token.example", None, "token", None),
        ("empty.example", None, None, None),
        ("helped.example", None, "helper", "pass"),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", None, "helper", "ecr-login"),
    ]
    assert {one["auth_file"] for one in run["logins"]} == {path}
    assert run["auth_files"] == [{"path": path, "exists": True, "helper": None}]
    assert run.warnings == []


def test_a_store_has_all_hosts(info: t.Any, file: t.Any) -> None:
    run = info(auth_file=file({"auths": {"r.example": {}, "r.example/team": entry("u:s3cret")}, "credsStore": "pass"}))
    assert [(one["registry"], one["kind"]) for one in run["logins"]] == [
        ("r.example", "helper"),
        ("r.example/team", "password"),
    ]
    assert run["auth_files"][0]["helper"] == "pass"


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("r.example", ["r.example", "r.example/team"]),
        ("https://R.example", ["r.example", "r.example/team"]),
        ("r.example/team", ["r.example/team"]),
        ("r.example/te", []),
        ("index.docker.io", ["docker.io"]),
    ],
)
def test_one_registry(info: t.Any, file: t.Any, registry: str, expected: list[str]) -> None:
    keys = ["r.example", "r.example/team", "r.example.org", "https://index.docker.io/v1/"]
    path = file({"auths": {key: entry("u:s3cret") for key in keys}})
    assert [one["registry"] for one in info(auth_file=path, registry=registry)["logins"]] == expected


def test_the_default_files(info: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    home = pathlib.Path(os.environ["HOME"])
    places = [tmp_path / "run/containers/auth.json", home / ".finch/config.json", home / ".docker/config.json"]
    for number, path in enumerate(places):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"auths": {"r.example": entry(f"u{number}:s3cret")}}))
    places[1].write_text("s3cret")
    run = info()
    assert [(one["username"], one["auth_file"]) for one in run["logins"]] == [
        ("u0", str(places[0])),
        ("u2", str(places[2])),
    ]
    assert [pathlib.Path(one["path"]) for one in run["auth_files"] if one["exists"]] == places
    (warning,) = run.warnings
    assert str(places[1]) in warning


def test_nothing(info: t.Any, tmp_path: pathlib.Path, file: t.Any) -> None:
    run = info(auth_file=str(tmp_path / "absent"))
    assert (run["logins"], run["auth_files"][0]["exists"]) == ([], False)
    assert info(auth_file=file(" \n"))["logins"] == []


def test_an_entry_that_cannot_be_used(info: t.Any, file: t.Any) -> None:
    run = info(auth_file=file({"auths": {"r.example": {"auth": "s3cret!"}, "x.example": entry("u:s3cret")}}))
    assert [one["kind"] for one in run["logins"]] == [None, "password"]
    assert len(run.warnings) == 1


@pytest.mark.parametrize("content", ["s3cret", "[]", '{"auths": 7}', '{"credHelpers": {"r": 7}}', '{"auths": {'])
def test_a_file_that_cannot_be_used(info: t.Any, file: t.Any, content: str, run_module: t.Any) -> None:
    run = run_module("oci_login_info", auth_file=file(content))
    assert run["error"]["kind"] == "configuration"
    assert "s3cret" not in run["msg"]
