# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The features in /proc/cpuinfo determine the highest variant of the architecture that a host supports."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.processor import highest_variant, parse_features
from hypothesis import given
from hypothesis import strategies as st

V2 = ["cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3"]
V3 = ["abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"]
V4 = ["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"]
# of a Cortex-A72, a Neoverse N1 and a Neoverse V2
A72 = ["fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "cpuid"]
N1 = [*A72, "atomics", "fphp", "asimdhp", "asimdrdm", "lrcpc", "dcpop", "asimddp"]
NV2 = [*N1, "jscvt", "fcma", "dit", "uscat", "ilrcpc", "flagm", "sb", "dcpodp", "flagm2", "frint", "sve", "sve2"]


@pytest.mark.parametrize(
    ("machine", "features", "variant"),
    [
        ("x86_64", [], None),
        ("x86_64", V2[1:], None),
        ("x86_64", V2, "v2"),
        ("x86_64", [*V2, *V3[1:]], "v2"),
        ("x86_64", [*V2, *V3], "v3"),
        ("x86_64", [*V3, *V4], None),
        ("x86_64", [*V2, *V3, *V4], "v4"),
        ("i686", [*V2, *V3], None),
        ("aarch64", A72, None),
        ("aarch64", N1, "v8.2"),
        ("aarch64", NV2, "v9"),
        ("riscv64", ["rva22u64"], None),
    ],
)
def test_variants(machine: str, features: list[str], variant: str | None) -> None:
    assert highest_variant(machine, features) == variant


def test_the_first_processor_counts() -> None:
    assert parse_features("processor\t: 0\nflags\t\t: a b\nprocessor : 1\nflags : c\n") == {"a", "b"}
    assert parse_features("processor : 0\nFeatures : fp asimd\n") == {"fp", "asimd"}
    assert parse_features("Features\nvmx flags : a\n") == set()


@given(st.text())
def test_any_text(text: str) -> None:
    assert all(isinstance(feature, str) for feature in parse_features(text))
