#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Regenerates CHANGELOG.md and CHANGELOG.rst; with a new version in galaxy.yml, makes the release entry from the fragments.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# In the copy: elsewhere antsibull-changelog makes one of its own, of everything, build/ included.
tools/tree.sh copy
cd "$COPIED" || exit
antsibull-changelog lint
version=$(python -c 'import yaml; print(yaml.safe_load(open("galaxy.yml"))["version"])')
if grep -qsE "^  $version:" changelogs/changelog.yaml; then
  antsibull-changelog generate
else
  antsibull-changelog release --version "$version"
  cp changelogs/changelog.yaml "$TOP/changelogs/"
  for fragment in "$TOP"/changelogs/fragments/*; do
    if [ ! -e "changelogs/fragments/${fragment##*/}" ]; then rm "$fragment"; fi
  done
fi
cp CHANGELOG.md CHANGELOG.rst "$TOP/"
