#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# test.sh STAGE[+STAGE...]...
# Runs the stages in order and stops at the first that fails; the last line counts them. Of those with a plus between them the
# others run while the first does, and their output follows.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

passed=0 failed=0
stage() {
  local begin=$SECONDS
  say "=== $1"
  if make "$1" </dev/null; then
    say "=== $1 passed in $((SECONDS - begin)) s"
  else
    say "=== $1 FAILED after $((SECONDS - begin)) s; run it alone with: make $1"
    return 1
  fi
}
counted() { if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }

for stages in "$@"; do
  IFS=+ read -ra group <<<"$stages"
  processes=()
  mkdir -p "$BUILD"
  for beside in "${group[@]:1}"; do
    stage "$beside" >"$BUILD/beside-$beside.log" 2>&1 &
    processes+=($!)
  done
  counted stage "${group[0]}"
  for number in "${!processes[@]}"; do
    counted wait "${processes[number]}"
    cat "$BUILD/beside-${group[number + 1]}.log"
  done
  [ "$failed" = 0 ] || break
done
say "stages: $passed passed, $failed failed"
[ "$failed" = 0 ]
