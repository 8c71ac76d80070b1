#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What Galaxy would say to the tarball. Its own ansible-lint run is left out: the lint stage has a stricter one.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools/build.sh "$work"
cat >"$work/importer.cfg" <<CFG
[galaxy-importer]
RUN_ANSIBLE_LINT = False
RUN_ANSIBLE_TEST = False
RUN_FLAKE8 = False
CHECK_REQUIRED_TAGS = True
CFG
if ! (cd "$work" && HOME=$work GALAXY_IMPORTER_CONFIG=$work/importer.cfg python -m galaxy_importer.main ./*.tar.gz) >"$work/log" 2>&1; then
  cat "$work/log"
  die "galaxy-importer refuses the tarball (its output is above)."
fi
if grep -E '^(WARNING|ERROR)' "$work/log"; then die "galaxy-importer has something to say (above)."; fi
say "galaxy-importer passed, without a warning"
