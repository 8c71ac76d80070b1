#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ansible-test sanity on a copy of the tree: every test there is, on every Python found, and no ignore file.
# ANSIBLE_TEST_VENV in the environment names an environment with another ansible-core than .venv has.

# a copy of its own, as another stage may be running
export TREE=sanity-tree
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if compgen -G 'tests/sanity/ignore*' >/dev/null; then die "tests/sanity has an ignore file; mend the code instead."; fi
tools/apt-need.sh "ansible-test sanity" shellcheck=shellcheck git=git
tools/tree.sh copy
environment=${ANSIBLE_TEST_VENV:-$VENV}
home=$BUILD/sanity-home
[ "$environment" = "$VENV" ] || home=$BUILD/$(basename "$environment")-sanity-home
pythons=$(PYTHONPATH=$BUILD "$environment/bin/python" -m ansible_collections.attested.registry.tools.ansible_test_home "$home")
say "Pythons for the compile and import tests: $pythons"

# Only what was found above may be taken for a Python: pyenv's shims, for one, are there for versions that are not.
run() {
  (cd "$COPIED" && HOME=$home PATH="$home/bin:$environment/bin:/usr/bin:/bin:/usr/sbin:/sbin" \
    ansible-test sanity --color no --truncate 0 "$@") </dev/null
}
log=$BUILD/sanity.log
run "$@" 2>&1 | tee "$log" | sed -uE '/^Initializing /d; /^(Installing requirements|Using cached pip|Looking in links|Collecting|  Downloading|     ━|Installing collected|Successfully installed)/d'

# A test may be left out for a Python that is not installed or too old for it, never for a missing tool.
if grep -E 'Skipping sanity test|WARNING: Skipping' "$log" | grep -vE 'on Python 3\.[0-9]+ because|due to missing (Python|interpreter)|unsupported Python'; then
  die "ansible-test left out the tests above."
fi
say "$(grep -c '^Running sanity test' "$log") runs of sanity tests passed, 0 failed"
