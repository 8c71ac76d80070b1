#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The collection's tarball, from a copy of the project's own files.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tools/tree.sh copy
rm -f "$BUILD"/attested-registry-*.tar.gz
ansible-galaxy collection build --force --output-path "$BUILD" "$COPIED" | tail -n 1
