#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# integration_lanes.sh PYTHON-VERSION [TARGET...]
# Runs the targets with ansible-test, for integration.sh, which sets HOME and has the registries run. All targets are run in
# five lanes, which take about as long as each other, three of them with targets that boot hosts. Each lane's output is in
# build/integration-LANE.log.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=$1
shift
cd "$COPIED" || exit

# lane NAME ARGUMENT...  A line for each target as it begins, its counts, and how long it took.
lane() {
  local name=$1 line target="" begin
  shift
  # a home of its own, where ansible-test makes a key for ssh
  mkdir -p "$HOME-$name"
  cp -a "$HOME/.config" "$HOME-$name"
  HOME=$HOME-$name ansible-test integration --local --python "$version" --color no --allow-root "$@" 2>&1 </dev/null |
    tee "$BUILD/integration-$name.log" |
    while ended=""; IFS= read -r line || ended=yes; do
      case $line$ended in
        "Running "*" integration test "* | yes)
          [ -z "$target" ] || say "- $target took $((SECONDS - begin)) s"
          [ -z "$ended" ] || break
          line=${line#Running } && target=${line%% *} begin=$SECONDS && say "- $target"
          ;;
        *" ok="*failed=*) say "- $target: ${line#*: }" ;;
      esac
    done
}

if [ $# -gt 0 ]; then
  lane named "$@"
  exit
fi
server=() guards=() services=() clients=() without=()
for target in tests/integration/targets/*/; do
  target=$(basename "$target")
  case $target in
    registry_server) server+=("$target") ;;
    # scripts that use none of the registries and wait much
    registry_server_ratls | server_clients | server_conformance | server_life | tls13_peers) clients+=("$target") ;;
    registry_server_*) guards+=("$target") ;;
    # the other scripts boot hosts, too, which run images
    *)
      [ -e "tests/integration/targets/$target/runme.sh" ] || continue
      services+=("$target")
      ;;
  esac
  without+=(--exclude "$target")
done
processes=()
lane services "${services[@]}" & processes+=($!)
lane server "${server[@]}" & processes+=($!)
lane guards "${guards[@]}" & processes+=($!)
lane clients "${clients[@]}" & processes+=($!)
status=0
lane modules "${without[@]}" || status=$?
for process in "${processes[@]}"; do wait "$process" || status=$?; done
exit "$status"
