# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module oci_login asks the registry, writes one entry of an auth file or a credential helper, and removes it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pathlib
import re
import stat
import sys
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.login import place as place_module
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import (
    FaultyRegistry,
    error,
)

USERS = {"u": "hunter2:x", "v": "s3cret-of-v"}
LOGIN = {"username": "u", "password": "hunter2:x"}
OTHER = {"username": "v", "password": "s3cret-of-v"}
SECRETS = ("hunter2", "s3cret-of-v", "r3fresh-token", "dTpodW50ZXIyOng=")

# what docker writes, and users add
CONFIG = """{
\t"auths": {
\t\t"other.example": {
\t\t\t"auth": "b3RoZXI6cGFzcw==",
\t\t\t"email": "a@b"
\t\t}
\t},
\t"HttpHeaders": { "User-Agent": "x\\u00fc" },
\t"psFormat": "table",  "unknown": [1.0e2, null]
}
"""


def entry(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def secured() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry(auth="bearer", users=USERS, anonymous=False, refresh_tokens=["r3fresh-token"]) as server:
        yield server


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "logins" / "auth.json"


@pytest.fixture
def login(run_module: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> t.Any:
    def run(**options: t.Any) -> t.Any:
        found = run_module("oci_login", **{"registry": secured.name, "auth_file": str(file), **options})
        assert not any(secret in found.output for secret in SECRETS)
        return found

    return run


@pytest.fixture
def helper(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A directory with the credentials that docker-credential-fake keeps, one file for each server."""
    kept, programs = tmp_path / "kept", tmp_path / "programs"
    kept.mkdir()
    programs.mkdir()
    program = programs / "docker-credential-fake"
    program.write_text(
        f"""#!{sys.executable}
import json, pathlib, sys, urllib.parse
given = sys.stdin.read()
server = json.loads(given)["ServerURL"] if sys.argv[1] == "store" else given
path = pathlib.Path({str(kept)!r}) / urllib.parse.quote(server, safe="")
if sys.argv[1] != "get" and (path.parent / "get-only").exists():
    sys.exit("not implemented")
elif sys.argv[1] == "store":
    path.write_text(given)
elif not path.exists():
    print("credentials not found in native keychain")
    sys.exit(1)
elif sys.argv[1] == "get":
    print(path.read_text())
else:
    path.unlink()
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return kept


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def entries(path: pathlib.Path) -> t.Any:
    return json.loads(path.read_text())["auths"]


# --- present ---


def test_logs_in(login: t.Any, secured: FaultyRegistry, file: pathlib.Path, run_module: t.Any) -> None:
    run = login(**LOGIN)
    assert run["changed"] is True
    assert (run["registry"], run["username"], run["kind"]) == (secured.name, "u", "password")
    assert (run["helper"], run["verified"], run["auth_file"]) == (None, True, str(file))
    assert entries(file) == {secured.name: entry("u:hunter2:x")}
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert os.listdir(file.parent) == ["auth.json"]
    before = file.read_bytes(), file.stat().st_ino
    assert login(**LOGIN)["changed"] is False
    assert (file.read_bytes(), file.stat().st_ino) == before
    # and the other modules use it
    secured.clear()
    assert not run_module("oci_catalog", registry=secured.name, auth_file=str(file)).failed


def test_the_rest_of_the_file_stays_byte_for_byte(login: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> None:
    file.parent.mkdir()
    file.write_text(CONFIG)
    login(**LOGIN)
    added = f',\n\t\t"{secured.name}": {{\n\t\t\t"auth": "dTpodW50ZXIyOng="\n\t\t}}\n\t}},\n\t"Http'
    assert file.read_text() == CONFIG.replace('\n\t},\n\t"Http', added)
    login(**OTHER)
    assert login(state="absent")["changed"] is True
    assert file.read_text() == CONFIG


def test_a_wrong_password_changes_nothing(login: t.Any, file: pathlib.Path) -> None:
    login(**LOGIN)
    before = file.read_bytes()
    run = login(username="u", password="hunter3")
    assert run.failed
    assert run["error"]["kind"] == "unauthorized"
    assert 'rejected the user name "u" and its password from the module options' in run["msg"]
    assert "hunter3" not in run.output
    assert file.read_bytes() == before


def test_a_registry_that_cannot_be_reached(login: t.Any, file: pathlib.Path) -> None:
    run = login(registry="127.0.0.1:1", retries=0, **LOGIN)
    assert run["error"]["kind"] == "connection"
    assert not file.parent.exists()


def test_a_namespace_in_the_place_of_a_prefix(login: t.Any, secured: FaultyRegistry) -> None:
    """podman login takes host/namespace; here the part after the host is one of the address."""
    secured.on("^/team/v2/", error(404))
    run = login(registry=f"{secured.name}/team", **LOGIN)
    assert run["error"]["kind"] == "not_found"
    assert f"give registry: {secured.name} and repository: team." in run["msg"]


def test_without_verify_no_request_is_sent(login: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> None:
    run = login(verify=False, username="u", password="whatever-s3cret-of-v")
    assert (run["changed"], run["verified"]) == (True, False)
    assert secured.requests == []
    assert entries(file) == {secured.name: entry("u:whatever-s3cret-of-v")}


def test_a_registry_that_asks_for_no_credentials(run_module: t.Any, registry: FaultyRegistry, file: t.Any) -> None:
    run = run_module("oci_login", registry=registry.name, auth_file=str(file), **LOGIN)
    assert (run["changed"], run["verified"]) == (True, False)
    assert any("does not ask for credentials at /v2/" in text for text in run.warnings)


def test_the_options_of_the_connection_are_used(run_module: t.Any, file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    with FaultyRegistry(tls=server_context(authority.server()), auth="basic", users=USERS) as server:
        options = {"registry": server.name, "auth_file": str(file), "tls": "tls", "retries": 0, **LOGIN}
        assert run_module("oci_login", **options)["error"]["kind"] == "tls"
        assert run_module("oci_login", **options, ca_path=str(authority.path))["verified"] is True


def test_another_user(login: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> None:
    login(**LOGIN)
    run = login(diff=True, **OTHER)
    assert run["changed"] is True
    assert run["diff"]["before"] == {"username": "u", "kind": "password", "mode": "0600"}
    assert run["diff"]["after"] == {
        "username": "v",
        "kind": "password",
        "mode": "0600",
        "credentials": "new, not shown",
    }
    assert entries(file) == {secured.name: entry("v:s3cret-of-v")}


def test_check_mode_asks_and_writes_nothing(login: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> None:
    run = login(check=True, diff=True, **LOGIN)
    assert (run["changed"], run["verified"]) == (True, True)
    assert (run["diff"]["before"], run["diff"]["after"]["mode"]) == ({}, "0600")
    assert not file.parent.exists()
    assert login(check=True, username="u", password="hunter3").failed
    login(**LOGIN)
    assert login(check=True, **LOGIN)["changed"] is False
    assert login(check=True, state="absent")["changed"] is True
    assert secured.name in entries(file)


def test_an_identity_token(login: t.Any, secured: FaultyRegistry, file: pathlib.Path, run_module: t.Any) -> None:
    run = login(identity_token="r3fresh-token")
    assert (run["changed"], run["kind"], run["username"], run["verified"]) == (True, "identity_token", None, True)
    assert entries(file) == {secured.name: {**entry("<token>:"), "identitytoken": "r3fresh-token"}}
    assert login(identity_token="r3fresh-token")["changed"] is False
    assert login(identity_token="hunter2")["error"]["kind"] == "unauthorized"
    assert not run_module("oci_catalog", registry=secured.name, auth_file=str(file)).failed


def test_a_part_of_a_registry(login: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> None:
    login(**LOGIN)
    assert login(repository="team/app", **OTHER)["registry"] == f"{secured.name}/team/app"
    assert entries(file) == {
        secured.name: entry("u:hunter2:x"),
        f"{secured.name}/team/app": entry("v:s3cret-of-v"),
    }
    assert login(repository="team/app", state="absent")["changed"] is True
    assert entries(file) == {secured.name: entry("u:hunter2:x")}


@pytest.mark.parametrize(
    ("registry", "kind", "key"),
    [
        ("docker.io", "podman", "docker.io"),
        ("index.docker.io", "podman", "docker.io"),
        ("docker.io", "docker", "https://index.docker.io/v1/"),
        ("r.example:5000", "podman", "r.example:5000"),
        ("https://R.example:5000", "docker", "r.example:5000"),
        ("r.example/prefix", "podman", "r.example/prefix"),
    ],
)
def test_the_name_in_the_file(login: t.Any, file: pathlib.Path, registry: str, kind: str, key: str) -> None:
    assert login(registry=registry, format=kind, verify=False, **LOGIN)["changed"] is True
    assert list(entries(file)) == [key]
    assert login(registry=registry, format=kind, verify=False, **LOGIN)["changed"] is False


def test_other_spellings_of_the_registry(login: t.Any, file: pathlib.Path) -> None:
    file.parent.mkdir(mode=0o700)
    old = {"https://r.example/v2/": entry("u:hunter2:x"), "x.example": entry("x:x")}
    file.write_text(json.dumps({"auths": old}))
    file.chmod(0o600)
    options = {"registry": "r.example", "verify": False}
    assert login(**options, **LOGIN)["changed"] is False
    assert login(**options, **OTHER)["changed"] is True
    assert entries(file) == {"x.example": entry("x:x"), "r.example": entry("v:s3cret-of-v")}
    file.write_text(json.dumps({"auths": {**old, "R.EXAMPLE": entry("u:old")}}))
    assert login(**options, state="absent")["changed"] is True
    assert entries(file) == {"x.example": entry("x:x")}


def test_docker_reads_one_spelling_of_docker_hub(login: t.Any, file: pathlib.Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {"docker.io": entry("u:hunter2:x")}}))
    assert login(registry="docker.io", verify=False, format="docker", **LOGIN)["changed"] is True
    assert list(entries(file)) == ["https://index.docker.io/v1/"]


def test_an_entry_that_cannot_be_used_is_replaced(login: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {secured.name: {"auth": "?", "registrytoken": "s3cret-of-v"}}}))
    assert login(**LOGIN)["changed"] is True
    assert entries(file) == {secured.name: entry("u:hunter2:x")}


# --- the usual places ---


def test_the_places(run_module: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    home = pathlib.Path(os.environ["HOME"])
    options = {"registry": "r.example", "verify": False, **LOGIN}
    assert run_module("oci_login", **options)["auth_file"] == str(tmp_path / "run/containers/auth.json")
    assert run_module("oci_login", **options, format="docker")["auth_file"] == str(home / ".docker/config.json")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "named.json"))
    assert run_module("oci_login", **options)["auth_file"] == str(tmp_path / "named.json")
    assert run_module("oci_login", **options, format="docker")["auth_file"] == str(tmp_path / "docker/config.json")
    monkeypatch.delenv("REGISTRY_AUTH_FILE")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    if os.getuid() == 0:
        found = run_module("oci_login", **options, check=True)
        assert found["auth_file"] == "/run/containers/0/auth.json"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_place_of_a_user_without_a_session(run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"registry": "r.example", "verify": False, "check": True, **LOGIN}
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    run = run_module("oci_login", **options)
    assert run["error"] == {"kind": "option_invalid", "option": "auth_file"}
    assert "/run/user/12345, which does not exist on this host; give a path" in run["msg"]
    monkeypatch.setattr(os.path, "isdir", lambda path: path == "/run/user/12345")
    assert run_module("oci_login", **options)["auth_file"] == "/run/user/12345/containers/auth.json"


# --- the file ---


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o660, 0o600), (0o600, 0o600), (0o400, 0o400)])
def test_the_mode(login: t.Any, file: pathlib.Path, before: int, after: int) -> None:
    login(**LOGIN)
    file.chmod(before)
    assert login(**LOGIN)["changed"] is (before != after)
    assert mode(file) == after
    file.chmod(before)
    login(**OTHER)
    assert mode(file) == after


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_owner_stays(login: t.Any, file: pathlib.Path) -> None:
    login(**LOGIN)
    os.chown(file.parent, children.NOBODY, children.NOBODY)
    os.chown(file, children.NOBODY, children.NOBODY)
    run = login(**OTHER)
    assert (file.stat().st_uid, file.stat().st_gid, mode(file)) == (children.NOBODY, children.NOBODY, 0o600)
    assert any("Another user can replace the auth file" in text for text in run.warnings)


def test_a_symbolic_link_stays(login: t.Any, file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    file.parent.mkdir()
    file.symlink_to("../dotfiles/auth.json")
    run = login(**LOGIN)
    assert (run["changed"], run["auth_file"]) == (True, str(tmp_path / "dotfiles/auth.json"))
    assert file.is_symlink()
    assert login(**LOGIN)["changed"] is False
    assert login(state="absent")["changed"] is True
    assert file.is_symlink()
    assert entries(file) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_symbolic_link_of_another_user_is_refused(login: t.Any, file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "important").write_text("{}")
    file.parent.mkdir()
    file.symlink_to(tmp_path / "important")
    os.lchown(file, children.NOBODY, children.NOBODY)
    run = login(**LOGIN)
    assert run["error"]["kind"] == "destination"
    assert "is a symbolic link that another user can change" in run["msg"]
    assert (tmp_path / "important").read_text() == "{}"


def test_links_in_a_circle(login: t.Any, file: pathlib.Path) -> None:
    file.parent.mkdir()
    file.symlink_to("b")
    (file.parent / "b").symlink_to("auth.json")
    assert "too many symbolic links" in login(**LOGIN)["msg"]


def test_what_is_not_a_file(login: t.Any, file: pathlib.Path) -> None:
    file.mkdir(parents=True)
    assert "it is not a regular file; give another path" in login(**LOGIN)["msg"]
    assert "it is a directory; give the path of a file" in login(auth_file=f"{file}/", **LOGIN)["msg"]
    file.rmdir()
    os.mkfifo(file)
    assert "it is not a regular file; give another path" in login(**LOGIN)["msg"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hunter2", "it is not the JSON that docker and podman write"),
        (b'{"auths": {', "it is not the JSON that docker and podman write"),
        (b"[]", "it is not the JSON that docker and podman write"),
        (b'{"auths": []}', "auths is not an object"),
        (b'{"r.example": {"auth": "dTpodW50ZXIyOng="}}', "it has the old format of .dockercfg"),
        (b"{" + b" " * 4194304 + b"}", "it is not the JSON that docker and podman write"),
    ],
)
def test_a_file_that_cannot_be_used(login: t.Any, file: pathlib.Path, content: bytes, words: str) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    for options in ({"verify": False, **LOGIN}, {"state": "absent"}):
        run = login(**options)
        assert run["error"]["kind"] == "configuration"
        assert words in run["msg"]
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b" \n", b"{}", b'{"auths": {}}', b'{"auths": null}'])
def test_an_empty_file(login: t.Any, secured: FaultyRegistry, file: pathlib.Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    file.chmod(0o600)
    assert login(state="absent")["changed"] is False
    assert file.read_bytes() == content
    assert login(**LOGIN)["changed"] is True
    assert entries(file) == {secured.name: entry("u:hunter2:x")}


def test_two_tasks_at_once_lose_no_login(secured: FaultyRegistry, login: t.Any, file: pathlib.Path) -> None:
    """Each reads the file only after it has the lock."""

    def task(name: str) -> t.Any:
        return children.start(lambda: login(registry=name, verify=False, **LOGIN).results)

    running = [task(f"r{number}.example") for number in range(6)]
    assert all(child.result()["changed"] for child in running)
    assert sorted(entries(file)) == [f"r{number}.example" for number in range(6)]
    assert os.listdir(file.parent) == ["auth.json"]


def test_a_lock_that_is_not_released(login: t.Any, file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_module, "_LOCK_SECONDS", 0.0)
    file.parent.mkdir(mode=0o700)
    lock = file.parent / ".auth.json.oci_login.lock"
    with lock.open("w") as held:
        lock.chmod(0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        run = login(verify=False, **LOGIN)
    assert run["error"]["kind"] == "locked"
    assert not file.exists()


def test_what_a_killed_task_left_is_removed(login: t.Any, file: pathlib.Path) -> None:
    login(**LOGIN)
    left = [file.parent / name for name in (".auth.json.oci_login.new-1", ".auth.json.oci_login.lock")]
    for path in left:
        path.write_text("hunter2")
        path.chmod(0o600)
    assert login(check=True, **LOGIN)["changed"] is False
    assert left[0].exists()
    assert login(**LOGIN)["changed"] is False
    assert os.listdir(file.parent) == ["auth.json"]


# --- credential helpers ---


def test_a_store_keeps_the_secret_out_of_the_file(
    login: t.Any, secured: FaultyRegistry, file: t.Any, helper: t.Any
) -> None:
    file.parent.mkdir()
    file.write_text('{"credsStore": "fake"}')
    file.chmod(0o600)
    run = login(format="docker", **LOGIN)
    assert (run["changed"], run["kind"], run["helper"], run["username"]) == (True, "helper", "fake", "u")
    assert json.loads(file.read_text()) == {"credsStore": "fake", "auths": {secured.name: {}}}
    kept = helper / secured.name.replace(":", "%3A")
    assert json.loads(kept.read_text()) == {"ServerURL": secured.name, "Username": "u", "Secret": "hunter2:x"}
    assert login(format="docker", **LOGIN)["changed"] is False
    assert login(format="docker", check=True, **OTHER)["changed"] is True
    assert json.loads(kept.read_text())["Username"] == "u"
    run = login(format="docker", diff=True, **OTHER)
    assert (run["diff"]["before"]["username"], run["diff"]["after"]["username"]) == ("u", "v")
    assert json.loads(kept.read_text())["Username"] == "v"
    assert login(state="absent", format="docker", check=True)["changed"] is True
    assert kept.exists()
    assert login(state="absent", format="docker")["changed"] is True
    assert not kept.exists()
    assert json.loads(file.read_text()) == {"credsStore": "fake", "auths": {}}
    assert login(state="absent", format="docker")["changed"] is False


def test_a_helper_for_the_host_hides_a_login_to_a_part_of_it(login: t.Any, file: t.Any, helper: t.Any) -> None:
    file.parent.mkdir()
    file.write_text('{"credsStore": "fake"}')
    run = login(repository="team", **LOGIN)
    assert run["changed"] is True
    assert any("docker-credential-fake" in text and "is asked before" in text for text in run.warnings)
    assert list(helper.iterdir()) == []


def test_a_secret_in_the_file_moves_to_the_helper(
    login: t.Any, secured: FaultyRegistry, file: t.Any, helper: t.Any
) -> None:
    login(**LOGIN)
    assert login(helper="fake", **LOGIN)["changed"] is True
    assert json.loads(file.read_text()) == {"auths": {}, "credHelpers": {secured.name: "fake"}}
    assert [json.loads(path.read_text())["Username"] for path in helper.iterdir()] == ["u"]
    assert login(helper="fake", **LOGIN)["changed"] is False


def test_an_identity_token_in_a_helper(login: t.Any, helper: pathlib.Path) -> None:
    assert login(helper="fake", identity_token="r3fresh-token")["changed"] is True
    assert [json.loads(path.read_text())["Username"] for path in helper.iterdir()] == ["<token>"]
    assert login(helper="fake", identity_token="r3fresh-token")["changed"] is False


def test_a_helper_that_logs_in_by_itself(login: t.Any, secured: FaultyRegistry, file: t.Any, helper: t.Any) -> None:
    run = login(helper="fake")
    assert f"docker-credential-fake has no credentials for {secured.name}" in run["msg"]
    assert not file.parent.exists()
    (helper / secured.name.replace(":", "%3A")).write_text(json.dumps({"Username": "u", "Secret": "hunter2:x"}))
    run = login(helper="fake")
    assert (run["changed"], run["verified"], run["kind"]) == (True, True, "helper")
    assert json.loads(file.read_text()) == {"credHelpers": {secured.name: "fake"}}
    assert login(helper="fake")["changed"] is False
    assert login(state="absent")["changed"] is True
    assert json.loads(file.read_text()) == {"credHelpers": {}}
    assert list(helper.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"helper": "absent"}, "docker-credential-absent .* cannot be started"),
        ({"helper": "../fake"}, "its name may contain only"),
        ({"helper": "absent", **LOGIN}, "docker-credential-absent .* cannot be started"),
    ],
)
def test_a_helper_that_cannot_be_used(login: t.Any, file: t.Any, options: t.Any, words: str) -> None:
    run = login(**options)
    assert run["error"]["kind"] == "configuration"
    assert re.search(words, run["msg"])
    assert not file.parent.exists()


def test_logging_out_of_a_helper_that_is_not_installed(login: t.Any, secured: FaultyRegistry, file: t.Any) -> None:
    """The file names it for this registry alone, and then no more; that of the whole file may have the credentials."""
    assert login(helper="absent", verify=False)["changed"] is True
    run = login(state="absent")
    assert run["changed"] is True
    assert any("is no longer used for" in text for text in run.warnings)
    assert json.loads(file.read_text()) == {"credHelpers": {}}
    file.write_text(json.dumps({"credsStore": "absent", "auths": {secured.name: {}}}))
    assert login(state="absent")["error"]["kind"] == "configuration"


def test_a_helper_that_only_gets_credentials(login: t.Any, secured: FaultyRegistry, file: t.Any, helper: t.Any) -> None:
    """Such as ecr-login, which can neither store nor erase."""
    (helper / "get-only").touch()
    (helper / secured.name.replace(":", "%3A")).write_text(json.dumps({"Username": "u", "Secret": "hunter2:x"}))
    assert login(helper="fake")["changed"] is True
    before = file.read_bytes()
    run = login(**OTHER)
    assert "Cannot store credentials in the helper docker-credential-fake" in run["msg"]
    assert file.read_bytes() == before
    run = login(state="absent")
    assert run["changed"] is True
    assert any("Cannot erase credentials in the helper" in text for text in run.warnings)
    assert json.loads(file.read_text()) == {"credHelpers": {}}
    assert login(state="absent")["changed"] is False
    file.write_text('{"credsStore": "fake"}')
    assert "Cannot erase credentials in the helper" in login(state="absent")["msg"]
    assert json.loads(file.read_text()) == {"credsStore": "fake"}


def test_a_task_that_waited_finds_the_login_of_the_other_one(
    login: t.Any, secured: FaultyRegistry, file: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = place_module.AuthPlace.opened

    def overtaken(place: t.Any) -> t.Any:
        monkeypatch.setattr(place_module.AuthPlace, "opened", real)
        assert login(**LOGIN)["changed"] is True
        return real(place)

    monkeypatch.setattr(place_module.AuthPlace, "opened", overtaken)
    assert login(**LOGIN)["changed"] is False
    assert entries(file) == {secured.name: entry("u:hunter2:x")}


# --- absent ---


def test_logs_out(login: t.Any, secured: FaultyRegistry, file: pathlib.Path) -> None:
    assert login(state="absent")["changed"] is False
    assert not file.parent.exists()
    login(**LOGIN)
    login(registry="other.example", verify=False, **OTHER)
    secured.clear()
    run = login(state="absent", diff=True)
    assert (run["changed"], run["username"], run["kind"]) == (True, None, None)
    assert run["diff"]["before"] == {"username": "u", "kind": "password", "mode": "0600"}
    assert run["diff"]["after"] == {"mode": "0600"}
    assert entries(file) == {"other.example": entry("v:s3cret-of-v")}
    assert login(state="absent")["changed"] is False
    assert secured.requests == []


# --- options ---


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "username, identity_token, token, helper"),
        ({"username": "u"}, "password"),
        ({"identity_token": "r3fresh-token", **LOGIN}, "mutually exclusive"),
        ({"token": "r3fresh-token"}, "expires within minutes"),
        ({"username": "u:v", "password": "hunter2"}, "The option username cannot be used"),
        ({"username": "", "password": "hunter2"}, "The option username cannot be used"),
        ({"username": "u", "password": "hunter2\0"}, "The option password cannot be used"),
        ({"repository": "Team", **LOGIN}, "must be lower case"),
        ({"repository": "team", "format": "docker", **LOGIN}, "docker has one login for a registry as a whole"),
        ({"repository": "team", "helper": "fake", **LOGIN}, "which no helper knows"),
        ({"registry": "r example", **LOGIN}, "The registry"),
        ({"timeout": 0, **LOGIN}, "timeout is 0"),
    ],
)
def test_options_that_cannot_be_used(login: t.Any, file: pathlib.Path, options: t.Any, words: str) -> None:
    run = login(**options)
    assert run.failed
    assert words in run["msg"]
    assert not file.parent.exists()
