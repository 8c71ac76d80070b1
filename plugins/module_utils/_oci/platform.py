# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Platforms of images and hosts: parsing, normalisation and matching (image-spec, image-index.md).

Matching follows containerd's platforms package. Called for index entries, image configs and the option platform.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from .._base.text import quote, visible
from .errors import ReferenceInvalid

if t.TYPE_CHECKING:
    from .fields import Fields

UNKNOWN: t.Final = "unknown"

_SPECIFIER: t.Final = r"([A-Za-z0-9_.-]+)(?:\(([A-Za-z0-9_.-]+)\))?/([A-Za-z0-9_.-]+)(?:/([A-Za-z0-9_.-]+))?"
_MAX_SPECIFIER: t.Final = 255

_SYSTEMS: t.Final = {"macos": "darwin"}

# common name -> (architecture, variant) of image-spec
_MACHINES: t.Final = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "i386": ("386", None),
    "i486": ("386", None),
    "i586": ("386", None),
    "i686": ("386", None),
    "x86": ("386", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "powerpc64le": ("ppc64le", None),
    "loongarch64": ("loong64", None),
}

# image-spec, image-index.md, "Platform Variants": what an architecture without a variant means
_BASELINES: t.Final = {"amd64": "v1", "arm": "v7", "arm64": "v8", "ppc64le": "power8", "riscv64": "rva20u64"}
# architectures whose baseline variant is not written
_SILENT: t.Final = ("amd64", "ppc64le", "riscv64")

# family, major number and minor number of a variant
_Level = tuple[tuple[str, str], int, int]


@dataclass(frozen=True)
class Platform:
    """The platform of an image (image-spec, image-index.md and config.md): os and architecture in Go's names.

    The parts are data from outside: compare and show them, but do not build paths from them. is_default says that this
    is the platform of the host because the task named none. highest_variant is the highest variant that the processor
    of the host supports; it is used if nothing is offered for the platform itself.
    """

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] = ()
    is_default: bool = field(default=False, compare=False)
    highest_variant: str | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read "os/architecture[/variant]"; the os may carry a version, as in "windows(10.0.1)".

        The result is normalised. Raises ReferenceInvalid.
        """
        fits = isinstance(text, str) and len(text) <= _MAX_SPECIFIER
        match = re.fullmatch(_SPECIFIER, text) if fits else None
        if match is None:
            raise ReferenceInvalid(
                f"The platform {quote(text)} is invalid: it must look like linux/amd64 or linux/arm/v7."
            )
        os, version, architecture, variant = match.groups()
        return cls(os, architecture, variant, version).normalised()

    @classmethod
    def from_json(cls, fields: Fields) -> Platform:
        """Read the platform object of a descriptor, or the same fields of an image config, without normalising.

        Empty os and architecture, as in image configs of artifacts, become "unknown". Raises DocumentInvalid.
        """
        fields.refuse_lookalikes("os", "architecture", "variant")
        return cls(
            fields.text("os") or UNKNOWN,
            fields.text("architecture") or UNKNOWN,
            fields.text("variant") or None,
            fields.text("os.version") or None,
            fields.texts("os.features") or (),
        )

    @classmethod
    def host(cls, machine: str, system: str, *, highest_variant: str | None = None) -> Platform:
        """Return the platform of a host from uname's machine ("aarch64") and system ("Linux"). Total."""
        platform = cls(system or UNKNOWN, machine or UNKNOWN, is_default=True, highest_variant=highest_variant)
        return platform.normalised()

    def normalised(self) -> Platform:
        """Return the platform in canonical form: lower case, Go's names, and the variant that no variant means.

        linux/aarch64 becomes linux/arm64/v8, linux/armhf becomes linux/arm/v7; linux/amd64/v1 becomes linux/amd64.
        """
        architecture = self.architecture.lower()
        variant = self.variant.lower() if self.variant else None
        kernel = re.fullmatch(r"armv([5-8])[a-z]*", architecture)
        if kernel is not None:
            architecture, variant = "arm", variant or f"v{kernel.group(1)}"
        elif architecture in _MACHINES:
            architecture, implied = _MACHINES[architecture]
            variant = variant or implied
        if variant is not None and variant[0].isdigit() and architecture in ("arm", "arm64", "amd64"):
            variant = "v" + variant
        baseline = _BASELINES.get(architecture)
        if variant is None or variant == baseline:
            variant = None if architecture in _SILENT else baseline
        os = self.os.lower()
        return replace(self, os=_SYSTEMS.get(os, os), architecture=architecture, variant=variant)

    def is_unknown(self) -> bool:
        """Tell whether this is unknown/unknown, which marks index entries that are not images (attestations)."""
        return self.os == UNKNOWN and self.architecture == UNKNOWN

    def as_dict(self) -> dict[str, str | list[str]]:
        """Return the platform object of image-spec, without unset fields."""
        result: dict[str, str | list[str]] = {"architecture": self.architecture, "os": self.os}
        if self.os_version is not None:
            result["os.version"] = self.os_version
        if self.os_features:
            result["os.features"] = list(self.os_features)
        if self.variant is not None:
            result["variant"] = self.variant
        return result

    def __str__(self) -> str:
        version = f"({self.os_version})" if self.os_version is not None else ""
        variant = f"/{self.variant}" if self.variant is not None else ""
        return f"{self.os}{version}/{self.architecture}{variant}"


def matches(wanted: Platform, offered: Platform) -> bool:
    """Tell whether a host of the wanted platform can run the offered one."""
    return rank(wanted, offered) is not None


def suits(wanted: Platform, stated: Platform) -> bool:
    """Tell whether a host of the wanted platform can run an image whose config states this platform.

    Parts that the config leaves out match any platform.
    """
    known = replace(
        stated,
        os=wanted.os if stated.os == UNKNOWN else stated.os,
        architecture=wanted.architecture if stated.architecture == UNKNOWN else stated.architecture,
    )
    if known.variant is None and known.normalised().architecture == wanted.normalised().architecture:
        known = replace(known, variant=wanted.variant)
    return matches(wanted, known)


def other_platform(image: str, wanted: Platform, offered: Platform) -> str:
    """Return the warning that an image is for another platform than the host, which is the default platform."""
    shown = visible(str(offered))
    return (
        f"The image {image} is for {shown}, not for this host's {wanted}, and there is no other; "
        f"set platform to {shown} if that is intended."
    )


def rank(wanted: Platform, offered: Platform) -> tuple[int, int, int] | None:
    """Return how well the offered platform suits the wanted one, higher is better; None if it does not.

    os and architecture must be the same, and the variant the same or a lower one of its family: v7 runs v6 and v5 on
    arm, v3 runs v2 and v1 on amd64, v9 runs v8.5 and lower ones on arm64. The highest variant is the best, as in
    containerd. Variants above the wanted one, up to highest_variant, suit a host too, but rank below all others: docker
    and containerd choose linux/amd64 on every host if it is offered. os.version (its first three parts) and os.features
    count only on Windows and only if given, because image-spec leaves them undefined elsewhere.
    """
    wanted, offered = wanted.normalised(), offered.normalised()
    if (wanted.os, wanted.architecture) != (offered.os, offered.architecture) or not _windows_suits(wanted, offered):
        return None
    level = _level(offered.variant, offered)
    for step, variant in ((1, wanted.variant), (0, wanted.highest_variant or wanted.variant)):
        limit = _level(variant, wanted)
        if limit is not None and level is not None and _includes(limit, level, wanted.architecture):
            return (step, *level[1:])
    return (1, 0, 0) if wanted.variant == offered.variant else None


def _level(variant: str | None, platform: Platform) -> _Level | None:
    variant = variant or _BASELINES.get(platform.architecture) or ""
    match = re.fullmatch(r"([a-z]+)([0-9]{1,4})(?:\.([0-9]{1,4}))?([a-z][a-z0-9]*)?", variant)
    if match is None:
        return None
    return (match.group(1), match.group(4) or ""), int(match.group(2)), int(match.group(3) or 0)


def _includes(limit: _Level, level: _Level, architecture: str) -> bool:
    """Tell whether a processor with the variant limit runs the variant level of the same family."""
    if architecture == "arm64" and (limit[1], level[1]) == (9, 8):
        # v9.0 includes v8.5, v9.1 includes v8.6, and so on, as in containerd
        return limit[0] == level[0] and level[2] <= limit[2] + 5
    return limit[0] == level[0] and level[1:] <= limit[1:]


def _windows_suits(wanted: Platform, offered: Platform) -> bool:
    if wanted.os != "windows":
        return True
    if wanted.os_features and not set(offered.os_features) <= set(wanted.os_features):
        return False
    if wanted.os_version is None or offered.os_version is None:
        return True
    return wanted.os_version.split(".")[:3] == offered.os_version.split(".")[:3]


__all__ = ("UNKNOWN", "Platform", "matches", "other_platform", "rank", "suits")
