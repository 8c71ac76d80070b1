# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tools/website/built.py reports links of the built site that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.attested.registry.tools.website import built


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("two.html", ""),
        ("two.html#here", ""),
        ("deep/three.html", ""),
        ("#top", ""),
        ("style.css?v=1", ""),
        ("https://example.com/gone", ""),
        ("mailto:a@example.com", ""),
        ("gone.html", "leads to no file"),
        ("deep", "leads to no file"),
        ("two.html#gone", "leads to no anchor"),
        ("#gone", "leads to no anchor"),
    ],
)
def test_links(tmp_path: Path, link: str, fault: str) -> None:
    (tmp_path / "one.html").write_text(f'<body id="top"><a href="{link}">x</a></body>')
    (tmp_path / "two.html").write_text('<h1 id="here">x</h1>')
    (tmp_path / "style.css").write_text("")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "three.html").write_text('<img src="../style.css">')
    assert list(built.problems(tmp_path)) == ([f"one.html: {link} {fault}"] if fault else [])


def test_a_picture_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text('<img src="gone.svg">')
    assert list(built.problems(tmp_path)) == ["one.html: gone.svg leads to no file"]
