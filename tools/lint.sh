#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Everything that can be said about the files without running them.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

step() { say "- $1"; shift; "$@"; }

shell_scripts() {
  project_files . ':!*.j2' | xargs -0 grep -lIZE -m1 '^#!.*\b(ba)?sh$|^# shellcheck shell=' -- | xargs -0 shellcheck --external-sources --source-path=SCRIPTDIR
}

# The modules' side of the collection runs on hosts with Python 3.9; ruff's target version is about style only.
oldest_python() { vermin --quiet --no-tips --target=3.9- --violations --eval-annotations --backport typing plugins; }

collection_docs() {
  ANSIBLE_COLLECTIONS_PATH=$BUILD/tree antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck \
    --validate-collection-refs=all --disallow-unknown-collection-refs "$COPIED"
}

links() { project_files . | grep -z '\.md$' | xargs -0 python tools/links.py; }

changelog() { (cd "$COPIED" && antsibull-changelog lint); }

# From the copy: ansible-lint looks for a collection's name in its path, and would walk build/ in the checkout.
ansible_lint() { (cd "$COPIED" && ANSIBLE_COLLECTIONS_PATH=$BUILD/tree ANSIBLE_HOME=$BUILD/ansible-home ansible-lint --offline -q); }

tools/packages.sh lint
tools/tree.sh copy
# This uses one core and takes as long as the others together, so it runs beside them.
output=$(mktemp)
trap 'wait; rm -f "$output"' EXIT
ansible_lint >"$output" 2>&1 &
process=$!
step "ruff check" ruff check --quiet --output-format=concise .
step "ruff format" ruff format --quiet --check .
step "yamllint" yamllint --strict .
step "shellcheck" shell_scripts
step "Python 3.9 in plugins/" oldest_python
step "licences" reuse --suppress-deprecation lint --quiet
step "links of documents" links
step "changelog" changelog
step "collection documentation" collection_docs
finished() { local status=0; wait "$process" || status=$?; cat "$output"; return "$status"; }
step "ansible-lint" finished
