#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# integration.sh [TARGET...]   the integration targets, all when none is named, with real ansible-playbook on this host
#
# The targets are ansible-test's; it runs them as they are ("integration --local"). What they need around them, registries with
# images in them, is started before and ended after all of them: it takes longer to make than most of them to run.
# Unless targets are named, those that boot hosts run beside the others: both mostly wait.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tools/images.sh
tools/tree.sh copy
home=$BUILD/ansible-test
PYTHONPATH=$BUILD python -m ansible_collections.attested.registry.tools.ansible_test_home "$home" >/dev/null

version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
begin=$SECONDS
rm -f "$BUILD"/integration*.log
status=0
HOME=$home PYTHONPATH=$BUILD/tree python -m ansible_collections.attested.registry.tests.support.integration \
  --images "$BUILD/images" --work "$BUILD/integration" --config "$COPIED/tests/integration/integration_config.yml" -- \
  tools/integration_lanes.sh "$version" "$@" </dev/null || status=$?
if [ "$status" != 0 ]; then
  for log in "$BUILD"/integration-*.log; do
    grep -HnE '^(fatal|failed|ERROR|FATAL|\[ERROR\])' "$log" | head -n 20 || true
    say "..."
    tail -n 40 "$log"
  done
  die "an integration target failed; all of its output is in $BUILD/integration-*.log"
fi
say "$(cat "$BUILD"/integration-*.log | grep -cE '^Running .* integration test (role|script)') integration targets passed, 0 failed, in $((SECONDS - begin)) s"
