#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# venv.sh dev|user|core-2.20|python-3.9
# dev makes .venv with what requirements-dev.txt names, for the tests. The others are in build/NAME-venv: user has what
# requirements-demo.txt names, for make demo, serve and build; core-X that release of ansible-core; python-X what the unit tests need,
# with the release of ansible-core that CORE names. An environment that works is kept until these files change, or $PYTHON names
# another Python than the one it was made from; which python3 comes first on PATH counts only when there is none.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

name=${1:?}
place=$BUILD/$name-venv
alone=() files=(requirements*.txt)
case $name in
  dev) place=$VENV install=(--requirement requirements-dev.txt) ;;
  # Nothing is left outside of build/, and Python compiles the few files that are used when they are.
  user) install=(--no-cache-dir --no-compile --requirement requirements-demo.txt) files=(requirements-demo.txt requirements.txt) ;;
  core-*) install=("ansible-core~=${name#core-}.0") files=() ;;
  # On a managed host ansible-core is a few files that Ansible brings, for older Pythons than those of a controller.
  python-*) install=(--requirement requirements-test.txt jinja2 packaging) alone=("ansible-core~=${CORE:?}.0") ;;
  *) die "usage: tools/venv.sh dev|user|core-VERSION|python-VERSION" ;;
esac
PATH=$CALLER_PATH # the python3 that an environment is made from is never .venv's own
stamp=$place/.ready
identity='import sys; print(sys.version, sys.base_prefix)'

is_ready() {
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x "$place/bin/python" ] || return
  [ -z "${PYTHON:-}" ] || [ "$("$place/bin/python" -c "$identity" 2>/dev/null)" = "$("$PYTHON" -c "$identity")" ] || return
  "$place/bin/python" -c '' 2>/dev/null
}

new_enough() {
  command -v "$1" >/dev/null || return
  [[ $name = python-* ]] || "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

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

wanted=$({ cat /dev/null "${files[@]}"; printf '%s\n' "$TOP" "${install[@]}" "${alone[@]}"; } | sha256sum)
if is_ready; then exit 0; fi

[ -n "${PYTHON:-}" ] || command -v python3 >/dev/null || tools/apt-need.sh "a Python environment" python3=python3
python=$(choose_python)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
say "making ${place#"$TOP"/} with Python $version (the first time only)"
rm -rf "$place"
mkdir -p "$(dirname "$place")"
# Those for the tools of Ansible have a pip of their own, which they run; for the others the pip of that Python installs, as to
# install a pip is a third of what a small environment costs.
if [[ $name != dev && $name != core-* ]] && "$python" -m pip --python "$python" --version >/dev/null 2>&1; then
  "$python" -m venv --without-pip "$place"
  pip_install() { "$python" -m pip --python "$place/bin/python" install --quiet "$@" </dev/null; }
else
  "$python" -c 'import ensurepip, venv' 2>/dev/null || {
    # Ubuntu's and deadsnakes' Pythons have a venv package each; Debian's plain name covers the default one.
    tools/apt-need.sh "a virtual environment" "/usr/lib/python$version/ensurepip=python$version-venv"
  }
  "$python" -m venv "$place"
  pip_install() { "$place/bin/python" -m pip install --quiet "$@" </dev/null; }
fi
# To compile all that is installed takes longer than to compile what a few tests import, as they do.
if [[ $name = python-* ]]; then install+=(--no-compile); fi
pip_install "${install[@]}"
[ ${#alone[@]} = 0 ] || pip_install --no-deps --ignore-requires-python "${alone[@]}"
printf '%s\n' "$wanted" >"$stamp"
