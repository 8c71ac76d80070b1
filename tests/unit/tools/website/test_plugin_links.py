# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of plugins and roles are known by the pages about them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.attested.registry.tools.website.plugin_links import documents_by_name


def test_documents_of_plugins() -> None:
    pages = {
        "reference/oci_tags_module",
        "reference/oci_tags_lookup",
        "reference/oci_digest_lookup",
        "reference/modules",
    }
    assert documents_by_name({*pages, "server"}) == {
        "oci_tags": "reference/oci_tags_module",
        "oci_digest": "reference/oci_digest_lookup",
    }


def test_a_guide_links_a_name_once_in_a_section(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_parser', 'ansible_collections.attested.registry.tools.website.plugin_links']\n"
    )
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "oci_tags_module.md").write_text("# oci_tags\n\n`oci_tags`\n")
    (tmp_path / "index.md").write_text(
        "# `oci_tags`\n\n`oci_tags`, `attested.registry.oci_tags`, `tags`\n\n"
        "## More\n\n[`oci_tags`](conf.py), `oci_tags`\n\n"
        "```{toctree}\nreference/oci_tags_module\n```\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(tmp_path), str(tmp_path / "html")]
    build = Path(__file__).parents[4] / "build"
    subprocess.run(command, check=True, env={"PYTHONPATH": str(build), "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL)
    page = (tmp_path / "html" / "index.html").read_text("utf-8")
    link = '<a class="reference internal" href="reference/oci_tags_module.html"><code'
    assert page.count(link) == 2
    assert link not in (tmp_path / "html" / "reference" / "oci_tags_module.html").read_text("utf-8")
