#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The site: the guides of docs/, and pages about the plugins and roles, which antsibull-docs makes of their documentation.
# Sphinx makes HTML of both in build/docs/html; a warning is an error, and so is a link or a picture that leads nowhere.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

website=ansible_collections.attested.registry.tools.website
pages=$BUILD/docs/source
export PYTHONPATH=$BUILD

tools/apt-need.sh "the pictures of the documentation" dot=graphviz
tools/tree.sh copy
rm -rf "$BUILD/docs"
mkdir -p "$pages/reference"

say "- pages of the plugins and roles"
# without PYTHONPATH, as Ansible would take it for collections too
env -u PYTHONPATH ANSIBLE_COLLECTIONS_PATH="$BUILD/tree" antsibull-docs collection --use-current --squash-hierarchy --fail-on-error \
  --no-add-antsibull-docs-version --dest-dir "$pages/reference" attested.registry
rm "$pages/reference/index.rst" # docs/index.md is the index here
python -m $website.reference "$pages/reference"
python -m $website.staging "$pages"
say "- recordings of terminals"
ANSIBLE_COLLECTIONS_PATH=$BUILD ANSIBLE_HOME=$BUILD/ansible-home python -m $website.recordings "$pages"
say "- HTML"
sphinx-build -q -W --keep-going -b html -c tools/website -d "$BUILD/docs/doctrees" "$pages" "$BUILD/docs/html"
python -m $website.built "$BUILD/docs/html"
say "the documentation: $BUILD/docs/html/index.html"
