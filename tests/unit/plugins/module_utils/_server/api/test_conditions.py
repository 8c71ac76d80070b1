# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""If-Match, If-None-Match and If-Range (RFC 9110, 13.1) are compared with the digest of the content."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.api.conditions import (
    if_range,
    match,
    none_match,
)

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        (f'"{DIGEST}"', True),
        (f'W/"{DIGEST}"', True),
        (f'"{OTHER}", "{DIGEST}"', True),
        (f'"{OTHER}",W/"{DIGEST}"', True),
        (DIGEST, True),
        ("*", True),
        (f'"{OTHER}"', False),
        (f'"{DIGEST}x"', False),
        (DIGEST.upper(), False),
        ('"*"', False),
        ('""', False),
        ("", False),
        (",,", False),
    ],
)
def test_if_none_match(header: str, matches: bool) -> None:
    assert none_match(header, DIGEST) is matches


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        (None, True),
        (f'"{DIGEST}"', True),
        (f' "{DIGEST}" ', True),
        (f'W/"{DIGEST}"', False),
        (DIGEST, False),
        (f'"{OTHER}"', False),
        ("*", False),
        ("Fri, 19 Jul 2024 13:44:56 GMT", False),
        ("", False),
    ],
)
def test_if_range(header: str | None, matches: bool) -> None:
    assert if_range(header, DIGEST) is matches


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        (f'"{DIGEST}"', True),
        (f'"{OTHER}", "{DIGEST}"', True),
        ("*", True),
        (f'W/"{DIGEST}"', False),
        (f'"{OTHER}"', False),
        (DIGEST, False),
        ("", False),
    ],
)
def test_if_match(header: str, matches: bool) -> None:
    assert match(header, DIGEST) is matches
