# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options parallel and limit_rate: downloads at once, and their rate."""

from __future__ import annotations

import pathlib
import random
import tarfile
import threading
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.attested.registry.plugins.module_utils._layout.inspection import inspect_layout
from ansible_collections.attested.registry.plugins.module_utils._module.registry import connection, parallel
from ansible_collections.attested.registry.plugins.module_utils._registry.options import Effects
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import (
    FaultyRegistry,
    Reply,
    Request,
    error,
)

LONG = 30
"""Seconds that no test waits unless it fails."""

NOISE = random.Random(11)
LAYERS = [
    images.layer([images.file(f"file{number}", NOISE.randbytes(150_000))], compression="none") for number in range(6)
]
IMAGE = images.image(LAYERS)


def answer_in_groups(registry: FaultyRegistry, size: int) -> None:
    """Let a registry answer requests for layers only when size of them wait."""
    waiting: list[threading.Event] = []

    def answer(request: Request) -> Reply:
        waiting.append(threading.Event())
        held = waiting[-1]
        if len(waiting) == size:
            for event in waiting:
                event.set()
            waiting.clear()
        return Reply(hold=held)

    for layer in LAYERS:
        registry.on(layer.digest, answer, method="GET")


@pytest.fixture
def pull(run_module: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path) -> t.Any:
    registry.publish("app", {"1.0": IMAGE})

    def run(name: str, **options: t.Any) -> t.Any:
        settings: dict[str, t.Any] = {"registry": registry.name, "repository": "app", "reference": "1.0", "retries": 0}
        settings["dest"] = str(tmp_path / name)
        if name in ("oci_image_unpack", "oci_image_export"):
            settings["ownership"] = False
        return run_module(name, **{**settings, **options})

    return run


def check_content(name: str, dest: pathlib.Path) -> None:
    if name == "oci_archive":
        with tarfile.open(dest) as archive:
            found = archive.extractfile("blobs/" + LAYERS[-1].digest.replace(":", "/"))
            assert found is not None
            assert found.read() == LAYERS[-1].data
    elif name == "oci_image_export":
        with tarfile.open(dest) as archive:
            assert archive.getnames() == [".", *(f"file{number}" for number in range(len(LAYERS)))]
    elif name == "oci_layout":
        assert inspect_layout(str(dest)).problems == ()
        assert all(images.blob_path(dest, layer.digest).read_bytes() == layer.data for layer in LAYERS)
    else:
        assert sorted(path.name for path in dest.iterdir()) == [f"file{number}" for number in range(len(LAYERS))]


def wait_for_content(parts: list[pathlib.Path], then: threading.Event) -> None:
    for dummy in range(100 * LONG):
        if all(part.exists() and part.stat().st_size for part in parts):
            break
        then.wait(0.01)
    then.set()


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("name", ["oci_archive", "oci_layout", "oci_image_unpack", "oci_image_export"])
def test_as_many_downloads_wait_at_once_as_parallel_says(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, name: str, workers: int
) -> None:
    answer_in_groups(registry, workers)
    run = pull(name, parallel=workers, timeout=LONG)
    assert not run.failed, run["msg"]
    check_content(name, tmp_path / name)
    assert pull(name)["changed"] is False


@pytest.mark.parametrize("name", ["oci_archive", "oci_layout", "oci_image_unpack", "oci_image_export"])
def test_all_downloads_share_one_token(registry: FaultyRegistry, pull: t.Any, name: str) -> None:
    registry.auth = "bearer"
    registry.users = {"user": "secret"}
    run = pull(name, username="user", password="secret", parallel=6)
    assert not run.failed, run["msg"]
    assert len(registry.sent("/token")) == 1


@pytest.mark.parametrize("name", ["oci_archive", "oci_layout", "oci_image_unpack", "oci_image_export"])
@pytest.mark.parametrize("options", [{"parallel": 0}, {"parallel": 17}, {"limit_rate": "1000"}])
def test_numbers_out_of_range(pull: t.Any, registry: FaultyRegistry, name: str, options: dict[str, t.Any]) -> None:
    run = pull(name, **options)
    assert run["error"]["kind"] == "option_invalid"
    assert run["error"]["option"] in options
    assert not registry.requests


@pytest.mark.parametrize("name", ["oci_archive", "oci_layout", "oci_image_unpack", "oci_image_export"])
def test_an_unusable_rate_is_refused(pull: t.Any, name: str) -> None:
    assert "limit_rate" in pull(name, limit_rate="fast")["msg"]


def test_the_first_error_is_reported_and_the_parts_of_others_are_kept(
    pull: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "PATIENCE", 0.05)
    dest = tmp_path / "oci_layout"
    parts = [dest / ".oci_layout" / layer.digest.replace(":", "-") for layer in LAYERS[:2]]
    for layer in LAYERS[:2]:
        registry.on(layer.digest, Reply(cut=100_000, stall=True), times=1)

    begun = threading.Event()
    registry.on(LAYERS[2].digest, replace(error(404, "BLOB_UNKNOWN", "blob unknown to registry"), hold=begun), times=1)
    watching = threading.Thread(target=wait_for_content, args=(parts, begun))
    watching.start()
    run = pull("oci_layout", parallel=3)
    watching.join()
    assert (run["error"]["kind"], run["error"]["reference"]) == ("not_found", LAYERS[2].digest)
    kept = [part.stat().st_size for part in parts]
    assert not registry.sent(LAYERS[5].digest)
    registry.clear()

    assert not pull("oci_layout", parallel=3).failed
    assert [registry.sent(layer.digest)[0].header("Range") for layer in LAYERS[:2]] == [
        f"bytes={size}-" for size in kept
    ]
    check_content("oci_layout", dest)


@pytest.mark.parametrize("name", ["oci_archive", "oci_layout", "oci_image_unpack", "oci_image_export"])
def test_the_rate_is_that_of_the_task_with_its_mirrors(
    pull: t.Any, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pauses: list[float] = []
    # a clock that stands still: each pause is that of all bytes so far
    monkeypatch.setattr(connection, "Effects", lambda: Effects(clock=lambda: 0.0, sleep=pauses.append))
    with FaultyRegistry() as mirror:
        mirror.publish("app", {"1.0": IMAGE})
        for layer in LAYERS[3:]:
            del mirror.repositories["app"].blobs[layer.digest]
        run = pull(name, mirrors=[mirror.url], limit_rate="100K")
        assert not run.failed, run["msg"]
        assert mirror.sent("/blobs/")
        assert registry.sent("/blobs/")
    assert max(pauses) == pytest.approx(sum(len(layer.data) for layer in LAYERS) / 102_400, rel=0.01)
