# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platforms are parsed, normalised, matched and ranked by variant (image-spec, image-index.md)."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DocumentInvalid, ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.fields import Fields
from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform, matches, rank
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("Linux/AMD64/V2", "linux/amd64/v2"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64/8", "linux/arm64/v8"),
        ("linux/aarch64", "linux/arm64/v8"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/armhf/v6", "linux/arm/v6"),
        ("linux/armv7l/v5", "linux/arm/v5"),
        ("linux/armv7l", "linux/arm/v7"),
        ("linux/armv6l", "linux/arm/v6"),
        ("linux/armv5tel", "linux/arm/v5"),
        ("linux/armv8l", "linux/arm/v8"),
        ("linux/riscv64", "linux/riscv64"),
        ("linux/riscv64/rva20u64", "linux/riscv64"),
        ("linux/riscv64/rva22u64", "linux/riscv64/rva22u64"),
        ("linux/ppc64le/power8", "linux/ppc64le"),
        ("linux/ppc64le/power9", "linux/ppc64le/power9"),
        ("linux/s390x", "linux/s390x"),
        ("linux/loongarch64", "linux/loong64"),
        ("macos/arm64", "darwin/arm64/v8"),
        ("windows(10.0.17763.2114)/amd64", "windows(10.0.17763.2114)/amd64"),
        ("linux/mips/32", "linux/mips/32"),
        ("unknown/unknown", "unknown/unknown"),
        pytest.param("linux/" + "a" * 249, "linux/" + "a" * 249, id="long"),
    ],
)
def test_parse_normalises(text: str, normalised: str) -> None:
    platform = Platform.parse(text)
    assert str(platform) == normalised
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux/amd64/",
        "linux/arm/v7/x",
        "linux amd64",
        "linux/am d64",
        "linux/amd64\n",
        "linux()/amd64",
        "windows(10/amd64",
        pytest.param("linux/" + "a" * 250, id="long"),
        None,
        5,
    ],
)
def test_an_invalid_platform_is_refused(text: object) -> None:
    with pytest.raises(ReferenceInvalid, match="linux/amd64 or linux/arm/v7"):
        Platform.parse(text)  # type: ignore[arg-type]


@given(st.text(max_size=40) | st.text("linuxarmv678/.()", max_size=20))
def test_parse_is_total_and_normalising_settles(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except ReferenceInvalid:
        return
    assert platform.normalised() == platform


@given(st.text(max_size=10), st.text(max_size=10))
def test_host_is_total(machine: str, system: str) -> None:
    host = Platform.host(machine, system)
    assert host.os
    assert host.architecture
    assert matches(host, host)


@pytest.mark.parametrize(
    ("machine", "system", "host"),
    [
        ("x86_64", "Linux", "linux/amd64"),
        ("AMD64", "Windows", "windows/amd64"),
        ("aarch64", "Linux", "linux/arm64/v8"),
        ("arm64", "Darwin", "darwin/arm64/v8"),
        ("armv7l", "Linux", "linux/arm/v7"),
        ("i686", "Linux", "linux/386"),
        ("ppc64le", "Linux", "linux/ppc64le"),
        ("", "", "unknown/unknown"),
    ],
)
def test_host(machine: str, system: str, host: str) -> None:
    assert str(Platform.host(machine, system)) == host


@pytest.mark.parametrize(
    ("wanted", "offered", "fits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v1", True),
        ("linux/amd64", "linux/amd64/v2", False),
        ("linux/amd64/v3", "linux/amd64/v2", True),
        ("linux/amd64/v3", "linux/amd64", True),
        ("linux/amd64/v3", "linux/amd64/v4", False),
        ("linux/amd64", "linux/386", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/arm/v7", "linux/arm/v5", True),
        ("linux/arm/v6", "linux/arm", False),
        ("linux/arm", "linux/arm/v6", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm/v7", False),
        ("linux/arm64/v9", "linux/arm64", True),
        ("linux/arm64/v8.2", "linux/arm64/v8.1", True),
        ("linux/arm64/v8.1", "linux/arm64/v8.2", False),
        ("linux/arm64/v9", "linux/arm64/v8.5", True),
        ("linux/arm64/v9", "linux/arm64/v8.6", False),
        ("linux/arm64/v9.2", "linux/arm64/v8.7", True),
        ("linux/arm64/v9.2", "linux/arm64/v8.8", False),
        ("linux/arm64", "linux/aarch64", True),
        ("linux/ppc64le/power10", "linux/ppc64le/power9", True),
        ("linux/ppc64le/power9", "linux/ppc64le/power10", False),
        ("linux/riscv64/rva23u64", "linux/riscv64/rva20u64", True),
        ("linux/riscv64/rva23u64", "linux/riscv64/rva20s64", False),
        ("linux/s390x", "linux/s390x", True),
        ("linux/s390x", "linux/s390x/z15", False),
        ("linux/mips/softfloat", "linux/mips/softfloat", True),
        ("linux/mips/softfloat", "linux/mips/hardfloat", False),
        ("linux/amd64/v2", "linux/amd64/baseline", False),
        ("linux/amd64", "linux(5.10)/amd64", True),
        ("windows/amd64", "windows(10.0.17763.1)/amd64", True),
        ("windows(10.0.17763.9)/amd64", "windows(10.0.17763.1)/amd64", True),
        ("windows(10.0.20348.9)/amd64", "windows(10.0.17763.1)/amd64", False),
        ("windows(10.0.20348.9)/amd64", "windows/amd64", True),
    ],
)
def test_matches(wanted: str, offered: str, fits: bool) -> None:
    assert matches(Platform.parse(wanted), Platform.parse(offered)) is fits


def test_features_matter_on_windows_alone() -> None:
    for os, fits in (("windows", False), ("linux", True)):
        wanted, offered = Platform(os, "amd64", os_features=("a",)), Platform(os, "amd64", os_features=("win32k",))
        assert matches(wanted, offered) is fits
        assert matches(wanted, wanted)
        assert matches(Platform(os, "amd64"), offered)


def test_a_higher_variant_ranks_higher() -> None:
    wanted = Platform.parse("linux/amd64/v4")
    ranks = [rank(wanted, Platform.parse(f"linux/amd64/v{level}")) for level in (1, 2, 3, 4)]
    assert ranks == [(1, 1, 0), (1, 2, 0), (1, 3, 0), (1, 4, 0)]


def test_variants_of_the_processor_suit_a_host_where_nothing_lower_is_offered() -> None:
    host = Platform.host("x86_64", "Linux", highest_variant="v3")
    assert (str(host), host) == ("linux/amd64", Platform.host("x86_64", "Linux"))
    offered = [Platform.parse(f"linux/amd64/v{level}") for level in (1, 3, 2, 4)]
    assert [matches(host, platform) for platform in offered] == [True, True, True, False]
    assert sorted(offered[:3], key=lambda platform: rank(host, platform) or (), reverse=True) == offered[:3]
    assert not matches(Platform.parse("linux/amd64"), offered[2])
    assert not matches(host, Platform.parse("linux/arm64/v8"))
    arm = Platform.host("aarch64", "Linux", highest_variant="v8.2")
    levels = ("v8", "v8.1", "v8.2", "v8.3", "v9")
    assert [matches(arm, Platform("linux", "arm64", level)) for level in levels] == [True, True, True, False, False]


def test_a_host_with_v9_takes_nothing_above_v8_5() -> None:
    arm = Platform.host("aarch64", "Linux", highest_variant="v9")
    assert not matches(arm, Platform("linux", "arm64", "v8.9"))
    ranks = [rank(arm, Platform("linux", "arm64", level)) or () for level in ("v8", "v9", "v8.5", "v8.4")]
    assert ranks == sorted(ranks, reverse=True)


def test_json() -> None:
    full = {
        "architecture": "amd64",
        "os": "windows",
        "os.version": "10.0.17763",
        "os.features": ["win32k"],
        "variant": "v2",
        "features": ["reserved"],
    }
    platform = Platform.from_json(Fields.of(full, "the index"))  # type: ignore[arg-type]
    assert platform == Platform("windows", "amd64", "v2", "10.0.17763", ("win32k",))
    assert platform.as_dict() == {name: value for name, value in full.items() if name != "features"}
    assert Platform("linux", "amd64").as_dict() == {"architecture": "amd64", "os": "linux"}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"os": "", "architecture": "", "variant": "", "os.version": ""},
        {"os": None, "architecture": None, "variant": None, "os.version": None},
    ],
)
def test_json_without_a_platform_is_unknown(value: dict[str, object]) -> None:
    platform = Platform.from_json(Fields.of(value, "the image config"))  # type: ignore[arg-type]
    assert platform == Platform("unknown", "unknown")
    assert platform.is_unknown()


def test_half_a_platform_is_not_unknown() -> None:
    assert not Platform("linux", "unknown").is_unknown()
    assert not Platform("unknown", "amd64").is_unknown()


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"os": 1}, "os"),
        ({"architecture": ["amd64"]}, "architecture"),
        ({"variant": {}}, "variant"),
        ({"os.version": 10.0}, "os.version"),
        ({"os.features": "win32k"}, "os.features"),
        ({"os.features": ["a", 1]}, "os.features[1]"),
        ({"os": "linux", "OS": "windows"}, "OS"),
    ],
)
def test_json_of_the_wrong_type(value: dict[str, object], field: str) -> None:
    with pytest.raises(DocumentInvalid) as caught:
        Platform.from_json(Fields.of(value, "the image config"))  # type: ignore[arg-type]
    assert field in caught.value.message
    assert "the image config" in caught.value.message
