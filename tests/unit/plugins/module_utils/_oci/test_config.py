# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image configs (image-spec, config.md) are parsed with all their fields; errors name the field."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import JsonInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.config import History, ImageConfig, Runtime
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DocumentInvalid, OciError
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform
from hypothesis import given
from hypothesis import strategies as st

DIFF_ID = str(Digest.of(b"layer"))
FULL: dict[str, t.Any] = {
    "created": "2026-01-02T03:04:05.678901234Z",
    "author": "Somebody <somebody@example.com>",
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "os.version": "6.1",
    "os.features": ["x"],
    "config": {
        "User": "1000:1000",
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "Env": ["PATH=/bin", "EMPTY=", "$(reboot)"],
        "Entrypoint": ["/app"],
        "Cmd": ["--help"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"org.example": "; reboot"},
        "StopSignal": "SIGTERM",
        "ArgsEscaped": True,
        "Memory": 1024,
        "MemorySwap": -1,
        "CpuShares": 2,
        "OnBuild": ["RUN true"],
        "Shell": ["/bin/sh", "-c"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000},
        "Hostname": "an unknown field",
    },
    "rootfs": {"type": "layers", "diff_ids": [DIFF_ID, DIFF_ID]},
    "history": [
        {"created": "2026-01-02T03:04:05Z", "created_by": "COPY", "author": "a", "comment": "b"},
        {"created_by": "ENV", "empty_layer": True},
        {},
    ],
    "docker_version": "1.2.3",
    "container_config": {"Cmd": None},
    "x-unknown": [1, 2.5, {"deep": None}],
}
PLAIN: dict[str, t.Any] = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}}


def encode(document: t.Any, **change: t.Any) -> bytes:
    return json.dumps({**document, **change}, indent=1).encode()


def test_every_field() -> None:
    raw = encode(FULL)
    config = ImageConfig.parse(raw)
    assert config.raw == raw
    assert config.platform == Platform("linux", "arm64", "v8", "6.1", ("x",))
    assert (config.created, config.author) == (FULL["created"], FULL["author"])
    assert config.runtime == Runtime(
        user="1000:1000",
        exposed_ports=("8080/tcp", "53/udp"),
        env=("PATH=/bin", "EMPTY=", "$(reboot)"),
        entrypoint=("/app",),
        cmd=("--help",),
        volumes=("/data",),
        working_dir="/srv",
        labels={"org.example": "; reboot"},
        stop_signal="SIGTERM",
        args_escaped=True,
        memory=1024,
        memory_swap=-1,
        cpu_shares=2,
        on_build=("RUN true",),
        shell=("/bin/sh", "-c"),
    )
    assert config.diff_ids == (Digest.of(b"layer"), Digest.of(b"layer"))
    assert config.history == (
        History("2026-01-02T03:04:05Z", "a", "COPY", "b"),
        History(created_by="ENV", empty_layer=True),
        History(),
    )
    assert config.as_dict() == FULL


def test_the_document_can_be_changed_without_changing_the_config() -> None:
    config = ImageConfig.parse(encode(FULL))
    config.as_dict().clear()
    assert config.as_dict() == FULL


def test_optional_fields_may_be_absent_or_null() -> None:
    nulls = dict.fromkeys(("created", "author", "variant", "os.version", "os.features", "config", "history"))
    config, absent = ImageConfig.parse(encode(PLAIN, **nulls)), ImageConfig.parse(encode(PLAIN))
    assert config.runtime == absent.runtime == Runtime()
    assert config.history == absent.history == ()
    assert config.platform == absent.platform == Platform("linux", "amd64")


def test_fields_of_the_runtime_may_be_null() -> None:
    config = ImageConfig.parse(encode(PLAIN, config=dict.fromkeys(FULL["config"])))
    assert config.runtime == Runtime()


@pytest.mark.parametrize("memory", [0, 2**63 - 1, -(2**63)])
def test_numbers_are_64_bits_wide(memory: int) -> None:
    assert ImageConfig.parse(encode(PLAIN, config={"Memory": memory})).runtime.memory == memory


@pytest.mark.parametrize("diff_ids", [None, []])
def test_an_image_without_layers(diff_ids: t.Any) -> None:
    assert ImageConfig.parse(encode(PLAIN, rootfs={"type": "layers", "diff_ids": diff_ids})).diff_ids == ()


def test_a_signature_has_no_platform() -> None:
    assert ImageConfig.parse(encode(PLAIN, os="", architecture="")).platform.is_unknown()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rootfs": None}, "rootfs is missing"),
        ({"rootfs": []}, "rootfs"),
        ({"rootfs": {}}, "rootfs.type is missing"),
        ({"rootfs": {"type": "layer", "diff_ids": []}}, 'rootfs.type must be "layers"'),
        ({"rootfs": {"type": "layers+\n", "diff_ids": []}}, 'rootfs.type must be "layers"'),
        ({"rootfs": {"type": "layers", "diff_ids": {}}}, "rootfs.diff_ids"),
        ({"rootfs": {"type": "layers", "diff_ids": [DIFF_ID, 1]}}, "rootfs.diff_ids[1]"),
        ({"rootfs": {"type": "layers", "diff_ids": [DIFF_ID.upper()]}}, "rootfs.diff_ids[0]"),
        ({"rootfs": {"type": "layers", "diff_ids": [], "Diff_IDs": [DIFF_ID]}}, "rootfs.Diff_IDs"),
        ({"RootFS": {}}, "RootFS"),
        ({"created": 5}, "created"),
        ({"author": []}, "author"),
        ({"os": {}}, "os"),
        ({"config": []}, "config"),
        ({"config": {"User": 0}}, "config.User"),
        ({"config": {"Env": "PATH=/bin"}}, "config.Env"),
        ({"config": {"Env": {"PATH": "/bin"}}}, "config.Env"),
        ({"config": {"Env": ["A=1", 2]}}, "config.Env[1]"),
        ({"config": {"Cmd": "sh"}}, "config.Cmd"),
        ({"config": {"Entrypoint": [None]}}, "config.Entrypoint[0]"),
        ({"config": {"Volumes": ["/data"]}}, "config.Volumes"),
        ({"config": {"ExposedPorts": 80}}, "config.ExposedPorts"),
        ({"config": {"Labels": {"a": 1}}}, 'config.Labels["a"]'),
        ({"config": {"ArgsEscaped": 1}}, "config.ArgsEscaped"),
        ({"config": {"Memory": True}}, "config.Memory"),
        ({"config": {"Memory": 2**63}}, "config.Memory"),
        ({"config": {"CpuShares": 1.5}}, "config.CpuShares"),
        ({"config": {"Healthcheck": "curl"}}, "config.Healthcheck"),
        ({"history": {}}, "history"),
        ({"history": [None]}, "history[0]"),
        ({"history": [{}, {"empty_layer": "yes"}]}, "history[1].empty_layer"),
        ({"history": [{"created_by": ["a"]}]}, "history[0].created_by"),
    ],
)
def test_errors_name_the_field(change: dict[str, t.Any], field: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        ImageConfig.parse(encode(PLAIN, **change), what="the config of app:1")
    assert field in caught.value.message
    assert caught.value.message.startswith("Reading the config of app:1 failed: ")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"os": "linux", "os": "linux"}', b"\xff"])
def test_an_invalid_config_is_refused(raw: bytes) -> None:
    with pytest.raises(JsonInvalid, match="the image config"):
        ImageConfig.parse(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([DIFF_ID, "layers"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "diff_ids", "created", "empty_layer", *FULL["config"]]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from([FULL, PLAIN]), st.dictionaries(st.sampled_from(sorted(FULL)), JSON, max_size=3))
def test_total(document: dict[str, t.Any], change: dict[str, t.Any]) -> None:
    raw = encode(document, **change)
    try:
        config = ImageConfig.parse(raw)
    except OciError as exc:
        assert exc.message.isprintable()  # noqa: PT017
        return
    assert config.as_dict() == json.loads(raw)
