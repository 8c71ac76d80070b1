# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for the modules: they run in the test process, against a FaultyRegistry, without the user's credentials."""

from __future__ import annotations

import contextlib
import importlib
import json
import pathlib
import typing as t
from dataclasses import dataclass

import pytest
from ansible.module_utils.common import warnings as module_warnings
from ansible.module_utils.testing import patch_module_args
from ansible_collections.attested.registry.plugins.module_utils._base.parents import Parents
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

_PLACES = (
    "REGISTRY_AUTH_FILE",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DOCKER_CONFIG",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
)


@dataclass(frozen=True)
class Run:
    """The results of a module, and everything that it wrote."""

    results: dict[str, t.Any]
    output: str

    def __getitem__(self, name: str) -> t.Any:
        return self.results[name]

    @property
    def failed(self) -> bool:
        return bool(self.results.get("failed"))

    @property
    def warnings(self) -> list[str]:
        return [str(text) for text in self.results.get("warnings", [])]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, new_directory: t.Callable[[str], pathlib.Path]) -> None:
    """No credentials and no proxies of whoever runs the tests."""
    for name in _PLACES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(new_directory("home")))


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> t.Callable[..., Run]:
    """Runs a module as Ansible does, but in this process."""

    def run(name: str, /, *, check: bool = False, diff: bool = False, **options: t.Any) -> Run:
        module = importlib.import_module(f"ansible_collections.attested.registry.plugins.modules.{name}")
        module_warnings._global_warnings.clear()
        capsys.readouterr()
        with (
            patch_module_args({**options, "_ansible_check_mode": check, "_ansible_diff": diff}),
            contextlib.suppress(SystemExit),
        ):
            module.main()
        output = capsys.readouterr().out
        return Run(json.loads(output), output)

    return run


@pytest.fixture
def removed_once(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[pathlib.Path], None]:
    """Lets another task that made a directory, and failed, remove it just after the next task has found it."""

    def arrange(path: pathlib.Path) -> None:
        make, left = Parents.make, [path]

        def overtaken(parents: Parents) -> None:
            make(parents)
            if left:
                left.pop().rmdir()

        path.mkdir()
        monkeypatch.setattr(Parents, "make", overtaken)

    return arrange


@pytest.fixture
def registry() -> t.Iterator[FaultyRegistry]:
    with FaultyRegistry() as server:
        yield server


@pytest.fixture
def base() -> images.Layer:
    return images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n")])


@pytest.fixture
def top() -> images.Layer:
    return images.layer([images.file("etc/motd", b"good morning\n"), images.file("etc/new", b"")])


@pytest.fixture
def old(base: images.Layer) -> images.Image:
    return images.image([base], annotations={"org.example.version": "1"})


@pytest.fixture
def new(base: images.Layer, top: images.Layer) -> images.Image:
    return images.image([base, top], annotations={"org.example.version": "2"})
