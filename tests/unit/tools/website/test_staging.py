# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links of the guides lead to pages of the site where there is one, and to the repository otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tools.website import staging

TOP = Path(__file__).parents[4]
INDEX = TOP / "docs" / "index.md"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "galaxy.yml").write_text("repository: https://git.example.com/x\n")
    (tmp_path / "docs" / "one.md").write_text("# One\n")
    (tmp_path / "docs" / "two.md").write_text("# Two\n")
    for name in ("CHANGELOG.rst", "CONTRIBUTING.md", "SECURITY.md"):
        (tmp_path / name).write_text("Title\n=====\n")
    return tmp_path


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("two.md", "two.md"),
        ("two.md#part", "two.md#part"),
        ("#part", "#part"),
        ("https://example.com/a.md", "https://example.com/a.md"),
        ("../SECURITY.md#model", "security.md#model"),
        ("../CHANGELOG.md", "changelog.rst"),
        ("../galaxy.yml", "https://git.example.com/x/blob/main/galaxy.yml"),
        ("../plugins", "https://git.example.com/x/tree/main/plugins"),
    ],
)
def test_links_of_a_guide(checkout: Path, link: str, expected: str) -> None:
    assert staging.staged(f"See [it]({link}).", origin="docs/one.md", top=checkout) == f"See [it]({expected})."


def test_links_of_a_file_on_top(checkout: Path) -> None:
    text = staging.staged("[one](docs/one.md) [two][]\n\n[two]: docs/two.md\n", origin="SECURITY.md", top=checkout)
    assert text == "[one](one.md) [two][]\n\n[two]: two.md\n"


@pytest.mark.parametrize("code", ["`[a](../galaxy.yml)`", "```text\n[a](../galaxy.yml)\n```"])
def test_code_is_left_alone(checkout: Path, code: str) -> None:
    assert staging.staged(f"{code}\n", origin="docs/one.md", top=checkout) == f"{code}\n"


def test_the_comment_of_a_recording_becomes_a_player(checkout: Path) -> None:
    text = staging.staged("<!-- recording: rollback -->\n", origin="docs/one.md", top=checkout)
    assert text == "```{asciinema} rollback.cast\n```\n"


def test_a_recording_that_nobody_makes_is_an_error(checkout: Path) -> None:
    with pytest.raises(ValueError, match="names no recording"):
        staging.staged("<!-- recording: other -->\n", origin="docs/one.md", top=checkout)


def test_every_page_is_written(checkout: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (checkout / "CHANGELOG.rst").write_text("Notes\n=====\n\n.. contents:: Topics\n   :depth: 2\n\nv1\n--\n")
    staging.stage(site, checkout)
    assert {path.name for path in site.iterdir()} == {
        "one.md",
        "two.md",
        "changelog.rst",
        "contributing.md",
        "security.md",
    }
    assert (site / "changelog.rst").read_text() == "Notes\n=====\n\nv1\n--\n"


def listed() -> list[str]:
    """Return the names in the tables of contents of docs/index.md."""
    tables = re.findall(r"^```\{toctree\}\n(.*?)^```$", INDEX.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for table in tables for line in table.splitlines() if line and not line.startswith(":")]
    return [match[1] if (match := re.search(r"<(.+)>$", line)) else line for line in lines]


def test_the_index_lists_every_page_once() -> None:
    names = {name.rpartition(".")[0] for name in staging.pages(TOP)} - {"index"}
    names |= {f"reference/{kind}" for kind in ("modules", "lookups", "filters", "roles")}
    assert sorted(listed()) == sorted(names)


def test_the_readme_lists_every_guide() -> None:
    guides = {f"docs/{path.name}" for path in (TOP / "docs").glob("*.md")}
    assert guides - set(re.findall(r"\]\((docs/[^)#]+)\)", (TOP / "README.md").read_text("utf-8"))) == set()
