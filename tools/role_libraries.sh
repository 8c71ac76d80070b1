#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# role_libraries.sh [PYTHON...]   pin anew what the role installs: roles/registry_server/files/requirements/PYTHON.txt, by default for
#                                 each Python that has a list
#
# Needs uv on PATH, which resolves for another Python than its own; pip judges the markers of requirements by its own. A list has the
# hashes of the wheels that pip takes on x86_64 and aarch64, on systems with glibc 2.28, for which cbor2 has wheels, and with a newer one.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

lists=$TOP/roles/registry_server/files/requirements
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# cryptography refuses 3.9.0, which is what both uv and pip take 3.9 for.
resolve() {
  printf '%s\n' 'aiohttp>=3.11' 'pydantic>=2.10' PyYAML prometheus-client bcrypt 'cryptography>=45' 'cbor2>=5.9' |
    uv pip compile --quiet --no-header --no-annotate --only-binary :all: --python-platform x86_64-manylinux_2_28 \
      --python-version "${1/%3.9/3.9.2}" -
}

# download PYTHON ARCHITECTURE GLIBC...: what pip takes where these are the tags of the platform
download() {
  local python=$1 architecture=$2 platforms=() libc
  shift 2
  for libc in "$@"; do platforms+=(--platform "manylinux${libc}_$architecture"); done
  pip download --quiet --no-deps --ignore-requires-python --only-binary=:all: --python-version "$python" "${platforms[@]}" --dest "$work/$python" \
    --requirement "$work/$python.in"
}

pinned() {
  local requirement name sum
  cat <<END
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the registry server runs with on CPython $1: exactly these versions and files, wheels for Linux with glibc 2.28 or later, x86_64 and aarch64.
# Made by tools/role_libraries.sh.
END
  while read -r requirement; do
    name=${requirement%%==*}
    printf '%s' "$requirement"
    sha256sum "$work/$1/${name//-/_}"-*.whl | sort -u | while read -r sum _; do printf ' \\\n    --hash=sha256:%s' "$sum"; done
    printf '\n'
  done <"$work/$1.in"
}

if [ $# = 0 ]; then
  for list in "$lists"/*.txt; do set -- "$@" "$(basename "$list" .txt)"; done
fi
for python; do
  resolve "$python" >"$work/$python.in"
  for architecture in x86_64 aarch64; do
    download "$python" "$architecture" 2014 _2_17 _2_28
    download "$python" "$architecture" 2014 _2_17 _2_28 _2_34
  done
  pinned "$python" >"$lists/$python.txt"
  say "$lists/$python.txt: $(wc -l <"$work/$python.in") libraries"
done
