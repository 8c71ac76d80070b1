# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Derive the architecture variant of a host from the processor features in /proc/cpuinfo.

Implements the x86-64 psABI, section 3.1.1 "Processor Architecture" (microarchitecture levels); for arm64, what the Arm
Architecture Reference Manual makes mandatory in each extension. Called for the platform of the host.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Collection

_AMD64: t.Final = (
    ("v2", "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3"),
    ("v3", "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"),
    ("v4", "avx512bw avx512cd avx512dq avx512f avx512vl"),
)
_ARM64: t.Final = (
    ("v8.1", "asimdrdm atomics crc32"),
    ("v8.2", "dcpop"),
    ("v8.3", "fcma jscvt lrcpc"),
    ("v8.4", "asimddp dit flagm ilrcpc uscat"),
    ("v8.5", "flagm2 frint sb"),
    ("v9", "sve2"),
)
_LEVELS: t.Final = {"x86_64": _AMD64, "aarch64": _ARM64}


def highest_variant(machine: str, features: Collection[str]) -> str | None:
    """Return the highest variant whose features, and those of all lower ones, are present.

    machine is uname's name. None for the lowest variant, and for machines whose variants the features do not tell.
    """
    highest = None
    for variant, needed in _LEVELS.get(machine, ()):
        if not set(needed.split()) <= set(features):
            break
        highest = variant
    return highest


def parse_features(cpuinfo: str) -> frozenset[str]:
    """Return the features of the first processor in /proc/cpuinfo; empty if there are none. Total."""
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


__all__ = ("highest_variant", "parse_features")
