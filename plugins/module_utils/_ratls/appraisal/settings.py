# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reads trust anchors, policies and reference values from plain data; called by read_relying_party."""

from __future__ import annotations

import typing as t

from ..plain_data import SettingsMap, choice, hexadecimal, read_list, settings_error, text
from ..token.claim_reader import HASH_NAMES, HASH_SIZES
from ..token.key_file import read_keys
from ..token.lifecycle import LIFECYCLE_STATES
from ..token.platform_claims import IMPLEMENTATION_ID_SIZE, INSTANCE_ID_SIZE
from .appraisers import DEFAULT_LIFECYCLE
from .policy import ComponentRule, PlatformRules, Policies, Policy
from .reference_values import RealmReference, parse_reference_file, read_reference
from .trust_anchors import TrustAnchor, TrustAnchors
from .version import Version, parse_version

if t.TYPE_CHECKING:
    from ..token.lifecycle import LifecycleState

# reads a file that the settings name; its errors are passed on
ReadFile = t.Callable[[str], bytes]

_POLICY: t.Final = (
    "repositories",
    "realms",
    "reference_values",
    "personalization_values",
    "hash_algorithms",
    "implementation_ids",
    "instance_ids",
    "software_components",
    "lifecycle",
)


def read_trust_anchors(value: object, *, read_file: ReadFile, where: str = "trust_anchors") -> TrustAnchors:
    """Read trust anchors from plain data: a list of mappings, or of paths of key files for every platform.

    - path: cpak.pem
      instance_id: 01...      (33 bytes in hexadecimal; optional, default: every instance)
      implementation_id: ...  (32 bytes; optional, default: every implementation)

    Raises ConfigurationInvalid.
    """
    anchors = read_list(value, where, _Anchors(read_file))
    return TrustAnchors(anchor for some in anchors for anchor in some)


class _Anchors:
    def __init__(self, read_file: ReadFile) -> None:
        self._read_file = read_file

    def __call__(self, value: object, where: str) -> tuple[TrustAnchor, ...]:
        fields = SettingsMap.of(
            {"path": value} if isinstance(value, str) else value, where, ("path", "instance_id", "implementation_id")
        )
        path = fields.required("path", text)
        instance = fields.one("instance_id", hexadecimal(INSTANCE_ID_SIZE))
        implementation = fields.one("implementation_id", hexadecimal(IMPLEMENTATION_ID_SIZE))
        keys = read_keys(self._read_file(path), what=path)
        return tuple(TrustAnchor(key, instance, implementation) for key in keys)


def read_policies(value: object, *, read_file: ReadFile, where: str = "policies") -> Policies:
    """Read policies from plain data: a list of mappings. All bytes are in hexadecimal.

    - repositories: [team/*]             (patterns)
      realms:                            (one must match; these or reference_values are required)
        - rim: ...
          rems: [[..., ..., ..., ...]]   (accepted sets; default: every set)
          hash_algorithm: sha-256        (default: every algorithm)
      reference_values: [app.json]       (files; one must match, or one of realms)
      personalization_values: [...]      (this and the following are optional and accept everything by default)
      hash_algorithms: [sha-256]
      implementation_ids: [...]
      instance_ids: [...]
      software_components: [{type: BL, minimum_version: "1.2", signers: [...]}]
      lifecycle: [secured]               (default: secured only)

    Raises ConfigurationInvalid.
    """
    return Policies(read_list(value, where, _PolicyReader(read_file)))


class _PolicyReader:
    def __init__(self, read_file: ReadFile) -> None:
        self._read_file = read_file

    def __call__(self, value: object, where: str) -> Policy:
        fields = SettingsMap.of(value, where, _POLICY)
        realms = (
            *(fields.items("realms", read_reference) or ()),
            *(fields.items("reference_values", reference_file(self._read_file)) or ()),
        )
        if not realms:
            raise settings_error(where, "has neither realms nor reference_values")
        return Policy(
            repositories=fields.required_items("repositories", text),
            realms=realms,
            personalization_values=fields.items("personalization_values", hexadecimal(64)),
            hash_algorithms=fields.items("hash_algorithms", choice(*HASH_NAMES)),
            platform=_platform(fields),
        )


def reference_file(read_file: ReadFile) -> t.Callable[[object, str], RealmReference]:
    """Return a reader of the path of a file of reference values; it raises ConfigurationInvalid."""

    def read(value: object, where: str) -> RealmReference:
        path = text(value, where)
        return parse_reference_file(read_file(path), what=path)

    return read


def read_lifecycle(value: object, where: str) -> LifecycleState:
    """Read the name of a lifecycle state. Raises ConfigurationInvalid."""
    return choice(*LIFECYCLE_STATES)(value, where)


def _platform(fields: SettingsMap) -> PlatformRules:
    return PlatformRules(
        implementation_ids=fields.items("implementation_ids", hexadecimal(IMPLEMENTATION_ID_SIZE)),
        instance_ids=fields.items("instance_ids", hexadecimal(INSTANCE_ID_SIZE)),
        components=fields.items("software_components", _component) or (),
        lifecycle=fields.items("lifecycle", read_lifecycle) or DEFAULT_LIFECYCLE,
    )


def _component(value: object, where: str) -> ComponentRule:
    fields = SettingsMap.of(value, where, ("type", "minimum_version", "signers"))
    return ComponentRule(
        type=fields.required("type", text),
        minimum_version=fields.one("minimum_version", _version),
        signers=fields.items("signers", hexadecimal(*HASH_SIZES)),
    )


def _version(value: object, where: str) -> Version:
    version = parse_version(text(value, where))
    if version is None:
        raise settings_error(where, "is not a version of numbers and dots, such as 1.2.3")
    return version


__all__ = ("ReadFile", "read_lifecycle", "read_policies", "read_trust_anchors", "reference_file")
