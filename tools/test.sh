#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# test.sh STAGE...
# Runs the stages in order and stops at the first that fails; the last line counts them.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

passed=0
for stage in "$@"; do
  say "=== $stage"
  begin=$SECONDS
  if ! make "$stage" </dev/null; then
    say "=== $stage FAILED after $((SECONDS - begin)) s; run it alone with: make $stage"
    say "stages: $passed passed, 1 failed"
    exit 1
  fi
  say "=== $stage passed in $((SECONDS - begin)) s"
  passed=$((passed + 1))
done
say "stages: $passed passed, 0 failed"
