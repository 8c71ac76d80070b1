# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that changed after it was verified is not served; slow or lost clients do not disturb others."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import json
import logging
import os
import pathlib
import shutil
import socket
import struct
import threading
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.api import memory, sending
from ansible_collections.attested.registry.plugins.module_utils._server.api.content_file import ContentFile
from ansible_collections.attested.registry.tests.support.images import images

from ..conftest import Certificate, RunningServer, Serve

SMALL = images.Content(b"small" * 100, "text/plain")
LARGE = images.Content(b"large" * 200_000, "text/plain")
ARTIFACT = images.artifact("application/vnd.example", [SMALL, LARGE])
CONTENTS = [SMALL, LARGE, ARTIFACT]


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> pathlib.Path:
    return images.write_layout(tmp_path / "root" / "app", {"1.0": ARTIFACT})


@pytest.fixture
def server(layout: pathlib.Path, serve: Serve) -> RunningServer:
    return serve(layout.parent)


def _remove(path: pathlib.Path) -> None:
    path.unlink()


def _truncate(path: pathlib.Path) -> None:
    os.truncate(path, 10)


def _append(path: pathlib.Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def _overwrite(path: pathlib.Path) -> None:
    # of the same size and with the same mtime: only ctime tells
    stat = path.stat()
    path.write_bytes(b"?" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _replace(path: pathlib.Path) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.rename(path)


def _link(path: pathlib.Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def _fifo(path: pathlib.Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [_remove, _truncate, _append, _overwrite, _replace, _link, _fifo])
@pytest.mark.parametrize("content", CONTENTS, ids=["small", "large", "manifest"])
def test_changed_before_the_request(
    server: RunningServer,
    layout: pathlib.Path,
    content: images.Content,
    change: t.Callable[[pathlib.Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = images.blob_path(layout, content.digest)
    change(path)
    kind, code = ("manifests", b"MANIFEST_UNKNOWN") if content is ARTIFACT else ("blobs", b"BLOB_UNKNOWN")
    for method in ("GET", "HEAD"):
        answer = server.get(f"/v2/app/{kind}/{content.digest}", method=method, Range="bytes=0-1")
        assert answer.status == 404
        assert method == "HEAD" or code in answer.body
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert all(str(path) in record.getMessage() for record in errors)
    # the others are still there
    others = [other for other in CONTENTS if other is not content]
    assert [server.get(f"/v2/app/blobs/{other.digest}").body for other in others] == [other.data for other in others]


@pytest.mark.parametrize("cached", [0, 1, 1000, None], ids=["nothing", "one", "some", "unknown"])
def test_content_outside_the_page_cache_is_sent_completely(
    layout: pathlib.Path,
    serve: Serve,
    certificate: Certificate,
    cached: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served = images.Content(LARGE.data[:70_000], "text/plain")
    images.write_layout(layout.parent / "other", {"1": images.artifact("a/b", [served])})
    asked: list[int] = []

    def preadv(fd: int, buffers: list[bytearray], position: int, flags: int) -> int:
        asked.append(position)
        if cached is None:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        data = os.pread(fd, cached if len(asked) < 100 else len(buffers[0]), position)
        buffers[0][: len(data)] = data
        return len(data)

    server = serve(layout.parent, certificate)
    monkeypatch.setattr(os, "preadv", preadv)
    assert server.get(f"/v2/other/blobs/{served.digest}").body == served.data
    assert asked


def test_a_fast_reader_does_not_keep_the_others_waiting(
    layout: pathlib.Path, serve: Serve, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_CHUNK", 1000)
    server = serve(layout.parent, certificate)
    finished = threading.Event()
    turns = 0

    async def count() -> int:
        nonlocal turns
        while not finished.is_set():
            turns += 1
            await asyncio.sleep(0)
        return turns

    counting = asyncio.run_coroutine_threadsafe(count(), server.loop)
    assert server.get(f"/v2/app/blobs/{LARGE.digest}").body == LARGE.data
    finished.set()
    assert counting.result(30) >= LARGE.size // 1000


@pytest.fixture
def change_after_open(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[t.Callable[[pathlib.Path], None]], None]:
    """Changes every file just after the server has opened and checked it."""
    opened = ContentFile.open

    def arrange(change: t.Callable[[pathlib.Path], None]) -> None:
        def open_and_change(content: t.Any) -> ContentFile | None:
            file = opened(content)
            change(pathlib.Path(content.path))
            return file

        monkeypatch.setattr(ContentFile, "open", open_and_change)

    return arrange


@pytest.mark.parametrize("change", [_truncate, _overwrite])
@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "tls"])
def test_changed_while_it_is_sent(
    layout: pathlib.Path,
    serve: Serve,
    certificate: Certificate,
    change: t.Callable[[pathlib.Path], None],
    with_tls: bool,
    change_after_open: t.Callable[[t.Callable[[pathlib.Path], None]], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sending, "_SLICE", 300_000)
    change_after_open(change)
    server = serve(layout.parent, certificate if with_tls else None)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        server.get(f"/v2/app/blobs/{LARGE.digest}")
    assert any("while it was sent" in record.getMessage() for record in caplog.records)
    change_after_open(lambda path: None)


def test_a_small_file_that_changes_while_it_is_read(
    server: RunningServer, change_after_open: t.Callable[[t.Callable[[pathlib.Path], None]], None]
) -> None:
    change_after_open(_truncate)
    assert server.get(f"/v2/app/blobs/{SMALL.digest}").status == 404


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "tls"])
def test_clients_that_go_away(
    layout: pathlib.Path, serve: Serve, certificate: Certificate, with_tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "attested.registry.access")
    huge = images.Content(bytes(30_000_000), "text/plain")
    images.write_layout(layout.parent / "huge", {"1": images.artifact("a/b", [huge])})
    server = serve(layout.parent, certificate if with_tls else None)
    for dummy in range(3):
        with contextlib.closing(server.connect()) as connection:
            connection.request("GET", f"/v2/huge/blobs/{huge.digest}")
            assert connection.getresponse().read(10) == bytes(10)
    assert server.get(f"/v2/app/blobs/{SMALL.digest}").body == SMALL.data
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    lines = [record.getMessage() for record in caplog.records if record.name == "attested.registry.access"]
    sizes = [int(line.split(" ")[4]) for line in lines]
    assert len(sizes) == 4
    assert all(size < huge.size for size in sizes)


def test_a_client_that_has_gone_before_its_answers_begin(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    gone = threading.Event()
    server.loop.call_soon_threadsafe(gone.wait, 30)
    with socket.create_connection(server.address, timeout=30) as sock:
        # so many that the server reads no further, and learns that the client has gone only when it answers
        sock.sendall(f"GET /v2/app/blobs/{LARGE.digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 50)
        # without lingering, closing resets the connection
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.set()
    assert server.get("/v2/").status == 200
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_a_client_that_cannot_be_reached_any_more(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    sendfile, calls = os.sendfile, iter([10])

    def fail_after_10_bytes(to: int, source: int, offset: int, count: int) -> int:
        for length in calls:
            return sendfile(to, source, offset, length)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", fail_after_10_bytes)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        server.get(f"/v2/app/blobs/{LARGE.digest}")
    server.close_listener()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("content", CONTENTS, ids=["small", "large", "manifest"])
def test_content_that_cannot_be_opened_for_now_is_not_called_unknown(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, content: images.Content
) -> None:
    opened = os.open

    def fail(path: t.Any, *arguments: t.Any, **named: t.Any) -> int:
        if content.digest.partition(":")[2] in str(path):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", fail)
    answer = server.get(f"/v2/app/blobs/{content.digest}")
    assert answer.status == 503
    assert json.loads(answer.body)["errors"][0]["code"] == "UNAVAILABLE"
    # nothing needs to be opened for that
    assert server.get(f"/v2/app/blobs/{content.digest}", method="HEAD").status == 200
    monkeypatch.undo()
    assert server.get(f"/v2/app/blobs/{content.digest}").body == content.data


def test_short_content_is_cached_and_its_file_checked_each_time(
    server: RunningServer, layout: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v2/app/blobs/{SMALL.digest}"
    assert server.get(path).body == SMALL.data

    def fail(content: t.Any) -> t.NoReturn:
        raise RuntimeError("opened again")

    monkeypatch.setattr(ContentFile, "open", fail)
    assert server.get(path).body == SMALL.data
    assert server.get(path, Range="bytes=1-3").body == SMALL.data[1:4]
    _overwrite(images.blob_path(layout, SMALL.digest))
    assert server.get(path).status == 404
    assert server.get(path, method="HEAD").status == 404


def test_no_more_is_kept_in_memory_than_is_allowed(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_KEPT", ARTIFACT.size + 10)
    opened: list[str] = []
    open_ = ContentFile.open

    def note(content: t.Any) -> ContentFile | None:
        opened.append(content.digest)
        return open_(content)

    monkeypatch.setattr(ContentFile, "open", note)
    for content in (SMALL, ARTIFACT, ARTIFACT.config, ARTIFACT, SMALL, ARTIFACT):
        assert server.get(f"/v2/app/blobs/{content.digest}").body == content.data
    assert opened == [content.digest for content in (SMALL, ARTIFACT, ARTIFACT.config, SMALL, ARTIFACT)]


def test_no_file_stays_open(server: RunningServer, layout: pathlib.Path) -> None:
    requests: list[tuple[str, dict[str, str]]] = [
        (f"/v2/app/blobs/{content.digest}", headers)
        for content in CONTENTS
        for headers in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=9999999-"}, {"If-None-Match": "*"})
    ]

    def run() -> None:
        for path, headers in requests:
            for method in ("GET", "HEAD"):
                server.get(path, method=method, **headers)

    run()
    _overwrite(images.blob_path(layout, SMALL.digest))
    run()
    assert [path for path in _open_files() if path.startswith(str(layout))] == []


def _open_files() -> t.Iterator[str]:
    for fd in pathlib.Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(fd)
