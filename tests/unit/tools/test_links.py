# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tools/links.py reports links to files and headings that do not exist."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.attested.registry.tools import links

OTHER = """# The `other` page: of *two*
## Again
```console
# no heading
```
## Again
<a id="by-hand"></a>
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other.md").write_text(OTHER)
    (tmp_path / "README.md").touch()
    return tmp_path / "docs" / "page.md"


@pytest.mark.parametrize(
    "text",
    [
        "[x](other.md)",
        "[x](<other.md>)",
        '[x](other.md "title")',
        "[x](../README.md) and [y](other.md#the-other-page-of-two)",
        "[x](other.md#again-1)",
        "[x](other.md#by-hand)",
        "[x](https://example.com/none) [y](mailto:x@example.com)",
        "# Here\n[x](#here)",
        "`[x](none.md)`",
        "```\n[x](none.md)\n```\n",
        "[x][y]\n\n[y]: other.md\n",
    ],
)
def test_a_link_that_leads_somewhere(page: Path, text: str) -> None:
    page.write_text(text)
    assert not list(links.problems(page))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x](none.md)", "none.md leads to no file"),
        ("[x](Other.md)", "Other.md leads to no file"),
        ("[x](../../README.md)", "../../README.md leads to no file"),
        ("[x](/README.md)", "/README.md is an absolute path"),
        ("[x](other.md#none)", "other.md#none leads to no heading"),
        ("[x](other.md#no-heading)", "other.md#no-heading leads to no heading"),
        ("[x](other.md#again-2)", "other.md#again-2 leads to no heading"),
        ("[x](#none)", "#none leads to no heading"),
        ("[x][y]\n\n[y]: none.md\n", "none.md leads to no file"),
    ],
)
def test_a_link_that_leads_nowhere(page: Path, text: str, said: str) -> None:
    page.write_text(f"first line\n\n{text}")
    (line,) = links.problems(page)
    assert line.endswith(f": {said}")


def test_the_line_of_a_broken_link_is_reported(page: Path) -> None:
    page.write_text("```\ncode\n```\n[x](none.md)")
    assert list(links.problems(page)) == [f"{page}:4: none.md leads to no file"]
