#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# tree.sh link   build/ansible_collections/attested/registry -> the checkout, for pytest, mypy and the playbooks
# tree.sh copy   build/tree/ansible_collections/attested/registry, a copy of the project's own files, for the tools that
#                walk directories or ask git for names (ansible-test, ansible-lint)
# tree.sh tracked   the same without files that git does not track, for the tarball

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

link() {
  mkdir -p "$(dirname "$LINKED")"
  if [ "$(readlink -f "$LINKED")" != "$TOP" ]; then ln -sfnT ../../.. "$LINKED"; fi
}

copy() { copy_of project_files; }
tracked() { copy_of tracked_files; }

copy_of() {
  # Times are kept, so that tools with a cache by mtime see what did not change.
  rm -rf "$COPIED"
  mkdir -p "$COPIED"
  "$1" . | tar -c --null --no-recursion --files-from=- | tar -x -C "$COPIED" --no-same-owner
  # ansible-test asks git for the files and would find the checkout above, which ignores build/.
  git init --quiet "$COPIED"
}

"$1"
