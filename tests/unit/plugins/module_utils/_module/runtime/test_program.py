# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of a process is found in its tree and nowhere else."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.process import Process
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.program import find_program
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.values import RuntimeConfigError
from ansible_collections.attested.registry.plugins.module_utils._unpack.accounts import Account
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import FilesystemError
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.confine import DIRECTORY


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with programs, beside one that is not in it."""
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "opt/app").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    for name, mode in (("usr/bin/run", 0o755), ("opt/app/run", 0o711), ("usr/bin/data", 0o644), ("opt/data", 0o755)):
        (root / name).touch()
        (root / name).chmod(mode)
    (tmp_path / "outside").touch(0o755)
    (root / "bin/out").symlink_to("../../outside")
    (root / "bin/absolute").symlink_to("/opt/app/run")
    (root / "usr/bin/dir").mkdir()
    return root


def find(tree: Path, name: str, *, path: str = "/bin:/opt", cwd: str = "/") -> str:
    descriptor = os.open(tree, DIRECTORY)
    try:
        return find_program(descriptor, Process((name,), (f"PATH={path}",), cwd, Account(0, 0)), path=str(tree))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("run", {}, "/bin/run"),
        ("run", {"path": "/nowhere:/opt/app:/bin"}, "/opt/app/run"),
        ("run", {"path": "", "cwd": "/opt/app"}, "/opt/app/run"),
        ("run", {"path": "app", "cwd": "/opt"}, "/opt/app/run"),
        ("data", {}, "/opt/data"),
        ("absolute", {}, "/bin/absolute"),
        ("/usr/bin/run", {}, "/usr/bin/run"),
        ("./run", {"cwd": "/opt/app"}, "/opt/app/run"),
        ("../../usr/bin/run", {"cwd": "/opt/app"}, "/usr/bin/run"),
    ],
)
def test_programs(tree: Path, name: str, options: dict[str, t.Any], expected: str) -> None:
    assert find(tree, name, **options) == expected


@pytest.mark.parametrize("name", ["out", "missing", "dir", "/bin/data", "/etc/passwd", "../outside", "run/x", "/"])
def test_what_is_no_program_of_the_tree(tree: Path, name: str) -> None:
    with pytest.raises(RuntimeConfigError, match="no executable file") as caught:
        find(tree, name)
    assert f'"{name}"' in caught.value.message


def test_a_loop_and_a_fifo(tree: Path) -> None:
    (tree / "bin/loop").symlink_to("loop")
    os.mkfifo(tree / "bin/fifo", 0o755)
    with pytest.raises(FilesystemError, match="ELOOP"):
        find(tree, "loop")
    with pytest.raises(RuntimeConfigError):
        find(tree, "fifo")


def test_a_path_of_a_million_directories(tree: Path) -> None:
    with pytest.raises(RuntimeConfigError) as caught:
        find(tree, "run", path=":".join(["/none"] * 300 + ["/bin"]))
    assert len(caught.value.message) < 1000
