# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter parse_reference splits image references into the documented parts, and refuses invalid ones."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.attested.registry.plugins.filter import parse_reference as plugin

DIGEST = "sha256:" + "0" * 64


def parse(text: t.Any, **options: t.Any) -> dict[str, str | None]:
    return plugin.FilterModule().filters()["parse_reference"](text, **options)


def test_a_short_name() -> None:
    assert parse("debian") == {
        "registry": "docker.io",
        "repository": "library/debian",
        "tag": "latest",
        "digest": None,
        "reference": "latest",
        "canonical": "docker.io/library/debian:latest",
        "familiar": "debian:latest",
    }


def test_everything_given() -> None:
    text = f"localhost:5000/team/app:1.0@{DIGEST}"
    assert parse(text) == {
        "registry": "localhost:5000",
        "repository": "team/app",
        "tag": "1.0",
        "digest": DIGEST,
        "reference": f"1.0@{DIGEST}",
        "canonical": text,
        "familiar": text,
    }


def test_a_digest_needs_no_tag() -> None:
    parts = parse(f"quay.io/app@{DIGEST}")
    assert (parts["tag"], parts["digest"], parts["reference"]) == (None, DIGEST, DIGEST)


def test_default_tag() -> None:
    assert parse("quay.io/app", default_tag="stable")["canonical"] == "quay.io/app:stable"
    assert parse("quay.io/app:1", default_tag="stable")["tag"] == "1"
    parts = parse("quay.io/app", default_tag=None)
    assert (parts["tag"], parts["reference"], parts["canonical"]) == (None, None, "quay.io/app")


@pytest.mark.parametrize(
    "text", ["", "Debian", "a b", "https://quay.io/app", None, 5, ["debian"], {"registry": "quay.io"}]
)
def test_an_invalid_reference_is_refused(text: t.Any) -> None:
    with pytest.raises(AnsibleFilterError):
        parse(text)


def test_a_wrong_default_tag() -> None:
    with pytest.raises(AnsibleFilterError, match="a/b"):
        parse("debian", default_tag="a/b")


def test_every_part_is_documented() -> None:
    documented = yaml.safe_load(plugin.RETURN)["_value"]["contains"]
    assert set(documented) == set(parse("debian"))
