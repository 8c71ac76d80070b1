# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the main process: snapshots between processes, watching, limits, metrics, notifications, sockets."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import pathlib
import socket
import types
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._server.access.identity import Peer
from ansible_collections.attested.registry.plugins.module_utils._server.connections.access_log import log_request
from ansible_collections.attested.registry.plugins.module_utils._server.connections.connections import Connections
from ansible_collections.attested.registry.plugins.module_utils._server.connections.listeners import (
    bind_unix,
    passed_by_systemd,
    url_of,
)
from ansible_collections.attested.registry.plugins.module_utils._server.connections.pace import (
    Delivery,
    SlowReaderCheck,
    delivery_of,
)
from ansible_collections.attested.registry.plugins.module_utils._server.connections.protocol import plain_address
from ansible_collections.attested.registry.plugins.module_utils._server.content import handover
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.snapshot import LeftOut, Snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.content.summary import faults, summary
from ansible_collections.attested.registry.plugins.module_utils._server.content.verified_files import VerifiedFiles
from ansible_collections.attested.registry.plugins.module_utils._server.content.watch import Watch
from ansible_collections.attested.registry.plugins.module_utils._server.errors import ListenError, RootError
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.counters import Board
from ansible_collections.attested.registry.plugins.module_utils._server.metrics.metrics import Metrics, State
from ansible_collections.attested.registry.plugins.module_utils._server.processes import notify
from ansible_collections.attested.registry.plugins.module_utils._server.processes.credentials import keep_served
from ansible_collections.attested.registry.plugins.module_utils._server.throttle import LogThrottle
from ansible_collections.attested.registry.plugins.module_utils._server.version import VERSION
from ansible_collections.attested.registry.tests.support.images import images

IMAGE = images.image([images.layer([images.file("a", b"1")])])


def test_the_version_is_that_of_the_collection() -> None:
    galaxy = pathlib.Path(__file__).parents[5] / "galaxy.yml"
    assert f"version: {VERSION}\n" in galaxy.read_text()


def test_a_snapshot_goes_from_process_to_process(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    snapshot = load_snapshot(str(tmp_path))
    found = handover.unpack(handover.pack(snapshot))
    assert found == snapshot
    assert isinstance(found.repositories, types.MappingProxyType)
    assert found.repositories["app"].tags["1"] is found.repositories["app"].manifests[IMAGE.digest]


def test_an_unchanged_repository_is_not_transferred_again(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {str(number): IMAGE for number in range(20)})
    previous = load_snapshot(str(tmp_path))
    images.write_layout(tmp_path / "new", {"1": IMAGE})
    snapshot = load_snapshot(str(tmp_path))
    data = handover.pack(snapshot, previous=previous)
    assert len(data) < len(handover.pack(snapshot))
    found = handover.unpack(data, previous=previous)
    assert found == snapshot
    assert found.repositories["app"] is previous.repositories["app"]
    (tmp_path / "app" / "blobs" / "sha256" / IMAGE.digest.partition(":")[2]).touch()
    changed = load_snapshot(str(tmp_path))
    found = handover.unpack(handover.pack(changed, previous=previous), previous=previous)
    assert found.repositories["app"] == changed.repositories["app"] != previous.repositories["app"]


def test_an_error_goes_from_process_to_process() -> None:
    with pytest.raises(RootError, match="why"):
        handover.unpack(handover.pack(RootError("why")))
    with pytest.raises(RootError, match="killed"):
        handover.unpack(b"")


def snapshots(root: pathlib.Path) -> Snapshot:
    return load_snapshot(str(root))


def test_broken_repositories_stay_served_and_removed_ones_do_not(tmp_path: pathlib.Path) -> None:
    for name in ("broken", "removed", "kept"):
        images.write_layout(tmp_path / name, {"1": IMAGE})
    old = snapshots(tmp_path)
    (tmp_path / "broken" / "index.json").write_bytes(b"{")
    (tmp_path / "removed").rename(tmp_path / ".removed")
    images.write_layout(tmp_path / "new", {"1": IMAGE})
    (tmp_path / "never-good").mkdir()
    found = keep_served(old, snapshots(tmp_path))
    assert set(found.repositories) == {"broken", "kept", "new"}
    assert found.repositories["broken"] is old.repositories["broken"]
    assert [item.name for item in found.left_out] == ["never-good"]
    assert any(warning.startswith("broken: it is served in its previous state") for warning in found.warnings)
    assert [item.name for item in found.stale] == ["broken"]
    assert f"; stale, and served as before, 1: broken ({found.stale[0].reason})" in summary(found)
    assert faults(found) == "left out 1: never-good; stale 1: broken"
    # it stays so as long as it is broken, and no longer
    assert [item.name for item in keep_served(found, snapshots(tmp_path)).stale] == ["broken"]
    images.write_layout(tmp_path / "broken", {"1": IMAGE})
    assert keep_served(found, snapshots(tmp_path)).stale == ()
    assert keep_served(None, found) is found


def test_repositories_below_an_unreadable_directory_stay_served(tmp_path: pathlib.Path) -> None:
    for name in ("shut/app", "emptied/app"):
        images.write_layout(tmp_path / name, {"1": IMAGE})
    old = snapshots(tmp_path)
    left = (LeftOut("shut", "unreadable", "why"), LeftOut("emptied", "layout_invalid", "why"))
    found = keep_served(old, Snapshot("/", {}, left_out=left))
    assert set(found.repositories) == {"shut/app"}
    assert [item.name for item in found.stale] == ["shut/app"]
    assert [item.name for item in found.left_out] == ["emptied"]


def test_files_that_are_kept_are_no_older_than_when_they_were_verified(tmp_path: pathlib.Path) -> None:
    images.write_layout(tmp_path / "app", {"1": IMAGE})
    old = snapshots(tmp_path)
    (tmp_path / "app" / "index.json").write_bytes(b"{")
    later = dataclasses.replace(snapshots(tmp_path), began_ns=old.began_ns + 10**12)
    kept = keep_served(old, later)
    assert kept.repositories.keys() == {"app"}
    # the file was written just before it was read, so that it may have changed since and look the same
    content = kept.repositories["app"].blobs[IMAGE.layers[0].digest]
    files = VerifiedFiles()
    files.trust_snapshot(kept)
    assert not files.knows(Digest.parse(content.digest), content.identity)


def test_a_snapshot_with_nothing_broken_is_taken_as_it_is() -> None:
    new = Snapshot("/", {}, left_out=(LeftOut("other", "kind", "why"),))
    assert keep_served(Snapshot("/", {}), new) is new


class TestWatch:
    def test_a_change_is_reported_once_after_it_has_settled(self, tmp_path: pathlib.Path) -> None:
        images.write_layout(tmp_path / "team" / "app", {"1": IMAGE})
        watch = Watch(str(tmp_path))
        assert not watch.has_changed()
        images.write_layout(tmp_path / "team" / "app", {"1": IMAGE, "2": IMAGE})
        assert [watch.has_changed() for dummy in range(4)] == [False, True, False, False]

    def test_a_new_layout_a_late_blob_and_a_removed_one(self, tmp_path: pathlib.Path) -> None:
        watch = Watch(str(tmp_path))
        images.write_layout(tmp_path / "app", {"1": IMAGE})
        assert [watch.has_changed() for dummy in range(2)] == [False, True]
        (tmp_path / "app" / "blobs" / "sha256" / "late").touch()
        assert [watch.has_changed() for dummy in range(2)] == [False, True]
        (tmp_path / "app").rename(tmp_path / ".app")
        assert [watch.has_changed() for dummy in range(2)] == [False, True]

    def test_a_root_that_is_gone_is_no_failure(self, tmp_path: pathlib.Path) -> None:
        assert not Watch(str(tmp_path / "nowhere")).has_changed()


class TestConnections:
    def test_limits(self) -> None:
        counters = Board(1).take()
        connections = Connections(counters, limit=3, per_address=2)
        first, second = connections.admit("a"), connections.admit("a")
        assert first is not None
        assert second is not None
        assert connections.admit("a") is None
        third = connections.admit(None)
        assert third is not None
        assert connections.admit("b") is None
        assert (counters.get("refused", "address"), counters.get("refused", "total")) == (1, 1)
        first.release()
        first.release()
        assert connections.open == counters.get("open") == 2
        assert connections.admit("a") is not None

    def test_the_first_limit_holds_for_all_processes_together(self) -> None:
        board = Board(2)
        here, there = (Connections(board.take(), limit=2, per_address=0) for dummy in range(2))
        assert here.admit("a")
        assert there.admit("a")
        assert here.admit("a") is None

    def test_warnings_are_rare(self, caplog: pytest.LogCaptureFixture) -> None:
        now = 0.0
        throttle = LogThrottle(lambda: now)
        for dummy in range(5):
            throttle.log("it is %s", "full")
        now = 11.0
        throttle.log("it is %s", "full")
        assert [record.getMessage() for record in caplog.records] == [
            "it is full",
            "it is full (4 more since the last such line)",
        ]


class TestCounters:
    def test_counts_of_an_ended_worker_are_kept(self) -> None:
        board = Board(1)
        counters = board.take()
        assert not board.has_room
        counters.request("GET", 200, size=10, seconds=0.2)
        counters.request("PUT", 405, size=1, seconds=0.0001)
        counters.request("GET", 299, size=0, seconds=1000)
        counters.put("open", 5)
        board.give_back(counters)
        again = board.take()
        again.request("GET", 200, size=10, seconds=0.5)
        totals = board.totals()
        assert totals["requests", ("GET", "200")] == 2
        assert totals["requests", ("other", "405")] == 1
        assert totals["requests", ("GET", "other")] == 1
        assert totals["bytes", ()] == 21
        assert totals["open", ()] == 0
        assert [totals["seconds_bucket", (limit,)] for limit in ("0.001", "0.5", "+Inf")] == [1, 2, 1]

    def test_a_child_counts_into_the_same_memory(self) -> None:
        board = Board(1)
        counters = board.take()
        pid = os.fork()
        if pid == 0:
            counters.add("accepted")
            os._exit(0)
        os.waitpid(pid, 0)
        assert board.totals()["accepted", ()] == 1

    def test_the_metrics_that_prometheus_reads(self) -> None:
        parser = pytest.importorskip("prometheus_client.parser")
        board = Board(1)
        board.take().request("GET", 200, size=7, seconds=0.2)
        state = State(snapshot=Snapshot("/", {}), ready=True, workers=1, reloads_failed=2)
        text = Metrics(board, state).text().decode()
        families = parser.text_string_to_metric_families(text)
        found = {(item.name, *item.labels.values()): item.value for family in families for item in family.samples}
        assert found["attested_registry_requests_total", "GET", "200"] == 1
        assert found["attested_registry_bytes_total",] == 7
        assert found["attested_registry_request_seconds_bucket", "0.1"] == 0
        assert found["attested_registry_request_seconds_bucket", "0.5"] == 1
        assert found["attested_registry_request_seconds_count",] == 1
        assert found["attested_registry_ready",] == 1
        assert found["attested_registry_reloads_total", "failed"] == 2
        assert found["attested_registry_build_info", VERSION] == 1
        assert found["attested_registry_stale_layouts",] == 0
        assert not [name for name in found if "attestation" in name[0] or "certificate" in name[0]]
        assert not [name for name in found if "last_reload" in name[0]]

    def test_the_metrics_about_clients_that_attest_certificates_and_reloads(self) -> None:
        stale = (LeftOut("app", "layout_invalid", "why"),)
        state = State(
            snapshot=Snapshot("/", {}, stale=stale), reloaded_at=1000.5, reload_failed=True, certificate_expires=2e9
        )
        lines = Metrics(Board(1), state, attesting=True).text().decode().splitlines()
        for line in (
            "attested_registry_stale_layouts 1.0",
            "attested_registry_last_reload_timestamp_seconds 1000.5",
            "attested_registry_last_reload_successful 0.0",
            "attested_registry_certificate_not_after_timestamp_seconds 2e+09",
            'attested_registry_attestations_total{result="accepted"} 0.0',
            "attested_registry_attestation_seconds_count 0.0",
        ):
            assert line in lines


class TestPace:
    def test_a_client_is_too_slow_only_with_data_outstanding(self) -> None:
        pace = SlowReaderCheck(seconds=10, minimum=100)
        looks = [
            (Delivery(0, 50), 0.0, False),
            (Delivery(99, 50), 9.0, False),
            (Delivery(100, 50), 9.5, False),
            (Delivery(150, 50), 19.0, False),
            (Delivery(150, 0), 19.4, False),
            (Delivery(150, 50), 30.0, False),
            (Delivery(151, 50), 39.9, False),
            (Delivery(152, 50), 40.0, True),
            (None, 41.0, False),
        ]
        assert [pace.is_too_slow(delivery, now) for delivery, now, dummy in looks] == [slow for *dummy, slow in looks]

    def test_what_the_kernel_says(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            ours, dummy = server.accept()
            with ours:
                ours.setblocking(False)
                sent = 0
                while True:
                    try:
                        sent += ours.send(bytes(1_000_000))
                    except BlockingIOError:
                        break
                found = delivery_of(ours)
                assert found is not None
                assert found.pending > 0
                assert found.acked + found.pending in (sent, sent + 1)
                client.settimeout(30)
                taken = 0
                while taken < sent:
                    taken += len(client.recv(1_000_000))
                after = delivery_of(ours)
                assert after is not None
                assert after.acked > found.acked

    def test_sockets_that_say_nothing(self) -> None:
        one, other = socket.socketpair()
        with one, other:
            assert delivery_of(one) is None
        assert delivery_of(one) is None


class TestNotifier:
    def test_lines(self, tmp_path: pathlib.Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "socket"))
            manager.settimeout(30)
            notifier = notify.Notifier({"NOTIFY_SOCKET": str(tmp_path / "socket"), "WATCHDOG_USEC": "2500000"})
            notifier.ready("works\nREADY=0")
            assert manager.recv(1000) == b"READY=1\nSTATUS=works READY=0"
            notifier.reloading()
            assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            notifier.working("loading", seconds=30)
            assert manager.recv(1000) == b"STATUS=loading\nEXTEND_TIMEOUT_USEC=30000000"
            notifier.stopping("ends")
            assert manager.recv(1000) == b"STOPPING=1\nSTATUS=ends"
            assert notifier.watchdog_seconds == 2.5

    def test_an_abstract_address(self) -> None:
        name = f"attested.registry-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"\0{name}")
            manager.settimeout(30)
            notify.Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
            assert manager.recv(1000) == b"WATCHDOG=1"

    @pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
    def test_a_notification_without_listener_is_ignored(self, address: str) -> None:
        notify.Notifier({"NOTIFY_SOCKET": address}).ready("works")

    @pytest.mark.parametrize(
        "environment",
        [
            {},
            {"WATCHDOG_USEC": "x"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "9" * 30},
            {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"},
        ],
    )
    def test_no_watchdog(self, environment: dict[str, str]) -> None:
        assert notify.Notifier(environment).watchdog_seconds is None


class TestListeners:
    @pytest.mark.parametrize(
        "environment",
        [
            {},
            {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
            {"LISTEN_PID": "{pid}", "LISTEN_FDS": "0"},
            {"LISTEN_PID": "{pid}"},
        ],
    )
    def test_nothing_passed(self, environment: dict[str, str]) -> None:
        mine = {name: value.replace("{pid}", str(os.getpid())) for name, value in environment.items()}
        with pytest.raises(ListenError, match="systemd"):
            passed_by_systemd(mine)

    def test_unix_sockets(self, tmp_path: pathlib.Path) -> None:
        path = str(tmp_path / "socket")
        with bind_unix(path, 0o600) as sock:
            sock.listen()
            assert os.stat(path).st_mode & 0o777 == 0o600
            assert url_of(sock, tls=False) == f"unix:{path}"
            with pytest.raises(ListenError, match="in use"):
                bind_unix(path, 0o600)
        with bind_unix(path, 0o660):
            assert os.stat(path).st_mode & 0o777 == 0o660

    def test_a_file_is_not_replaced_by_a_unix_socket(self, tmp_path: pathlib.Path) -> None:
        (tmp_path / "file").write_text("mine")
        with pytest.raises(ListenError, match="is not a socket"):
            bind_unix(str(tmp_path / "file"), 0o600)
        assert (tmp_path / "file").read_text() == "mine"

    def test_addresses_as_they_are_shown(self) -> None:
        assert plain_address("::ffff:192.0.2.1") == "192.0.2.1"
        assert plain_address("fe80::1%eth0") == "fe80::1"
        assert plain_address("::ffff:1") == "::ffff:1"


@dataclasses.dataclass
class _Request:
    raw_path: str
    headers: dict[str, str]
    method: str = "GET"


@dataclasses.dataclass
class _Response:
    status: int
    headers: dict[str, str]


def test_the_json_log_is_one_strict_document_a_request() -> None:
    stream, logger = io.StringIO(), logging.getLogger("attested.registry.access")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        request = _Request(f"/v2/a/b/manifests/{IMAGE.digest}", {"User-Agent": 'x"\n\udcff'})
        response = _Response(200, {"Docker-Content-Digest": IMAGE.digest})
        log_request(
            t.cast("t.Any", request),
            t.cast("t.Any", response),
            0.25,
            form="json",
            peer=Peer("192.0.2.1"),
            user="j\u00f6\n",
            size=7,
        )
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    del found["time"]
    assert found == {
        "peer": "192.0.2.1",
        "user": "j\u00f6\n",
        "method": "GET",
        "target": f"/v2/a/b/manifests/{IMAGE.digest}",
        "repository": "a/b",
        "reference": IMAGE.digest,
        "digest": IMAGE.digest,
        "status": 200,
        "bytes": 7,
        "seconds": 0.25,
        "agent": 'x"\n?',
    }
