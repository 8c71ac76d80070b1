#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# HTML of the plugins' documentation, by antsibull-docs and Sphinx.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tools/tree.sh copy
out=$BUILD/docs
rm -rf "$out"
mkdir -p "$out/rst"
ANSIBLE_COLLECTIONS_PATH=$BUILD/tree antsibull-docs collection --use-current --squash-hierarchy --dest-dir "$out/rst" attested.registry
cat >"$out/rst/conf.py" <<CONF
project = "attested.registry"
extensions = ["sphinx_antsibull_ext"]
html_theme = "alabaster"
# Links into Ansible's own documentation, which is not here; those inside of the collection are checked by the lint stage.
suppress_warnings = ["ref.ref"]
CONF
sphinx-build -q -W --keep-going -b html "$out/rst" "$out/html"
say "documentation of the plugins: $out/html/index.html"
