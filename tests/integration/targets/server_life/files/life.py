# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""life.py SCENARIO WORK: start the server as a command, put it under load, and check that it keeps serving.

Prints what was seen; a scenario that fails ends with a traceback. Nothing here tries a request again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import typing as t
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._tls13.errors import TlsError
from ansible_collections.attested.registry.tests.support.attestation import certificates
from ansible_collections.attested.registry.tests.support.attestation.attested_clients import (
    Answer,
    AttestedHttp,
    attested,
    connect,
    make_realm,
)
from ansible_collections.attested.registry.tests.support.images import images

MODULE = "ansible_collections.attested.registry.plugins.module_utils._server.serve"
SMALL = images.image([images.layer([images.file("a", b"1")])])
BLOB = images.Content(os.urandom(4 * 1024 * 1024), "application/octet-stream")
HUGE = images.Content(bytes(64 * 1024 * 1024), "application/octet-stream")
WITH_BLOB = images.artifact("application/vnd.example", [BLOB])
WITH_HUGE = images.artifact("application/vnd.example", [HUGE])


@dataclass
class Server:
    """The running server."""

    process: subprocess.Popen[str]
    port: int
    lines: list[str]
    said: threading.Condition

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Until so many lines of its log hold a text."""
        with self.said:
            found = self.said.wait_for(lambda: sum(text in line for line in self.lines) >= times, timeout=60)
        assert found, (text, times, self.lines[-20:])

    def workers(self) -> list[int]:
        """Its child processes."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def log(self) -> str:
        return "".join(self.lines)


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", MODULE, *map(str, options)]


@contextlib.contextmanager
def running(root: Path, *options: object, files: int | None = None) -> t.Iterator[Server]:
    """The server on a free port; files limits how many it may have open."""
    limit = [] if files is None else ["prlimit", f"--nofile={files}:{files}"]
    with subprocess.Popen(
        limit + command("--root", root, "--port", 0, "--access-log", "none", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, process.communicate()[1]
            server = Server(process, int(first.split(" ")[0].rpartition(":")[2]), [], threading.Condition())
            threading.Thread(target=listen, args=(server,), daemon=True).start()
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def listen(server: Server) -> None:
    assert server.process.stderr is not None
    for line in server.process.stderr:
        with server.said:
            server.lines.append(line)
            server.said.notify_all()


def layouts(work: Path) -> Path:
    root = work / "root"
    images.write_layout(root / "app", {"1": SMALL, "blob": WITH_BLOB, "huge": WITH_HUGE})
    return root


@dataclass
class Load:
    """Clients that ask for tags, a manifest and a blob in turn, on connections that they keep."""

    port: int
    clients: int
    tls: ssl.SSLContext | None = None
    # what clients of ra-tls show, and the certificate that they trust
    attested: tuple[Answer, Path] | None = None
    done: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    PATHS: t.ClassVar = {
        "/v2/app/manifests/1": hashlib.sha256(SMALL.data).hexdigest(),
        f"/v2/app/blobs/{BLOB.digest}": hashlib.sha256(BLOB.data).hexdigest(),
        "/v2/app/tags/list": None,
    }

    def __enter__(self) -> Load:
        self.threads = [threading.Thread(target=self.client, args=(number,)) for number in range(self.clients)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def connect(self) -> http.client.HTTPConnection:
        if self.attested is not None:
            answer, trust = self.attested
            return AttestedHttp("127.0.0.1", self.port, answer=answer, trust=trust)
        if self.tls is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def client(self, number: int) -> None:
        connection = self.connect()
        for turn in itertools.count(number):
            if self.stop.is_set():
                break
            if turn % 50 == 0:
                connection.close()
            try:
                self.ask(connection, list(self.PATHS)[turn % len(self.PATHS)])
            except (OSError, http.client.HTTPException, TlsError, AssertionError) as exc:
                connection.close()
                with self.lock:
                    self.failures.append(repr(exc))
            else:
                with self.lock:
                    self.done += 1
        connection.close()

    def ask(self, connection: http.client.HTTPConnection, path: str) -> None:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:200])
        expected = self.PATHS[path]
        assert expected is None or hashlib.sha256(body).hexdigest() == expected, path

    def until(self, number: int) -> None:
        """Wait until so many more requests were answered."""
        goal, deadline = self.done + number, time.monotonic() + 60
        while self.done < goal:
            assert time.monotonic() < deadline, (self.done, goal, self.failures[:3])
            time.sleep(0.01)


def get(port: int, path: str, *, tls: ssl.SSLContext | None = None) -> bytes:
    scheme = "http" if tls is None else "https"
    with urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}{path}", timeout=30, context=tls) as answer:
        body: bytes = answer.read()
        return body


def reload_under_load(work: Path) -> str:
    """Several reloads with new content: no request fails, and the content is there."""
    root = layouts(work)
    with running(root, "--workers", 2) as server:
        with Load(server.port, 16) as load:
            load.until(100)
            for number in range(5):
                images.write_layout(root / f"new{number}", {"1": SMALL})
                server.signal(signal.SIGHUP)
                server.wait_for("reloaded:", times=number + 1)
                assert get(server.port, f"/v2/new{number}/manifests/1") == SMALL.data
                load.until(100)
        assert load.failures == [], load.failures[:5]
        server.signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert "Traceback" not in server.log(), server.log()
    return f"5 reloads, {load.done} requests, none failed"


def attested_reload(work: Path) -> str:
    """Over ra-tls: references are replaced under load; a transfer ends, and who is not accepted any more stays out."""
    root = layouts(work)
    server_cert = certificates.Authority(work).server()
    trust = work / "authority.pem"
    always, before, after = (make_realm(work / name, "--name", name) for name in ("always", "before", "after"))
    references = work / "before.json"
    references.write_bytes((before / "reference.json").read_bytes())
    words: list[object] = ["--tls", "ra-tls", "--cert", server_cert.cert, "--key", server_cert.key]
    for realm in (always, before, after):
        words += ["--trust-anchors", realm / "cpak.pem"]
    words += ["--reference-values", always / "reference.json", "--reference-values", references, "--workers", 2]

    def lets_in(realm: Path) -> bool:
        connection = AttestedHttp("127.0.0.1", server.port, answer=attested(realm), trust=trust)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/v2/")
                return connection.getresponse().status == 200
            except TlsError as exc:
                return exc.fields["alert"] != "certificate_unknown"

    with running(root, *words) as server:
        assert (lets_in(before), lets_in(after)) == (True, False)
        with contextlib.closing(connect(("127.0.0.1", server.port), answer=attested(before), trust=trust)) as sock:
            sock.sendall(blob_request(HUGE.digest))
            assert b"200 OK" in sock.recv(64)
            with Load(server.port, 8, attested=(attested(always), trust)) as load:
                load.until(50)
                references.write_text("{")
                server.signal(signal.SIGHUP)
                server.wait_for("The previous state stays in use.")
                load.until(50)
                assert (lets_in(before), lets_in(after)) == (True, False)
                references.write_bytes((after / "reference.json").read_bytes())
                server.signal(signal.SIGHUP)
                server.wait_for("reloaded:")
                load.until(50)
                assert (lets_in(before), lets_in(after)) == (False, True)
            assert load.failures == [], load.failures[:5]
            assert read_rest(sock) > HUGE.size - 64
        server.signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert "Traceback" not in server.log(), server.log()
    return f"a broken file and a new one, {load.done} requests, none failed"


def broken_update(work: Path) -> str:
    """After an update, broken repositories stay served and new ones are served."""
    root = layouts(work)
    images.write_layout(root / "other", {"1": SMALL})
    with running(root) as server:
        (root / "app" / "index.json").write_bytes(b"{")
        images.write_layout(root / "new", {"1": SMALL})
        server.signal(signal.SIGHUP)
        server.wait_for("reloaded:")
        server.wait_for("app: it is served in its previous state")
        assert get(server.port, "/v2/app/manifests/1") == get(server.port, "/v2/new/manifests/1") == SMALL.data
        root.rename(work / "moved")
        server.signal(signal.SIGHUP)
        server.wait_for("The previous state stays in use.")
        (work / "moved").rename(root)
        assert get(server.port, "/v2/other/manifests/1") == SMALL.data
    return "the layout that broke and the root that vanished did not stop anything"


def watching(work: Path) -> str:
    """Without a signal, a changed layout is served soon."""
    root = layouts(work)
    with running(root, "--watch", "0.2") as server:
        # in one step: half of a layout may be loaded, too
        images.write_layout(work / "team" / "new", {"1": SMALL})
        (work / "team").rename(root / "team")
        server.wait_for("reloaded:")
        assert get(server.port, "/v2/team/new/manifests/1") == SMALL.data
    return "a new layout was found"


def read_slowly(sock: socket.socket, request: bytes) -> None:
    sock.sendall(request)
    assert b"200 OK" in sock.recv(64)


@contextlib.contextmanager
def transfer(port: int) -> t.Iterator[socket.socket]:
    """A big transfer under way."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        read_slowly(sock, blob_request(HUGE.digest))
        yield sock


def blob_request(digest: str) -> bytes:
    return f"GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def read_rest(sock: t.Any) -> int:
    return sum(len(part) for part in iter(lambda: sock.recv(1024 * 1024), b""))


def drain(work: Path) -> str:
    """After SIGTERM a transfer ends, nobody else gets in, and what takes too long is cut."""
    root = layouts(work)
    with running(root) as server, transfer(server.port) as sock:
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        wait_until(lambda: not connects(server.port))
        assert server.process.poll() is None
        assert read_rest(sock) > HUGE.size - 64
        assert server.process.wait(60) == 0
    for seconds, signals in ((1, 1), (600, 2)):
        with running(root, "--drain-seconds", seconds) as server, transfer(server.port):
            for dummy in range(signals):
                server.signal(signal.SIGTERM)
                server.wait_for("stopping")
            assert server.process.wait(60) == 0
    return "a transfer ended, one was cut at the deadline, one by a second signal"


def connects(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def bad_certificate(work: Path) -> str:
    """A bad certificate stays out, a good one comes in, under load and with a connection that stays open."""
    root = layouts(work)
    first, second = (certificates.Authority(work, name) for name in ("first", "second"))
    old, new = first.server("old"), second.server("new")
    cert, key = work / "server.crt", work / "server.key"
    cert.write_bytes(old.cert.read_bytes())
    key.write_bytes(old.key.read_bytes())
    trust = ssl.create_default_context(cafile=str(first.path))
    trust_new = ssl.create_default_context(cafile=str(second.path))
    with running(root, "--tls", "tls", "--cert", cert, "--key", key) as server:
        with Load(server.port, 4, tls=trust) as load:
            load.until(20)
            cert.write_bytes(new.cert.read_bytes())
            server.signal(signal.SIGHUP)
            server.wait_for("The previous state stays in use.")
            load.until(20)
        assert load.failures == [], load.failures[:5]
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        with trust.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            read_slowly(sock, blob_request(HUGE.digest))
            key.write_bytes(new.key.read_bytes())
            server.signal(signal.SIGHUP)
            server.wait_for("reloaded:")
            assert get(server.port, "/v2/app/manifests/1", tls=trust_new) == SMALL.data
            assert read_rest(sock) > HUGE.size - 64
    return "the bad pair was kept out, the good one came in, a transfer ended on the old one"


def exit_codes(work: Path) -> str:
    """Each fault has its code and one line."""
    root = layouts(work)
    (work / "nonsense").write_text("nonsense")
    nonsense = work / "nonsense"
    good = certificates.Authority(work).server()
    attested_words = ["--root", root, "--port", 0, "--tls", "ra-tls", "--cert", good.cert, "--key", good.key]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, code in (
            (["--root", root, "--what"], 2),
            (["--config", work / "nowhere"], 2),
            (["--config", nonsense], 2),
            (["--root", work / "nowhere", "--port", 0], 3),
            (["--root", root, "--port", port], 4),
            (["--root", root, "--port", 0, "--tls", "tls", "--cert", nonsense, "--key", nonsense], 5),
            (["--root", root, "--port", 0, "--htpasswd", nonsense], 7),
            ([*attested_words, "--trust-anchors", nonsense], 8),
            ([*attested_words, "--trust-anchors", nonsense, "--check-config"], 1),
            (["--root", root, "--check-config"], 0),
            (["--root", root, "--htpasswd", nonsense, "--check-config"], 1),
        ):
            done = subprocess.run(command(*options), capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == code, (options, done)
            assert (done.stdout + done.stderr).count("\n") == 1, (options, done)
    return "11 ends, each with its code and one line"


def idle_connections(work: Path) -> str:
    """A thousand connections that do nothing are kept, and still work."""
    root = layouts(work)
    request = b"GET /v2/app/manifests/1 HTTP/1.1\r\nHost: x\r\n\r\n"
    with running(root) as server, contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            for dummy in range(1000)
        ]
        for dummy in range(2):
            for sock in socks:
                sock.sendall(request)
            for sock in socks:
                answer = b""
                while not answer.endswith(SMALL.data):
                    part = sock.recv(65536)
                    assert part, answer
                    answer += part
            time.sleep(2)
        (worker,) = server.workers()
        memory = next(line for line in Path(f"/proc/{worker}/status").read_text().splitlines() if "VmRSS" in line)
    return f"1000 connections, each used twice; the worker's {' '.join(memory.split())}"


def slow_reader(work: Path) -> str:
    """Clients that read nothing or send half a head are cut, plain and with TLS; slow ones above the limit are not."""
    root = layouts(work)
    made = certificates.Authority(work).server()
    trust = ssl.create_default_context(cafile=str(work / "authority.pem"))
    limits = ["--minimum-rate", 100_000, "--stall-seconds", 5, "--head-seconds", 2]
    for options in ([], ["--tls", "tls", "--cert", made.cert, "--key", made.key]):
        with running(root, *limits, *options) as server, contextlib.ExitStack() as stack:
            socks = []
            for dummy in range(2):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
                if options:
                    sock = stack.enter_context(trust.wrap_socket(sock, server_hostname="127.0.0.1"))
                read_slowly(sock, blob_request(HUGE.digest))
                socks.append(sock)
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            if not options:
                silent.sendall(b"GET /v2/ HT")
            begin, taken = time.monotonic(), 0
            while time.monotonic() - begin < 12:
                taken += len(socks[1].recv(256 * 1024))
                time.sleep(0.1)
            try:
                got = read_rest(socks[0])
            except (ConnectionResetError, ssl.SSLError):
                got = -1
            assert got < HUGE.size - 64, "the connection that took nothing was not cut"
            while taken < HUGE.size - 64:
                part = socks[1].recv(1024 * 1024)
                assert part, "the connection that took enough was cut"
                taken += len(part)
            if not options:
                assert silent.recv(1) == b"", "the unfinished head was waited for"
    return "cut in time, and only who deserved it"


async def slow_client(port: int, stop: asyncio.Event, failures: list[str]) -> int:
    done = 0
    expected = hashlib.sha256(BLOB.data).hexdigest()
    while not stop.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65536)
            writer.write(blob_request(BLOB.digest))
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert b" 200 " in head, head
            digest, left = hashlib.sha256(), BLOB.size
            while left:
                part = await asyncio.wait_for(reader.read(min(left, 65536)), 60)
                assert part, f"{left} bytes are missing"
                digest.update(part)
                left -= len(part)
                await asyncio.sleep(0.1)
            assert digest.hexdigest() == expected
            writer.close()
            done += 1
        except (OSError, AssertionError, asyncio.IncompleteReadError, asyncio.TimeoutError) as exc:
            failures.append(repr(exc))
    return done


async def slow_crowd(server: Server, root: Path) -> tuple[int, list[str]]:
    stop = asyncio.Event()
    failures: list[str] = []
    clients = [asyncio.ensure_future(slow_client(server.port, stop, failures)) for dummy in range(500)]
    await asyncio.sleep(3)
    for number in range(3):
        images.write_layout(root / f"new{number}", {"1": SMALL})
        server.signal(signal.SIGHUP)
        await asyncio.to_thread(server.wait_for, "reloaded:", times=number + 1)
        await asyncio.sleep(2)
    stop.set()
    return sum(await asyncio.gather(*clients)), failures


def slow_crowd_while_reloading(work: Path) -> str:
    """500 slow readers and three reloads: nobody's transfer fails."""
    root = layouts(work)
    with running(root, "--workers", 2) as server:
        done, failures = asyncio.run(slow_crowd(server, root))
        assert failures == [], (len(failures), failures[:5])
        assert done >= 500
        wait_until(lambda: len(server.workers()) == 2)
    return f"{done} slow transfers over 3 reloads, none failed, and the old workers are gone"


def killed_worker(work: Path) -> str:
    """kill -9 of a worker costs what it had under way, and no more."""
    root = layouts(work)
    with running(root, "--workers", 2) as server:
        with Load(server.port, 8) as load:
            load.until(100)
            victim = server.workers()[0]
            os.kill(victim, signal.SIGKILL)
            server.wait_for("starting another one")
            wait_until(lambda: len(server.workers()) == 2)
            load.until(300)
            assert len(load.failures) <= 8, load.failures
        with Load(server.port, 8) as load:
            load.until(300)
        assert load.failures == [], load.failures[:5]
    return "it was replaced"


def killed_parent(work: Path) -> str:
    """kill -9 of the main process: the workers end their transfers and go, and the port is free."""
    root = layouts(work)
    with running(root) as server:
        (worker,) = server.workers()
        with transfer(server.port) as sock:
            server.process.kill()
            wait_until(lambda: not connects(server.port))
            assert read_rest(sock) > HUGE.size - 64
        wait_until(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text())
    return "the worker ended its transfer and went"


def too_many(work: Path) -> str:
    """Connections over the limit are closed at once; when one goes, another can come."""
    root = layouts(work)
    with running(root, "--connections", 5) as server, contextlib.ExitStack() as stack:
        socks = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60)) for dummy in range(5)
        ]
        for sock in socks:
            sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in sock.recv(4096)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
            assert sock.recv(1) == b""
        server.wait_for("the limit of 5 connections is reached")
        socks[0].close()

        def answered() -> bool:
            try:
                return get(server.port, "/v2/") == b"{}"
            except OSError:
                return False

        wait_until(answered)
    return "the sixth was closed"


def few_descriptors(work: Path) -> str:
    """When there are no more file descriptors, the server goes on, and works again as soon as there are."""
    root = layouts(work)
    with running(root, files=40) as server, contextlib.ExitStack() as stack:
        for dummy in range(80):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        server.wait_for("accepting a connection failed")
        stack.close()
        with Load(server.port, 4) as load:
            load.until(50)
        assert load.failures == [], load.failures[:5]
        assert "Traceback" not in server.log(), server.log()
    return "80 connections with 40 descriptors, and then 50 requests"


def service_manager(work: Path) -> str:
    """Socket activation and notifications, as systemd does them."""
    root = layouts(work)
    with socket.create_server(("127.0.0.1", 0)) as passed, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(work / "notify"))
        manager.settimeout(60)
        start = 'import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ["LISTEN_PID"] = str(os.getpid())\n'
        start += "os.execv(sys.argv[2], sys.argv[2:])\n"
        words = command("--root", root, "--listen", "systemd")
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(work / "notify"),
            "LISTEN_FDS": "1",
            "WATCHDOG_USEC": "3000000",
        }
        with subprocess.Popen(
            [sys.executable, "-c", start, str(passed.fileno()), *words],
            pass_fds=[passed.fileno()],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                said = until_said(manager, "READY=1")
                assert "STATUS=serves 1 repository" in said
                assert get(passed.getsockname()[1], "/v2/app/manifests/1") == SMALL.data
                until_said(manager, "WATCHDOG=1")
                before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                process.send_signal(signal.SIGHUP)
                said = until_said(manager, "RELOADING=1")
                (at,) = (
                    int(line.partition("=")[2]) for line in said.splitlines() if line.startswith("MONOTONIC_USEC=")
                )
                assert before <= at <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                until_said(manager, "READY=1")
                process.send_signal(signal.SIGTERM)
                until_said(manager, "STOPPING=1")
                assert process.wait(60) == 0
            finally:
                process.kill()
    return "READY, WATCHDOG, RELOADING, READY, STOPPING"


def until_said(manager: socket.socket, text: str) -> str:
    while True:
        said = manager.recv(65536).decode()
        if text in said.splitlines():
            return said


SCENARIOS: dict[str, t.Callable[[Path], str]] = {
    function.__name__: function
    for function in (
        reload_under_load,
        attested_reload,
        broken_update,
        watching,
        drain,
        bad_certificate,
        exit_codes,
        idle_connections,
        slow_reader,
        slow_crowd_while_reloading,
        killed_worker,
        killed_parent,
        too_many,
        few_descriptors,
        service_manager,
    )
}


if __name__ == "__main__":
    place = Path(sys.argv[2]) / sys.argv[1]
    place.mkdir(parents=True)
    print(f"{sys.argv[1]}: {SCENARIOS[sys.argv[1]](place)}")
