#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# venv.sh dev|user
# dev makes .venv with what requirements-dev.txt names, for the tests; user makes build/user-venv with what requirements-demo.txt
# names, for make demo, serve and build. An environment that works is kept until these files change, or $PYTHON names another
# Python than the one it was made from; which python3 comes first on PATH counts only when there is none.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1-} in
  dev) venv=$VENV requirements=requirements-dev.txt ;;
  user) venv=$USER_VENV requirements=requirements-demo.txt ;;
  *) die "usage: tools/venv.sh dev|user" ;;
esac
PATH=$CALLER_PATH # the python3 that an environment is made from is never .venv's own
stamp=$venv/.ready
identity='import sys; print(sys.version, sys.base_prefix)'

is_ready() {
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x "$venv/bin/python" ] || return
  [ -z "${PYTHON:-}" ] || [ "$("$venv/bin/python" -c "$identity" 2>/dev/null)" = "$("$PYTHON" -c "$identity")" ] || return
  "$venv/bin/python" -c '' 2>/dev/null
}

new_enough() { command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# $PYTHON alone when it is set; else the python3 on PATH, or a newer one beside it.
choose_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  die "ansible-core needs Python 3.11 or newer, and ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 || true). Name one with: make PYTHON=/path/to/python3.11 ..."
}

wanted=$({ cat requirements*.txt; printf '%s\n' "$TOP"; } | sha256sum)
if is_ready; then exit 0; fi

[ -n "${PYTHON:-}" ] || command -v python3 >/dev/null || tools/apt-need.sh "a Python environment" python3=python3
python=$(choose_python)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
say "making ${venv#"$TOP"/} with Python $version (the first time only)"
rm -rf "$venv"
mkdir -p "$(dirname "$venv")"
if "$python" -m pip --python "$python" --version >/dev/null 2>&1; then
  # The pip of that Python installs into the environment, which needs none of its own: half of what an empty environment costs.
  "$python" -m venv --without-pip "$venv"
  "$python" -m pip --python "$venv/bin/python" install --quiet --requirement "$requirements" </dev/null
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null || {
    # Ubuntu's and deadsnakes' Pythons have a venv package each; Debian's plain name covers the default one.
    tools/apt-need.sh "a virtual environment" "/usr/lib/python$version/ensurepip=python$version-venv"
  }
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --requirement "$requirements" </dev/null
fi
printf '%s\n' "$wanted" >"$stamp"
