# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Annotations map strings to strings; each predefined key (image-spec, annotations.md) has a constant."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci import annotations as a
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DocumentInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.fields import Fields


def parse(value: object) -> dict[str, str]:
    return a.parse_annotations(Fields.of({"annotations": value}, "the manifest"))  # type: ignore[dict-item]


def test_strings_to_strings() -> None:
    assert parse({a.TITLE: "App", "": "", "x": "\n"}) == {
        "org.opencontainers.image.title": "App",
        "": "",
        "x": "\n",
    }
    assert parse(None) == parse({}) == {}


@pytest.mark.parametrize("value", [[], "a", 1, True, {"a": 1}, {"a": None}, {"a": ["b"]}, {"a": {}}])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(DocumentInvalid, match=r"the manifest failed: annotations"):
        parse(value)


def test_well_known_keys() -> None:
    keys = {getattr(a, name) for name in a.__all__ if name.isupper()}
    words = (
        "created authors url documentation source version revision vendor licenses ref.name title description "
        "base.digest base.name"
    )
    assert keys == {f"org.opencontainers.image.{word}" for word in words.split()}
