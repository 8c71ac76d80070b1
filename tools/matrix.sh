#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# matrix.sh        the sanity tests of every ansible-core, and the unit tests on every Python, that are found here, and the server's
#                  with the oldest libraries
# matrix.sh hosts  what runs on managed hosts, on the oldest Python found, and the modules on the newest
# matrix.sh environments  make those of hosts
#
# A Python that is not there is named and passed over; one is enough to work with. Everything else is installed from PyPI.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PYTHONS=(3.9 3.10 3.11 3.12 3.13 3.14)
# releases of ansible-core, each with the Pythons that it runs on as a controller
CORES=("2.19 3.11 3.12 3.13" "2.20 3.12 3.13 3.14" "2.21 3.12 3.13 3.14")
utils=tests/unit/plugins/module_utils
HOSTS=("$utils"/{_base,_oci,_tls13,_ratls,_registry,_unpack,_destination,_layout,_archive,_trust,_module} tests/unit/plugins/modules)
# These go through all of these packages. What several modules do alike has its own files, which run on the oldest Python.
MODULES=(tests/unit/plugins/modules/test_{oci_*,cca_*,cache,ra_tls,signatures,unusual_hosts}.py)

declare -A python
while read -r version path; do python[$version]=$path; done < <("$VENV/bin/python" tools/find_pythons.py "${PYTHONS[@]}")
found=() missing=() failed=()
for version in "${PYTHONS[@]}"; do
  if [ -n "${python[$version]:-}" ]; then found+=("$version"); else missing+=("Python $version"); fi
done
mapfile -t ends < <(printf '%s\n' "${found[0]}" "${found[-1]}" | uniq)
own=$("$VENV/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# The newest release of ansible-core for a Python; the oldest brings files for hosts with a Python that none runs on.
core_for() {
  local line best=2.19
  for line in "${CORES[@]}"; do
    if [[ " ${line#* } " = *" $1 "* ]]; then best=${line%% *}; fi
  done
  echo "$best"
}

count() {
  local what=$1 begin=$SECONDS
  shift
  say "--- $what"
  if "$@"; then say "--- $what passed in $((SECONDS - begin)) s"; else failed+=("$what"); fi
}

environment_of() { CORE=$(core_for "$1") PYTHON=${python[$1]} tools/venv.sh "python-$1"; }

unit_on() {
  local version=$1
  shift
  environment_of "$version" &&
    "$BUILD/python-$version-venv/bin/python" -m pytest -p no:cacheprovider --numprocesses="$WORKERS" --dist=loadfile --no-loadscope-reorder --quiet "$@"
}

sanity_of() {
  PYTHON=${python[$2]} tools/venv.sh "core-$1" && ANSIBLE_TEST_VENV=$BUILD/core-$1-venv tools/sanity.sh
}

environments() {
  local version
  for version in "${ends[@]}"; do
    if [ "$version" != "$own" ]; then environment_of "$version"; fi
  done
}

hosts() {
  local version tests
  for version in "${ends[@]}"; do
    if [ "$version" = "$own" ]; then
      say "managed hosts' packages on Python $own: make unit runs them"
    else
      # The oldest Python lacks most. On the newest, make matrix runs all tests, as on the others.
      if [ "$version" = "${found[0]}" ]; then tests=("${HOSTS[@]}"); else tests=("${MODULES[@]}"); fi
      # what does not depend on the Python, and a hundred examples of a property, has run on one Python, in make unit
      count "managed hosts' packages on Python $version" unit_on "$version" -m "not exhaustive" --hypothesis-profile="few examples" "${tests[@]}"
    fi
  done
}

everything() {
  local line core version controller
  for line in "${CORES[@]}"; do
    core=${line%% *} controller=
    for version in ${line#* }; do
      if [ -n "${python[$version]:-}" ]; then controller=$version; fi
    done
    if [ -n "$controller" ]; then
      count "sanity tests of ansible-core $core on Python $controller" sanity_of "$core" "$controller"
    else
      missing+=("ansible-core $core, which needs one of Python ${line#* }")
    fi
  done
  for version in "${found[@]}"; do
    # the tools and the plugins of a controller need Python 3.11
    skip=(--ignore=tests/unit/tools)
    case $version in 3.9 | 3.10) skip+=(--ignore=tests/unit/plugins/{filter,lookup,plugin_utils}) ;; esac
    count "unit tests on Python $version with ansible-core $(core_for "$version")" unit_on "$version" "${skip[@]}" tests/unit
  done
}

# This one takes its Python from .venv.
oldest_libraries() { count "the server with the oldest libraries" tools/server-oldest.sh; }

case ${1-} in
  environments) environments; exit ;;
  hosts) hosts ;;
  *) everything && oldest_libraries ;;
esac
[ ${#missing[@]} = 0 ] || say "not found, so not tried: $(printf '%s; ' "${missing[@]}" | sed 's/; $//')"
[ ${#failed[@]} = 0 ] || die "failed: $(printf '%s; ' "${failed[@]}" | sed 's/; $//')"
