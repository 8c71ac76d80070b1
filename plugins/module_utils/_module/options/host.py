# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The platform of the target host. Called for tasks that do not set the option platform."""

from __future__ import annotations

import os
import typing as t

from ..._oci.platform import Platform
from ..._oci.processor import highest_variant, parse_features

_CPUINFO: t.Final = "/proc/cpuinfo"
# The first 2 kB describe the first processor. Reading the whole file is slow on hosts with hundreds of processors.
_ENOUGH: t.Final = 16 * 1024


def host_platform() -> Platform:
    """Return the platform of this host, with the highest variant that its processor supports."""
    host = os.uname()
    features = parse_features(_read_cpuinfo())
    return Platform.host(host.machine, host.sysname, highest_variant=highest_variant(host.machine, features))


def _read_cpuinfo() -> str:
    try:
        with open(_CPUINFO, "rb", buffering=0) as file:
            return (file.read(_ENOUGH) or b"").decode("ascii", "replace")
    except OSError:
        return ""


__all__ = ("host_platform",)
