# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command starts, stops and fails with the documented exit codes and one line of text."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing as t
import urllib.request

import ansible_collections.attested.registry
import pytest
from ansible_collections.attested.registry.plugins.module_utils._server import libraries as aio
from ansible_collections.attested.registry.plugins.module_utils._server.config.libraries import OLDEST_PYDANTIC
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import LeftOut, Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.summary import summary
from ansible_collections.attested.registry.plugins.module_utils._server.main import main
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import Certificate

PACKAGE = "ansible_collections.attested.registry.plugins.module_utils._server"
MODULE = f"{PACKAGE}.serve"
# the directory that holds ansible_collections: two names of its own, and the namespace package's
COLLECTIONS = str(pathlib.Path(ansible_collections.attested.registry.__path__[0]).parents[2])
IMAGE = images.image([images.layer([images.file("a", b"1")])])


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    images.write_layout(tmp_path / "root" / "app", {"1.0": IMAGE, "latest": IMAGE})
    return tmp_path / "root"


def command(*arguments: t.Any) -> list[str]:
    return [sys.executable, "-m", MODULE, *map(str, arguments)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": COLLECTIONS}


@contextlib.contextmanager
def running(*arguments: t.Any) -> t.Iterator[tuple[subprocess.Popen[str], str]]:
    """The server as its users start it, and the line that it begins with."""
    with subprocess.Popen(
        command(*arguments), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def run(*arguments: t.Any) -> tuple[int, str, str]:
    """Run it to its end; gives exit code, stdout and stderr."""
    done = subprocess.run(command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_and_stop(root: pathlib.Path, number: signal.Signals) -> None:
    (root / "broken").mkdir()
    with running("--root", root, "--port", 0) as (process, line):
        url, dummy, text = line.rstrip("\n").partition(" ")
        assert url.startswith("http://127.0.0.1:")
        assert text.startswith(f"serves 1 repository of {root}: app (2 tags); left out 1: broken (There is no file ")
        with urllib.request.urlopen(f"{url}/v2/app/manifests/1.0", timeout=30) as answer:
            assert answer.read() == IMAGE.data
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == ""
    assert "left out broken: There is no file oci-layout" in err
    assert f"127.0.0.1 - GET /v2/app/manifests/1.0 200 {IMAGE.size} 0.0" in err
    assert "Traceback" not in err


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    return [int(word) for word in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def is_ignored(number: signal.Signals, pid: int) -> bool:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    (mask,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))
    return bool(mask >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_stops_the_server_quietly(root: pathlib.Path, number: signal.Signals) -> None:
    with running("--root", root, "--port", 0, "--workers", 2) as (process, dummy):
        workers = workers_of(process)
        assert len(workers) == 2
        # else a worker that ends before the main process has read its own signal would look like one that crashed
        assert all(is_ignored(number, pid) for pid in workers)
        for pid in (*workers, process.pid):
            os.kill(pid, number)
        err = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert [line.split(" ", 2)[2] for line in err.splitlines()] == ["INFO stopping"]


def test_tls(root: pathlib.Path, certificate: Certificate) -> None:
    options = ("--tls", "tls", "--cert", certificate.cert, "--key", certificate.key)
    with running("--root", root, "--port", 0, "--host", "127.0.0.1", *options) as (dummy, line):
        url = line.partition(" ")[0]
        assert url.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/v2/app/tags/list", timeout=30, context=certificate.trust()) as answer:
            assert json.load(answer) == {"name": "app", "tags": ["1.0", "latest"]}


FAULTS: dict[str, tuple[list[str], int, str]] = {
    "no options": ([], 2, "--root"),
    "unknown option": (["--root", "{root}", "--what"], 2, "--what"),
    "bad port": (["--root", "{root}", "--port", "65536"], 2, "65536"),
    "tls without certificate": (["--root", "{root}", "--tls", "tls"], 2, "--cert"),
    "certificate without tls": (["--root", "{root}", "--cert", "{cert}", "--key", "{key}"], 2, "--tls tls"),
    "unknown tls": (["--root", "{root}", "--tls", "ssl"], 2, "ra-tls"),
    "bad root": (["--root", "{root}/nowhere", "--port", "0"], 3, "{root}/nowhere"),
    "empty root": (["--root", "", "--port", "0"], 2, "empty"),
    "a line end in a name": (["--root", "{root}/no\nwhere", "--port", "0"], 3, "{root}/no\\nwhere failed"),
    "port in use": (["--root", "{root}", "--port", "{taken}"], 4, "port {taken}"),
    "no such address": (["--root", "{root}", "--port", "0", "--host", "192.0.2.1"], 4, "192.0.2.1"),
    "bad certificate": (["--root", "{root}", "--tls", "tls", "--cert", "{key}", "--key", "{key}"], 5, "{key}"),
}


@pytest.mark.parametrize(("arguments", "code", "text"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(
    root: pathlib.Path,
    certificate: Certificate,
    arguments: list[str],
    code: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"root": root, "cert": certificate.cert, "key": certificate.key, "taken": taken.getsockname()[1]}
        found = main([argument.format(**values) for argument in arguments])
    captured = capsys.readouterr()
    assert found == code
    assert captured.out == ""
    assert text.format(**values) in captured.err
    assert captured.err.count("\n") == 1
    assert captured.err.endswith(".\n")


def test_the_process_ends_with_the_code_and_one_line(tmp_path: pathlib.Path) -> None:
    code, out, err = run("--root", tmp_path / "nowhere", "--port", 0)
    assert (code, out, err.count("\n")) == (3, "", 1)


def test_help() -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for option in ("--root", "--host", "--port", "--tls", "--cert", "--key"):
        assert option in out


def test_without_aiohttp(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(aio, "AIOHTTP_VERSION", "")
    assert main(["--root", str(tmp_path)]) == 6
    assert "aiohttp" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["3.8.4", "3.10.11", "2.99", "3.9.0b1"])
def test_an_old_aiohttp_is_said_to_be_old(
    version: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(aio, "AIOHTTP_VERSION", version)
    assert main(["--root", str(tmp_path)]) == 6
    said = capsys.readouterr().err
    assert f"aiohttp {version} is older than 3.11" in said
    assert sys.executable in said


@pytest.mark.parametrize("version", ["3.11.0", "3.11.0rc1", "3.14.5", "4.0"])
def test_an_aiohttp_that_is_new_enough(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio, "AIOHTTP_VERSION", version)
    aio.require_aiohttp()


def test_the_oldest_libraries_are_those_that_the_requirements_promise() -> None:
    text = (pathlib.Path(__file__).parents[6] / "requirements-server.txt").read_text()
    assert f"aiohttp>={'.'.join(map(str, aio.OLDEST_AIOHTTP))}.0\n" in text
    assert f"pydantic>={'.'.join(map(str, OLDEST_PYDANTIC))}.0\n" in text


@pytest.mark.parametrize(
    ("library", "text", "said"),
    [
        ("aiohttp", "raise ImportError('not here')", "aiohttp is not installed; install the package python3-aiohttp"),
        (
            "pydantic",
            "raise ImportError('not here')",
            "pydantic is not installed; install the package python3-pydantic",
        ),
        ("pydantic", "VERSION = '1.10.24'", "pydantic 1.10.24 is older than 2.10; run pip install 'pydantic>=2.10'"),
        ("pydantic", "VERSION = '2.9.2'", "pydantic 2.9.2 is older than 2.10; run pip install 'pydantic>=2.10'"),
    ],
)
def test_every_file_can_be_imported_without(library: str, text: str, said: str, tmp_path: pathlib.Path) -> None:
    package = pathlib.Path(aio.__file__).parent
    files = [path.relative_to(package) for path in package.rglob("*.py") if path.stem != "__main__"]
    names = [".".join(path.with_suffix("").parts) for path in files]
    assert "api.app" in names
    (tmp_path / f"{library}.py").write_text(f"{text}\n")
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    done = subprocess.run(
        [sys.executable, "-c", script, *(f"{PACKAGE}.{name}" for name in names)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{COLLECTIONS}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(
        command("--root", tmp_path),
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{COLLECTIONS}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert said in done.stderr


def test_a_long_summary_is_cut() -> None:
    left = tuple(LeftOut(f"app{n:02}", "layout_invalid", "why") for n in range(12))
    text = summary(Snapshot("/srv", {}, left_out=left))
    assert text.startswith("serves 0 repositories of /srv; left out 12: app00 (why), ")
    assert text.endswith("app09 (why), and 2 more")


def test_the_summary_is_one_line_that_can_be_written_out() -> None:
    assert summary(Snapshot("/srv\n/\udcff", {})) == "serves 0 repositories of /srv\\n/\\udcff"
