# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of Sphinx for the site, whose pages tools/docs.sh collects in build/docs/source."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml

_TOP: t.Final = Path(__file__).resolve().parents[2]
_GALAXY: t.Final = yaml.safe_load((_TOP / "galaxy.yml").read_text("utf-8"))
_HERE: t.Final = "ansible_collections.attested.registry.tools.website"

project = "attested.registry"
copyright = "2026, attested.registry contributors"  # noqa: A001
version = release = _GALAXY["version"]
html_title = project

extensions = [
    "myst_parser",
    "sphinx_antsibull_ext",
    "sphinx_copybutton",
    "sphinxcontrib.asciinema",
    f"{_HERE}.diagrams",
    f"{_HERE}.plugin_links",
]
nitpicky = True
# The highlighter does not know a quoted argument of a command that goes on in the next line.
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "yaml"
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
# the prompt of a command is not copied, and neither is its output
copybutton_prompt_text = "$ "
copybutton_here_doc_delimiter = "END"
copybutton_line_continuation_character = "\\"
sphinxcontrib_asciinema_defaults = {"fit": "width", "poster": "npt:600", "theme": "asciinema"}

html_theme = "furo"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "source_repository": _GALAXY["repository"],
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": [],
}
