#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The libraries of the role for each Python, downloaded by the command of the role's guide, whatever Python runs pip here.

set -euo pipefail
collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command=$(grep -A 5 '^. pip download' "$collection/docs/registry-server-role.md" | sed '/^`/,$d; s/^. pip/pip/')
case $command in "pip download "*" 3.11"*"files/requirements/3.11.txt") ;; *) echo "the guide has another command: $command" >&2; exit 1 ;; esac
for list in "$collection"/roles/registry_server/files/requirements/*.txt; do
  python=$(basename "$list" .txt)
  for architecture in x86_64 aarch64; do
    wheels=$work/$python-$architecture
    this=${command//3.11/$python}
    this=${this//x86_64/$architecture}
    this=${this//--dest wheels/--quiet --dest $wheels}
    (cd "$collection" && eval "python -m $this")
    found=$(find "$wheels" -name '*.whl' | wc -l)
    [ "$found" = "$(grep -c '^[a-zA-Z].*==' "$list")" ] || { echo "$found wheels for $list" >&2; exit 1; }
    echo "Python $python, $architecture: $found wheels, $(du -sm "$wheels" | cut -f1) MB"
  done
done
