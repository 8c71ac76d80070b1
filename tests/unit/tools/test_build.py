# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tarball contains everything that a user needs, and no other file of the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path, PurePosixPath

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SECRET = "-----BEGIN PRIVATE KEY-----\n"
# as people leave them: beside what they belong to, ignored by git or not, with telling names or not
PLANTED = (
    "server.key",
    ".env",
    "vault-password",
    "inventory.yml",
    "notes.md",
    "requirements-private.txt",
    "build/kept/registry.key",
    "docs/token.txt",
    "changelogs/fragments/secret.yml",
    "examples/playbooks/keys/registry.key",
    "examples/playbooks/secrets.yml",
    "examples/playbooks/group_vars/all.yml",
    "meta/secret.yml",
    "plugins/modules/registry.pem",
    "plugins/modules/oci_tags.py~",
    "roles/registry_server/files/server.key",
    "roles/registry_server/files/keys/server.pem",
    "roles/registry_server/vars/secrets.yml",
)
# these have the names of what ships: only git knows that they are not ours
PLANTED_CODE = ("docs/plan.md", "plugins/modules/experiment.py", "roles/registry_server/tasks/experiment.yml")
FOR_DEVELOPERS = (
    ".",
    "Makefile",
    "antsibull-nox.toml",
    "benchmarks/",
    "changelogs/fragments/",
    "examples/build_registry.py",
    "examples/registry/",
    "galaxy.yml",
    "noxfile.py",
    "plugins/module_utils/_server/__main__.py",
    "pyproject.toml",
    "requirements-demo.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "tests/",
    "tools/",
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def git(directory: Path, *words: str) -> str:
    answer = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True, check=True)
    return answer.stdout


def project_files() -> list[str]:
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [name for name in listed if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in a repository of its own, with what its owner left in it."""
    directory = tmp_path_factory.mktemp("checkout")
    for name in project_files():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=x")
    for name in (*PLANTED, *PLANTED_CODE):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(SECRET)
    return directory


def tarball(directory: Path) -> dict[str, bytes]:
    """The files of the one tarball in a directory."""
    (path,) = directory.glob("attested-registry-*.tar.gz")
    with tarfile.open(path) as archive:
        files = (member for member in archive if member.isfile())
        return {member.name: t.cast("t.IO[bytes]", archive.extractfile(member)).read() for member in files}


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], str]:
    """The result and the output of tools/build.sh, which "make build" runs."""
    output = tmp_path_factory.mktemp("built")
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(output)}
    command = [str(checkout / "tools" / "build.sh"), str(output)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return tarball(output), answer.stdout


def test_make_build_ships_exactly_what_git_tracks_and_a_user_needs(built: tuple[dict[str, bytes], str]) -> None:
    files, dummy = built
    wanted = {name for name in project_files() if not name.startswith(FOR_DEVELOPERS)}
    assert set(files) - {"MANIFEST.json", "FILES.json"} == wanted


def test_no_file_that_git_does_not_track_is_in_the_tarball(built: tuple[dict[str, bytes], str]) -> None:
    files, said = built
    assert not set(files) & {*PLANTED, *PLANTED_CODE}
    assert SECRET.encode() not in b"".join(files.values())
    assert "not in the tarball, as git does not track them: " in said
    assert "plugins/modules/experiment.py" in said


def test_a_change_that_is_not_committed_is_reported(checkout: Path, tmp_path: Path) -> None:
    changed = checkout / "README.md"
    before = changed.read_bytes()
    changed.write_bytes(before + b"more\n")
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    answer = subprocess.run(
        [checkout / "tools" / "build.sh", tmp_path], env=environment, capture_output=True, text=True, check=True
    )
    changed.write_bytes(before)
    assert "in the tarball with changes that are not committed: README.md\n" in answer.stdout


def test_without_git_nothing_is_built(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy, ignore=shutil.ignore_patterns(".git"))
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    answer = subprocess.run([copy / "tools" / "build.sh"], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "is not a git checkout; clone the repository and build there" in answer.stderr
    assert not list(copy.rglob("attested-registry-*.tar.gz"))


def test_ansible_galaxy_collection_build_leaves_out_what_the_manifest_does_not_name(
    checkout: Path, tmp_path: Path
) -> None:
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    command = [str(galaxy), "collection", "build", "--output-path", str(tmp_path), str(checkout)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    files = tarball(tmp_path)
    assert not set(files) & set(PLANTED)
    assert not [name for name in files if name.startswith(FOR_DEVELOPERS)]


def test_documents_of_the_tarball_link_to_what_is_in_it(built: tuple[dict[str, bytes], str]) -> None:
    files, dummy = built
    broken = []
    for name in (name for name in files if name.endswith(".md") and name != "CHANGELOG.md"):
        for target in LINK.findall(files[name].decode()):
            parts: list[str] = []
            for part in (PurePosixPath(name).parent / target).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            if "/".join(parts) not in files:
                broken.append(f"{name}: {target}")
    assert not broken
