#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# build.sh [DIRECTORY]
# The collection's tarball in build/ or the directory named: of the files that git tracks, those that the manifest in galaxy.yml lists.

export TREE=build-tree
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

output=${1:-$BUILD}
[ "$(git rev-parse --show-toplevel 2>/dev/null)" -ef "$TOP" ] ||
  die "the tarball holds the files that git tracks, and $TOP is not a git checkout; clone the repository and build there."
untracked=$(git ls-files --others --exclude-standard --directory --no-empty-directory | head -n 20)
[ -z "$untracked" ] || say "not in the tarball, as git does not track them: ${untracked//$'\n'/, }"
[ -z "$(git status --porcelain --untracked-files=no)" ] || say "in the tarball with changes that are not committed: $(git diff --name-only HEAD | head -n 20 | paste -sd ,)"

tools/tree.sh tracked
rm -f "$output"/attested-registry-*.tar.gz
PATH="$USER_VENV/bin:$PATH" ansible-galaxy collection build --force --output-path "$output" "$COPIED" | tail -n 1
