#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# mypy --strict on every package that knows nothing of Ansible; the settings of pyproject.toml on the rest.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export MYPYPATH=$BUILD
utils=ansible_collections.attested.registry.plugins.module_utils
strict=()
for package in _base _oci _tls13 _ratls _registry _unpack _destination _layout _archive _trust _server; do
  if [ -d "plugins/module_utils/$package" ]; then strict+=(-p "$utils.$package"); fi
done
say "- mypy --strict: ${strict[*]//-p $utils./}"
mypy --strict "${strict[@]}"

rest=()
while IFS= read -r -d '' name; do rest+=("build/ansible_collections/attested/registry/$name"); done < <(
  project_files plugins/module_utils/_module plugins/modules plugins/filter plugins/lookup plugins/action plugins/plugin_utils plugins/doc_fragments tests/support \
    tools benchmarks examples roles | grep -z '\.py$'
)
say "- mypy: ${#rest[@]} other files"
mypy "${rest[@]}"
